"""Nearest neighbours of points: one search for charts, the R^2 of neighbours and the off-manifold share."""

from __future__ import annotations

import torch
from torch import Tensor

ROWS = 500
"""Points whose distances to all others are held at once."""
CACHED = 2**19
"""Distances that a processor's caches hold, about: of many points, fewer rows at once are faster."""


def squared_distances(points: Tensor, among: Tensor) -> Tensor:
    """Squared Euclidean distances ``[N, L]`` from ``points [N, D]`` to ``among [L, D]``, never negative."""
    centre = among.mean(0)
    others = among - centre
    return _squares(points - centre, others, others.square().sum(1))


def nearest(
    points: Tensor, among: Tensor, count: int, groups: tuple[Tensor, Tensor] | None = None, rows: int = ROWS
) -> tuple[Tensor, Tensor]:
    """The nearest of ``among [L, D]`` to each of ``points [N, D]``, the nearest first.

    Args:
        points: whose neighbours are sought.
        among: the candidates.
        count: neighbours of each.
        groups: numbers ``[N]`` of the points and ``[L]`` of the candidates; those with the same are no neighbours.
        rows: points at once.

    Returns:
        Their squared distances and their indices, ``[N, count]`` each.
    """
    centre = among.mean(0)
    others = among - centre
    norms = others.square().sum(1)
    distances, indices = [], []
    for start in range(0, len(points), rows):
        some = slice(start, start + rows)
        squares = _squares(points[some] - centre, others, norms)
        if groups is not None:
            squares.masked_fill_(groups[0][some].unsqueeze(1) == groups[1], torch.inf)
        distance, index = squares.topk(count, largest=False)
        distances.append(distance)
        indices.append(index)
    return torch.cat(distances), torch.cat(indices)


def nearest_elsewhere(inputs: Tensor, neighbours: int = 10) -> Tensor:
    """The nearest points in *other* sequences of every point.

    Inputs are whitened first, so that their scale does not matter.

    Args:
        inputs: ``[N, T, D]``.
        neighbours: how many are wanted; at most the points of N - 1 sequences.

    Returns:
        ``[N * T, neighbours]`` indices into the points of all sequences, one sequence after the other.
    """
    count, length, _ = inputs.shape
    points = inputs.flatten(0, 1).double()
    points = points - points.mean(0)
    deviation, axes = torch.linalg.eigh(points.T @ points / len(points))
    points = (points @ axes) / deviation.clamp(min=1e-12).sqrt()
    sequence = torch.arange(count, device=inputs.device).repeat_interleave(length)
    rows = max(1, min(ROWS, CACHED // len(points)))
    return nearest(points, points, min(neighbours, len(points) - length), (sequence, sequence), rows)[1]


def placed_among(points: Tensor, landmarks: Tensor, places: Tensor, neighbours: int) -> Tensor:
    """Places ``[N, K]`` of ``points [N, D]``: means over the ``places [L, K]`` of the nearest ``landmarks [L, D]``,
    weighed by distance."""
    distance, index = nearest(points, landmarks, neighbours)
    weight = torch.exp(-distance / distance[:, -1:].clamp(min=1e-12)).unsqueeze(-1)
    return (places[index] * weight).sum(1) / weight.sum(1)


def _squares(points: Tensor, others: Tensor, norms: Tensor) -> Tensor:
    """From points around a common centre, which keeps rounding small, and the squared ``norms [L]`` of the others."""
    squares = 2 * points @ others.T
    return torch.sub(norms, squares, out=squares).add_(points.square().sum(1, keepdim=True)).clamp_(min=0)
