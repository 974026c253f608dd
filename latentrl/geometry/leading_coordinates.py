"""Leading coordinates: principal components of strongly blurred pictures.

Strongly blurred, a picture changes almost linearly with where things are, as long as they move no further than the blur
is wide. So its leading principal components are a chart of the position that needs no label.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from latentrl.numerics.blur import blur
from latentrl.numerics.pieces import evenly_spread

LARGEST_SIDE, COARSE_SIDE = 32, 16
"""Larger images are averaged down first: little is left of their detail in a strong blur, and components of few pixels
are found soon."""
PIECE = 2**20
"""Pixel values that are blurred at once, so that no floating-point copy of the data set is needed."""


def leading_coordinates(observations: Tensor, count: int, width: float = 0.25, sample: int = 2000) -> Tensor:
    """The first principal components of blurred images, each with unit variance.

    Args:
        observations: ``[N, T, H, W, C]`` uint8.
        count: components, at most ``sample``.
        width: standard deviation of the blur as a fraction of the height.
        sample: frames, evenly spread, that the components are estimated from.

    Returns:
        ``[N, T, count]`` float32.
    """
    flat = observations.flatten(0, 1)
    length = max(1, PIECE // math.prod(flat.shape[1:]))
    basis_frames = torch.cat([_blurred(piece, width) for piece in evenly_spread(flat, sample).split(length)])
    mean = basis_frames.mean(0)
    basis = torch.linalg.svd(basis_frames - mean, full_matrices=False).Vh[:count].T
    # Filled in, not concatenated: between the small results of many pieces, the heap has no room for the next frames.
    components = torch.empty(len(flat), basis.shape[1], device=flat.device)
    for found, piece in zip(components.split(length), flat.split(length), strict=True):
        torch.matmul(_blurred(piece, width) - mean, basis, out=found)
    return (components / components.std(0)).unflatten(0, observations.shape[:2])


def _blurred(frames: Tensor, width: float) -> Tensor:
    images = _coarse(frames.float() / 255)
    return blur(images, width * images.shape[-3]).flatten(1)


def _coarse(images: Tensor) -> Tensor:
    """Images ``[N, H, W, C]``, large ones averaged down to sides of at most ``COARSE_SIDE`` pixels."""
    height, width = images.shape[1:3]
    if max(height, width) <= LARGEST_SIDE:
        return images
    scale = COARSE_SIDE / max(height, width)
    size = max(1, round(scale * height)), max(1, round(scale * width))
    return adaptive_avg_pool2d(images.permute(0, 3, 1, 2), size).permute(0, 2, 3, 1)
