"""Local models for iLQR: dynamics to first order, a reward to second, for many points at once.

The points do not touch each other: a sum over them has the gradients of all of them.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from latentrl.agents.planners.common import path_rewards
from latentrl.types import ConcaveReward, Dynamics, Reward, SmoothDynamics

MANY = 16
"""Dimensions of a state that are gone back from at once: a model's memory has a hundred."""


class LinearSteps(NamedTuple):
    """Jacobians of z' at ``[..., Dz]``, ``[..., Du]``: by the state ``[..., Dz, Dz]``, the action ``[..., Dz, Du]``."""

    by_state: Tensor
    by_action: Tensor


class QuadraticReward(NamedTuple):
    """Gradient ``[..., Dz + Du]`` and Hessian ``[..., Dz + Du, Dz + Du]`` of a reward by state and action."""

    gradient: Tensor
    hessian: Tensor


def jacobians(dynamics: Dynamics, state: Tensor, action: Tensor) -> LinearSteps:
    """Exact Jacobians of the transition's mean at ``state [..., Dz]`` and ``action [..., Du]``.

    By automatic differentiation where the dynamics do not know them: backwards from each of the Dz, all at once where
    they are many.
    """
    if isinstance(dynamics, SmoothDynamics):
        return LinearSteps(*dynamics.jacobians(state, action))
    with torch.inference_mode(False), torch.enable_grad():
        inputs = [tensor.clone().requires_grad_() for tensor in (state, action)]
        mean = dynamics.transition(*inputs).mean
        if mean.shape[-1] >= MANY and mean.requires_grad:
            # What a user wrote by hand need not take many gradients at once: then it is asked for each.
            with suppress(Exception):
                return _all_at_once(mean, inputs)
        rows = [_gradient(output, inputs) for output in mean.unbind(-1)]
    by_state, by_action = (torch.stack(column, -2) for column in zip(*rows, strict=True))
    return LinearSteps(by_state, by_action)


def _all_at_once(mean: Tensor, inputs: list[Tensor]) -> LinearSteps:
    size = mean.shape[-1]
    each = torch.eye(size, dtype=mean.dtype, device=mean.device).view(size, *[1] * (mean.dim() - 1), size)
    found = torch.autograd.grad(
        mean,
        inputs,
        each.expand(size, *mean.shape),
        retain_graph=True,
        is_grads_batched=True,
        allow_unused=True,
    )
    # PyTorch would fill in a zero for each input, not for each of the gradients.
    filled = (
        tensor.new_zeros(size, *tensor.shape) if one is None else one for one, tensor in zip(found, inputs, strict=True)
    )
    return LinearSteps(*(one.movedim(0, -2) for one in filled))


def quadratic(reward: Reward, state: Tensor, action: Tensor) -> QuadraticReward:
    """The reward's expansion at ``state [..., Dz]`` and ``action [..., Du]``, by automatic differentiation."""
    with torch.inference_mode(False), torch.enable_grad():
        inputs = [tensor.clone().requires_grad_() for tensor in (state, action)]
        gradient = torch.cat(_gradient(reward(*inputs), inputs, keep=True), -1)
        rows = [torch.cat(_gradient(entry, inputs), -1) for entry in gradient.unbind(-1)]
    hessian = torch.stack(rows, -2)
    return QuadraticReward(gradient.detach(), 0.5 * (hessian + hessian.mT))


def path_expansion(reward: Reward, path: Tensor, actions: Tensor) -> QuadraticReward:
    """The concave expansion at states ``path [B, H, Dz]`` and ``actions [B, H, Du]``.

    By automatic differentiation where the reward does not know its own.
    """
    turned = path.transpose(0, 1), actions.transpose(0, 1)
    known = reward.expansion(*turned) if isinstance(reward, ConcaveReward) else None
    if known is None:
        return concave(quadratic(partial(path_rewards, reward), path, actions))
    gradient, hessian = known
    return QuadraticReward(gradient.transpose(0, 1).nan_to_num(0.0, 0.0, 0.0), hessian.transpose(0, 1))


def concave(reward: QuadraticReward) -> QuadraticReward:
    """``reward`` with its Hessian's positive eigenvalues set to zero, so that the local problem has a maximum.

    Entries that are not finite count as zero: a diverged roll-out carries no information.
    """
    gradient, hessian = reward.gradient.nan_to_num(0.0, 0.0, 0.0), reward.hessian.nan_to_num(0.0, 0.0, 0.0)
    values, vectors = torch.linalg.eigh(hessian)
    return QuadraticReward(gradient, (vectors * values.clamp(max=0.0).unsqueeze(-2)) @ vectors.mT)


def _gradient(output: Tensor, inputs: list[Tensor], keep: bool = False) -> list[Tensor]:
    """Gradients of each entry of ``output [...]`` by its own inputs; zero where it does not depend on them."""
    if not output.requires_grad:
        return [torch.zeros_like(tensor) for tensor in inputs]
    return list(
        torch.autograd.grad(
            output.sum(), inputs, create_graph=keep, retain_graph=True, allow_unused=True, materialize_grads=True
        )
    )
