"""Thumbnails: pictures made small and blurred, to be compared."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from latentrl.numerics.blur import blur

LANDMARKS = 10_000
"""Frames, evenly spread, that a chart is made of."""
FRAMES_AT_ONCE = 500
"""Pictures that are held in floating point at once."""
SIDE = 32
"""Pixels on a thumbnail's longer side at most."""


def thumbnails(frames: Tensor, width: float) -> Tensor:
    """``frames [N, H, W, C]`` uint8, blurred and averaged to sides of at most `SIDE` pixels, flat ``[N, D]`` float32.

    Args:
        frames: the pictures.
        width: standard deviation of the blur, as a fraction of their height; 0 for none.
    """
    height, wide = frames.shape[1:3]
    scale = min(1.0, SIDE / max(height, wide))
    size = max(1, round(scale * height)), max(1, round(scale * wide))
    found = []
    for piece in frames.split(FRAMES_AT_ONCE):
        images = piece.float() / 255
        if width > 0:
            images = blur(images, width * height)
        found.append(adaptive_avg_pool2d(images.permute(0, 3, 1, 2), size).flatten(1))
    return torch.cat(found)
