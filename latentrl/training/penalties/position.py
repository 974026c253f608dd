"""Alignment: a penalty that starts the position where the pictures' leading components are.

Nothing in the bound asks for a round, evenly traversed ring: any closed curve explains the frames, and the one that
an autoencoder happens to find is frozen within a few hundred steps. Strongly blurred, though, a picture changes almost
linearly with where things are, so its leading principal components are a chart of the position that needs no label.
While sigma is held, the encoder is drawn towards positions from which those components are *linearly* predictable;
scale, rotation and all that is not linear stay free, and later the penalty is gone. A departure from the source.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from latentrl.geometry.cylinder import Cylinder
from latentrl.numerics.blur import blur
from latentrl.numerics.least_squares import unexplained
from latentrl.numerics.pieces import evenly_spread

LARGEST_SIDE, COARSE_SIDE = 32, 16
"""Larger images are averaged down first: little is left of their detail in a strong blur, but the components of 12,288
pixel values would take minutes."""
PIECE = 2**20
"""Pixel values that are blurred at once: the floating-point copy of a large data set would not fit into memory."""


def leading_components(observations: Tensor, count: int, width: float = 0.25, sample: int = 2000) -> Tensor:
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


def velocity_unexplained(states: Tensor, position_size: int) -> Tensor:
    """The share of the last step's displacement that a linear map of the velocity leaves unexplained, a scalar.

    The bound leaves the velocity's coordinates free, v -> G(a) v, and what a model finds may be momenta or worse. What
    the position has moved since the last time step is a velocity in the position's own coordinates. It is the step
    *before*: the one after it is the next control's too. Where there are fewer velocities than positions, the map is
    linear in the velocity at every position, and affine in that: around a ring, one velocity moves two positions.

    Args:
        states: sampled ``[B, T, Dz]``.
        position_size: Da.
    """
    position, velocity = states[..., :position_size], states[:, 1:, position_size:].flatten(0, 1)
    moved = position.diff(dim=1).flatten(0, 1).detach()
    if velocity.shape[-1] < position_size:
        there = position[:, 1:].flatten(0, 1).detach()
        there = (there - there.mean(0)) / there.std(0)
        turning = (velocity.unsqueeze(-1) * there.unsqueeze(-2)).flatten(1)
        velocity = torch.cat((velocity, turning), -1)
    return unexplained(velocity, moved / moved.std(0))


def turn_unexplained(states: Tensor, places: Tensor) -> Tensor:
    """The same where positions lie on a cylinder: the share of its two displacements, around and along, a scalar.

    Both are linear in the velocity there, at every position, which leaves it no coordinates of its own.

    Args:
        states: sampled ``[B, T, Dz]``.
        places: ``[B, T, 3]``, where the states are on the straight cylinder, a ring and a line, each of unit variance.
            The position, nearly a linear map of them, tells the displacements; single places are less exact.
    """
    size = places.shape[-1]
    velocity = states[:, 1:, size:].flatten(0, 1)
    moved = Cylinder().displacements(states[..., :size], places)
    return unexplained(velocity, moved / moved.std(0))
