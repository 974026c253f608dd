"""Squashing onto a range, so that learning comes back from the range's ends."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

LEAST_SLOPE = 0.1
"""Of the way back, of the slope in the middle: tanh has less beyond 1.8."""


def squash(values: Tensor) -> Tensor:
    """tanh of ``values [...]``, exactly; with a gradient that can still lead back from where tanh is flat.

    Where a step against the gradient would bring a value back to the middle, the slope counts as `LEAST_SLOPE` at
    least; outwards it is tanh's own. Else a policy that its first, poorly informed updates drove to its largest
    actions stays there, for there is no gradient to learn otherwise by. Inverted gradients (Hausknecht and Stone 2016,
    Deep Reinforcement Learning in Parameterized Action Space) also treat the two directions at a bound differently.
    """
    return _Squash.apply(values) if values.requires_grad and torch.is_grad_enabled() else torch.tanh(values)


class _Squash(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        squashed = torch.tanh(values)
        ctx.save_for_backward(squashed)
        return squashed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (squashed,), (gradient,) = ctx.saved_tensors, gradients
        slope = 1 - squashed.square()
        # Against the gradient is inwards where it has the value's sign.
        inwards = squashed * gradient > 0
        return gradient * torch.where(inwards, slope.clamp(min=LEAST_SLOPE), slope)
