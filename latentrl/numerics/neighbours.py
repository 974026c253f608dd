"""Nearest neighbours of points."""

from __future__ import annotations

import torch
from torch import Tensor

PIECE = 500


def _nearest(points: Tensor, among: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Squared distances ``[N, count]`` and indices ``[N, count]`` of the nearest of ``among [L, D]``."""
    centre = among.mean(0)
    others = among - centre
    norms = others.square().sum(1)
    distances, indices = [], []
    for piece in (points - centre).split(PIECE):
        squares = (norms - 2 * piece @ others.T + piece.square().sum(1, keepdim=True)).clamp(min=0)
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
    found = []
    for sequence in range(count):
        own = slice(sequence * length, (sequence + 1) * length)
        distance = torch.cdist(points[own], points)
        distance[:, own] = torch.inf
        found.append(distance.topk(min(neighbours, len(points) - length), largest=False).indices)
    return torch.cat(found)
