"""The mean squared error of decoded frames, whose pixels are passed over once in each direction."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def frame_errors(decoded: Tensor, frames: Tensor) -> Tensor:
    """Mean over its dimensions of every frame's (x - decoded)^2, ``[N]``; the gradient is that of ``decoded``.

    Args:
        decoded: ``[N, *shape]``.
        frames: x ``[N, *shape]``: uint8 images, counted in [0, 1], or floating point.
    """
    errors: Tensor = _FrameErrors.apply(decoded, frames)
    return errors


class _FrameErrors(torch.autograd.Function):
    """Autograd's own passes over the pixels four times backwards, and each pass costs what it reads and writes."""

    @staticmethod
    def forward(ctx: Any, decoded: Tensor, frames: Tensor) -> Tensor:
        unit = frames.float().div_(255) if frames.dtype == torch.uint8 else frames.float()
        difference = decoded - unit
        ctx.save_for_backward(difference)
        return difference.square().flatten(1).mean(-1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_errors: Tensor) -> Any:
        (difference,) = ctx.saved_tensors
        each = to_errors * 2 / difference[0].numel()
        return difference * each.view(-1, *[1] * (difference.dim() - 1)), None
