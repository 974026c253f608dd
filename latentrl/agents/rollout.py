"""Rolling a model forward: the one loop that planners and policies share.

Latent models are small, so the cost of a roll-out is the number of calls, not their size: batch everything, and do
nothing in the loop that could be done once outside it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from latentrl.numerics.feedback import follow_feedback
from latentrl.numerics.rolling import follow
from latentrl.types import Dynamics, FeedbackDynamics, RolloutDynamics


def rollout(dynamics: Dynamics, state: Tensor, actions: Tensor) -> Tensor:
    """Mean states that a sequence of actions leads to; differentiable in both while gradients are enabled.

    Args:
        dynamics: the model.
        state: where the roll-out starts, ``[..., Dz]``; not part of the result.
        actions: ``[..., H, Du]``, in the environment's units.

    Returns:
        ``[..., H, Dz]``: entry ``t`` is the state after ``actions[..., t, :]``.
    """
    if isinstance(dynamics, RolloutDynamics) and not torch.is_grad_enabled():
        return dynamics.rollout(state, actions)
    return follow(lambda state, action: dynamics.transition(state, action).mean, state, actions)


def rollout_feedback(
    dynamics: Dynamics, state: Tensor, base: Tensor, feedback: Tensor, around: Tensor, low: Tensor, high: Tensor
) -> tuple[Tensor, Tensor]:
    """Actions ``[N, H, Du]`` and mean states ``[N, H, Dz]`` of an affine policy, ``u = base_t + feedback_t (z -
    around_t)``, within bounds; no gradient.

    Args:
        dynamics: the model.
        state: where the roll-outs start, ``[N, Dz]``.
        base: ``[N, H, Du]``.
        feedback: ``[N, H, Du, Dz]``.
        around: ``[N, H, Dz]``.
        low: smallest action ``[Du]``.
        high: largest action ``[Du]``.
    """
    if isinstance(dynamics, FeedbackDynamics):
        return dynamics.rollout_feedback(state, base, feedback, around, low, high)
    with torch.no_grad():
        return follow_feedback(
            lambda state, action: dynamics.transition(state, action).mean, state, base, feedback, around, low, high
        )


def rollout_closed_loop(
    dynamics: Dynamics,
    state: Tensor,
    act: Callable[[Tensor], Tensor],
    horizon: int,
    generator: torch.Generator | None = None,
    sample: bool = True,
    guard: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """States and actions of a feedback policy inside the model, differentiable in both.

    Args:
        dynamics: the model.
        state: where the roll-outs start, ``[..., Dz]``.
        act: the policy, ``[..., Dz] -> [..., Du]``.
        horizon: steps H.
        generator: source of the transition noise.
        sample: draw reparameterised samples from the transition; else follow its mean.
        guard: given the last and the next state, the state to go on from: the place to keep roll-outs sane.

    Returns:
        The states after each action ``[..., H, Dz]`` and the actions ``[..., H, Du]``.
    """
    states, actions = [], []
    for _ in range(horizon):
        action = act(state)
        step = dynamics.transition(state, action)
        following = step.rsample(generator) if sample else step.mean
        state = following if guard is None else guard(state, following)
        states.append(state)
        actions.append(action)
    return torch.stack(states, dim=-2), torch.stack(actions, dim=-2)
