"""Following an affine policy: what a line search in the space of policies takes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def follow_feedback(
    step: Callable[[Tensor, Tensor], Tensor],
    state: Tensor,
    base: Tensor,
    feedback: Tensor,
    around: Tensor,
    low: Tensor,
    high: Tensor,
) -> tuple[Tensor, Tensor]:
    """Actions ``[N, H, Du]`` and states ``[N, H, Dz]`` under ``u = base_t + feedback_t (z - around_t)``, within bounds.

    Args:
        step: the next states ``[N, Dz]`` after states ``[N, Dz]`` and actions ``[N, Du]``.
        state: where it starts, ``[N, Dz]``.
        base: ``[N, H, Du]``.
        feedback: ``[N, H, Du, Dz]``.
        around: ``[N, H, Dz]``.
        low: smallest action ``[Du]``.
        high: largest action ``[Du]``.
    """
    actions, states = [], []
    for first, follow, centre in zip(base.unbind(1), feedback.mT.unbind(1), around.unbind(1), strict=True):
        drift = ((state - centre).unsqueeze(-2) @ follow).squeeze(-2)
        action = (first + drift).clamp(low, high)
        state = step(state, action)
        actions.append(action)
        states.append(state)
    return torch.stack(actions, 1), torch.stack(states, 1)
