"""The squared distance that all rewards on latent states are made of, and the checks that they share."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Distance(Protocol):
    """How far positions are from a goal, where that is not a straight line: `latentrl.geometry.distance_field`."""

    goal: Tensor
    """``[Da]``, or ``[N, Da]``: one for each of N parallel episodes."""

    def squared(self, position: Tensor) -> Tensor:
        """Squared distances ``[...]``, latent, of ``position [..., Da]``; with N goals, of ``[..., N, S, Da]``."""
        ...

    def only(self, index: int) -> Distance:
        """The distance to the goal of one of N episodes, still one for each of 1."""
        ...


def negative_squared_distance(feature: Tensor, goal: Tensor, action: Tensor, penalty: float) -> Tensor:
    """Rewards ``[...]``: ``-|feature - goal|^2 - penalty * |action|^2``.

    Args:
        feature: the part of the states that the goal is a point in, ``[..., D]``.
        goal: ``[..., D]``, or broadcastable to it.
        action: ``[..., Du]``.
        penalty: from :func:`penalty_weight`.

    Raises:
        ValueError: the states have fewer dimensions than the goal.
    """
    if feature.shape[-1] != goal.shape[-1]:
        raise ValueError(
            f"the goal has {goal.shape[-1]} dimensions but the state offers {feature.shape[-1]} of them: encode the "
            "goal with the model that made the states"
        )
    reward = -(feature - goal).square().sum(-1)
    return reward - penalty * action.square().sum(-1) if penalty else reward


def distance_expansion(
    state: Tensor, goal: Tensor, first: int, action: Tensor, penalty: float, metric: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Gradient ``[..., Dz + Du]`` and Hessian ``[..., Dz + Du, Dz + Du]`` of :func:`negative_squared_distance`.

    Args:
        state: ``[..., Dz]``.
        goal: ``[..., D]``, or broadcastable to it.
        first: where in a state the goal's part begins.
        action: ``[..., Du]``.
        penalty: from :func:`penalty_weight`.
        metric: ``[D, D]``, of ``|feature - goal|^2``, where that is not the Euclidean one.
    """
    end = first + goal.shape[-1]
    gradient = torch.cat((torch.zeros_like(state), -2 * penalty * action), -1)
    away = state[..., first:end] - goal
    gradient[..., first:end] = -2 * (away if metric is None else away @ metric.to(away))
    curvature = torch.zeros_like(gradient)
    curvature[..., first:end] = -2
    curvature[..., state.shape[-1] :] = -2 * penalty
    hessian = torch.diag_embed(curvature)
    if metric is not None:
        hessian[..., first:end, first:end] = -2 * metric.to(hessian)
    return gradient, hessian


def goal_vector(goal: Tensor) -> Tensor:
    """``goal [D]``, without gradient.

    Raises:
        ValueError: it is no vector, empty or not finite.
    """
    if goal.ndim != 1 or goal.shape[0] == 0:
        raise ValueError(f"a goal is one vector [D], not a tensor of shape {tuple(goal.shape)}")
    return _finite(goal)


def goal_vectors(goals: Tensor) -> Tensor:
    """``goals [N, D]``, one for each of N parallel episodes, without gradient.

    Raises:
        ValueError: there are none, or they are empty or not finite.
    """
    if 0 in goals.shape:
        raise ValueError(f"a goal per episode is a tensor [N, D], not one of shape {tuple(goals.shape)}")
    return _finite(goals)


def penalty_weight(weight: float) -> float:
    """The ``weight`` of the squared action.

    Raises:
        ValueError: it is negative or not finite.
    """
    if not 0.0 <= weight < float("inf"):
        raise ValueError(f"action_penalty must be finite and at least 0, not {weight}")
    return weight


def _finite(goal: Tensor) -> Tensor:
    if not goal.isfinite().all():
        raise ValueError(f"a goal must be finite, not {goal.tolist()}")
    return goal.detach()
