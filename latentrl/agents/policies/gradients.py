"""Keeping gradients through a model finite and bounded, however long or chaotic the roll-out.

Backpropagation through H steps multiplies H Jacobians. Where the dynamics stretch (whatever is balanced does, every
chaotic system does), the product grows exponentially, and one roll-out in a thousand then decides the whole update. The
remedy acts where the product is formed: after every step, each sample's gradient is shortened to a largest norm. Its
direction stays, gradients within the bound stay exact, and the bound holds at any horizon, because what a step passes
on is shortened before the step before can stretch it again. Clipping the summed gradient alone cannot do this: it
only rescales a sum that a few exploding samples already dominate.
"""

from __future__ import annotations

import torch
from torch import Tensor


def shorten(gradient: Tensor, scale: Tensor, max_norm: float) -> Tensor:
    """Each ``gradient [..., D]`` rescaled to at most ``max_norm``, measured per ``scale [D]`` of its variable.

    An entry that is not finite counts as zero: a roll-out that broke says nothing.
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
    """Lets no roll-out leave the sane region around the start states, and bounds every state's gradient.

    A step that leads outside (or to NaN) is not taken: the roll-out stays where it was, cut off from the gradient of
    that step. So one broken sample neither turns the loss into NaN nor pushes the policy anywhere.

    Args:
        centre: mean of the start states ``[Dz]``.
        scale: spread of the start states ``[Dz]``, positive.
        radius: how many ``scale`` from ``centre`` still counts as sane, per dimension.
        max_norm: largest norm of a sample's gradient, per ``scale``.
    """

    def __init__(self, centre: Tensor, scale: Tensor, radius: float, max_norm: float) -> None:
        self.low, self.high = centre - radius * scale, centre + radius * scale
        self.scale, self.max_norm = scale, max_norm

    def __call__(self, state: Tensor, following: Tensor) -> Tensor:
        """The state to go on from: ``following [..., Dz]`` where sane, else ``state [..., Dz]``."""
        sane = ((following > self.low) & (following < self.high)).all(-1, keepdim=True)
        return limit_gradient(torch.where(sane, following, state.detach()), self.scale, self.max_norm)
