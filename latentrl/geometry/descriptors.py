"""Pictures made small and blurred, to be compared."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from latentrl.numerics.blur import blur
from latentrl.numerics.neighbours import PIECE

LANDMARKS = 10_000


SIDE = 32


def described(frames: Tensor, width: float) -> Tensor:
    """``frames [N, H, W, C]`` uint8, blurred and averaged to sides of at most ``SIDE`` pixels, flat ``[N, D]``.

    Args:
        frames: the pictures.
        width: of the blur, as a fraction of their height.
    """
    height, wide = frames.shape[1:3]
    scale = min(1.0, SIDE / max(height, wide))
    size = max(1, round(scale * height)), max(1, round(scale * wide))
    found = []
    for piece in frames.split(PIECE):
        images = piece.float() / 255
        if width > 0:
            images = blur(images, width * height)
        found.append(adaptive_avg_pool2d(images.permute(0, 3, 1, 2), size).flatten(1))
    return torch.cat(found)
