"""What points lie on: how many dimensions it has, and how far noise carries them off it."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from latentrl.numerics.neighbours import nearest

LEADING_ROUNDS, SPARE = 4, 10
"""Rounds of subspace iteration, and how many more components take part: those that matter have converged by then."""


class Axes(NamedTuple):
    """Leading principal axes: ``mean [D]``, orthonormal ``axes [D, K]`` and ``variances [K]``, falling."""

    mean: Tensor
    axes: Tensor
    variances: Tensor

    def along(self, points: Tensor) -> Tensor:
        """Coordinates ``[N, K]`` of ``points [N, D]``."""
        return (points - self.mean) @ self.axes


def leading_axes(points: Tensor, count: int) -> Axes:
    """The ``count`` leading principal axes of ``points [N, D]``, or as many as there are.

    By subspace iteration (Halko, Martinsson and Tropp 2011), for a whole decomposition of many pixels takes minutes.
    """
    mean = points.mean(0)
    centred = points - mean
    count = min(count, *centred.shape)
    wide = min(count + SPARE, *centred.shape)
    start = torch.randn(centred.shape[1], wide, generator=torch.Generator().manual_seed(0), dtype=points.dtype)
    axes = torch.linalg.qr(start).Q
    for _ in range(LEADING_ROUNDS):
        axes = torch.linalg.qr(centred.T @ (centred @ axes)).Q
    values, turn = torch.linalg.eigh((centred @ axes).T @ (centred @ axes) / len(points))
    return Axes(mean, axes @ turn.flip(1)[:, :count], values.flip(0)[:count].clamp(min=0))


def leading_components(points: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Coordinates ``[N, count]`` along the leading principal axes, and their variances ``[count]``, falling."""
    found = leading_axes(points, count)
    return found.along(points), found.variances


def intrinsic_dimension(squared: Tensor, noise: float = 0.0) -> float:
    """The dimension of the manifold that points lie on, from how fast their neighbours' distances grow.

    The number of neighbours within r grows like r^d: of points that lie evenly, the logarithm of the distance to the
    k-th is psi(k) / d in the mean, and a constant that the difference of two of them is rid of (as in Levina and Bickel
    2005, who take all k). psi is the digamma function.
    Noise adds the same to each squared distance, and is taken off first.

    Args:
        squared: squared distances ``[N, K]`` of each point to its nearest neighbours, rising.
        noise: what noise adds to a squared distance, twice its variance summed over the dimensions.
    """
    count = squared.shape[1]
    near = max(1, count // 4)
    left = (squared - noise).clamp(min=0.05 * noise + 1e-30).log()
    growth = 0.5 * float((left[:, count - 1] - left[:, near - 1]).mean())
    expected = torch.special.digamma(torch.tensor([float(count), float(near)]))
    return float(expected[0] - expected[1]) / max(growth, 1e-9)


def local_noise(points: Tensor, neighbours: Tensor) -> float:
    """Standard deviation of noise that is in all of ``points [N, D]``, where D is far larger than what they lie on.

    Within a small neighbourhood points differ along few directions; the smallest half of the variances there is noise.
    The same of white noise alone corrects for these being the smallest.

    Args:
        points: noisy points.
        neighbours: ``[M, K]``, the numbers of points that are near each other; D should exceed K.
    """
    chosen = points[neighbours]
    return math.sqrt(_smallest_half(chosen) / _smallest_half_of_white(neighbours.shape[1], points.shape[1]))


def local_frames(points: Tensor, neighbours: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Middles ``[M, D]`` of neighbourhoods ``[M, K]`` of ``points [N, D]``, their leading axes ``[M, D, count]``."""
    chosen = points[neighbours]
    middle = chosen.mean(1)
    axes = torch.linalg.svd(chosen - middle.unsqueeze(1), full_matrices=False).Vh[:, :count]
    return middle, axes.transpose(1, 2)


def neighbourhoods(points: Tensor, at: Tensor, count: int, groups: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distances and numbers ``[M, count]`` of the nearest of ``points [N, D]`` to those numbered ``at [M]``.

    ``groups [N]`` are numbers; points of the same group are no neighbours, such as the frames of one recording.
    """
    return nearest(points[at], points, count, (groups[at], groups))


def _smallest_half(chosen: Tensor) -> float:
    """Mean variance per dimension along the smaller half of the axes of neighbourhoods ``[M, K, D]``; a median."""
    centred = chosen - chosen.mean(1, keepdim=True)
    values = torch.linalg.eigvalsh(centred @ centred.transpose(1, 2))[:, 1:]
    return float(values[:, : max(1, values.shape[1] // 2)].mean(1).median()) / chosen.shape[2]


def _smallest_half_of_white(count: int, dimensions: int) -> float:
    """`_smallest_half` of white noise of unit variance."""
    some = min(dimensions, 4000)
    return _smallest_half(torch.randn(40, count, some, generator=torch.Generator().manual_seed(0)))
