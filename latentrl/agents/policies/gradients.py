"""Keeping gradients through a model finite and bounded, however long or chaotic the roll-out.

Backpropagation through H steps multiplies H Jacobians, whose product grows exponentially in unstable dynamics. After
every step each sample's gradient is therefore clipped to a largest norm, before a few exploding samples can dominate
the sum over all of them (docs/control.md).
"""

from __future__ import annotations

import torch
from torch import Tensor


def shorten(gradient: Tensor, scale: Tensor, max_norm: float) -> Tensor:
    """Each ``gradient [..., D]`` rescaled so that the norm of ``gradient * scale [D]`` is at most ``max_norm``.

    Entries that are not finite count as zero: a diverged roll-out carries no information.
    """
    gradient = gradient.nan_to_num(0.0, 0.0, 0.0)
    norm = torch.linalg.vector_norm(gradient * scale, dim=-1, keepdim=True)
    return gradient * (max_norm / norm.clamp(min=max_norm))


def limit_gradient(tensor: Tensor, scale: Tensor, max_norm: float) -> Tensor:
    """``tensor [..., D]`` itself, with a bound on the gradient that flows back through it (see `shorten`)."""
    if tensor.requires_grad:
        tensor.register_hook(lambda gradient: shorten(gradient, scale, max_norm))
    return tensor


class StateGuard:
    """Keeps roll-outs within a trusted region around the start states, and bounds every state's gradient.

    A step that leads outside (or to NaN) is not taken: the roll-out stays where it was, without the gradient of that
    step, so that a diverged sample neither turns the loss into NaN nor moves the policy.

    Args:
        low: lower bound of the trusted region ``[Dz]``.
        high: upper bound of it ``[Dz]``.
        scale: spread of the start states ``[Dz]``, positive.
        max_norm: largest norm of a sample's gradient, per ``scale``.
    """

    low: Tensor
    high: Tensor
    scale: Tensor
    max_norm: float

    def __init__(self, low: Tensor, high: Tensor, scale: Tensor, max_norm: float) -> None:
        self.low, self.high, self.scale, self.max_norm = low, high, scale, max_norm

    def __call__(self, state: Tensor, following: Tensor) -> Tensor:
        """The state to go on from: ``following [..., Dz]`` where sane, else ``state [..., Dz]``."""
        sane = ((following > self.low) & (following < self.high)).all(-1, keepdim=True)
        return limit_gradient(torch.where(sane, following, state.detach()), self.scale, self.max_norm)
