"""Charts: as many smooth coordinates as the position has, read off the pictures without any label.

Strongly blurred pictures are nearly linear in the *large* motions alone; the small ones are found from neighbours.
Pictures that are nearly alike are linked into a graph, and the slowest functions on that graph are coordinates of the
manifold that the pictures lie on, however it is curved (Laplacian eigenmaps, Belkin and Niyogi 2003; density divided
out as in diffusion maps, Coifman and Lafon 2006).

The large motions are then rotated within the slowest functions to where they explain most of the pictures, and what is
still distorted is straightened by the topology (:mod:`latentrl.geometry.topologies`).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from latentrl.geometry.descriptors import FRAMES_AT_ONCE, LANDMARKS, thumbnails
from latentrl.geometry.neighbour_graph import (
    NEIGHBOURS,
    Graph,
    NoChartError,
    distinct,
    similarities,
    slowest_functions,
)
from latentrl.geometry.topologies import topology_of
from latentrl.numerics.neighbours import nearest, placed_among
from latentrl.numerics.pieces import frames_at, spread_frames
from latentrl.types import Sequences

SMOOTH = 10
"""Slowest functions that a chart is made of, more if it must."""
NEAR, FAR = 1 / 32, 1 / 4
"""Blurs, as fractions of the height: pictures are compared after the first, and what survives the second is large."""
LARGE = 0.2
"""A motion is large if it explains this share of what the largest one explains of strongly blurred pictures."""
NEW = 0.5
"""A coordinate is new if the others tell less of it than this."""


class Charted(NamedTuple):
    """Sequences of pictures, and their places on a chart.

    Attributes:
        data: the sequences.
        places: ``[N, T, Da]``, each of unit variance.
        straight: whether a motion moves the places as far anywhere on the chart; if not, they only tell pictures apart.
    """

    data: Sequences
    places: Tensor
    straight: bool = True


def chart(observations: Tensor, count: int, landmarks: int = LANDMARKS) -> Tensor:
    """Coordinates of the pictures, each with mean zero and unit variance.

    Args:
        observations: ``[N, T, H, W, C]`` uint8.
        count: coordinates.
        landmarks: frames, evenly spread, that the graph is made of; the others are placed among their neighbours.

    Returns:
        ``[N, T, count]`` float32, on the CPU.

    Raises:
        NoChartError: too few frames, pictures that fall into several groups, or fewer coordinates than ``count``.
    """
    sample = spread_frames(observations, landmarks)
    if len(sample) < 10 * NEIGHBOURS:
        raise NoChartError(f"{len(sample)} frames are too few for a chart; at least {10 * NEIGHBOURS} are needed")
    near = thumbnails(sample, NEAR)
    kept = distinct(near)
    sample, near = sample[kept], near[kept]
    coordinates = _coordinates(similarities(near, NEIGHBOURS), thumbnails(sample, FAR), thumbnails(sample, 0.0), count)
    numbers = torch.arange(observations.shape[:2].numel()).split(FRAMES_AT_ONCE)
    pieces = (frames_at(observations, piece).cpu() for piece in numbers)
    placed = torch.cat(
        [placed_among(thumbnails(piece, NEAR), near, coordinates, NEIGHBOURS // 2 + 1) for piece in pieces]
    )
    places = placed.unflatten(0, observations.shape[:2])
    straight = topology_of(spread_frames(places, landmarks)).straighten(places, observations, landmarks)
    return topology_of(spread_frames(straight, landmarks)).even(straight, observations, landmarks)


def needs_chart(observations: Tensor, count: int, sample: int = 2000) -> bool:
    """Whether pictures ``[N, T, H, W, C]`` have fewer large motions than ``count``."""
    blurred = thumbnails(spread_frames(observations, sample), FAR)
    return large_motions(torch.linalg.svdvals(blurred - blurred.mean(0)).square()) < count


def large_motions(components: Tensor) -> int:
    """How many of ``components``, variances ``[K]`` in falling order, are large."""
    return int((components >= LARGE * components[0]).sum())


def rotate_to_explain(energies: Tensor, functions: Tensor, blurred: Tensor, sharp: Tensor, count: int) -> Tensor:
    """``count`` combinations of ``functions [L, K]``: for the large motions those that explain most of the ``sharp``
    pictures ``[L, D]``, then the slowest that are left.

    Args:
        energies: ``[K]``, how fast the functions vary.
        functions: uncorrelated, with unit variance.
        blurred: the pictures after a strong blur ``[L, D]``; they tell how many motions are large.
        sharp: the pictures ``[L, D]``.
        count: combinations.

    Returns:
        ``[L, count]``, or fewer if the others are functions of those before.
    """
    large = min(count, large_motions(_explaining(functions, blurred)[1]))
    leading = _explaining(functions, sharp)[0][:, :large]
    rest = torch.linalg.qr(leading, mode="complete").Q[:, large:]
    slow = functions @ rest @ torch.linalg.eigh(rest.T @ energies.diag() @ rest).eigenvectors
    chosen = functions @ leading
    for candidate in slow.split(1, dim=1):
        if chosen.shape[1] < count and explained_by_neighbours(chosen, candidate) < NEW:
            chosen = torch.cat((chosen, candidate), 1)
    return chosen


def explained_by_neighbours(chosen: Tensor, candidate: Tensor) -> float:
    """R^2 of ``candidate [L, 1]`` as the mean over its neighbours in the coordinates ``chosen [L, K]``.

    Near 1 for a harmonic: a slow function may be one of those before, once more around (Dsilva et al., 2018).
    """
    index = nearest(chosen, chosen, NEIGHBOURS + 1)[1][:, 1:]
    left = candidate - candidate[index].mean(1)
    return 1 - float(left.var() / candidate.var())


def _coordinates(graph: Graph, blurred: Tensor, sharp: Tensor, count: int) -> Tensor:
    """``[L, count]`` from as few functions as will do: a motion of few frames may be slower than others' harmonics."""
    found = torch.empty(0)
    for smooth in (SMOOTH, 2 * SMOOTH, 4 * SMOOTH):
        found = rotate_to_explain(*slowest_functions(graph, smooth), blurred, sharp, count)
        if found.shape[1] == count:
            return found
    raise NoChartError(
        f"a chart to begin on has {found.shape[1]} of {count} coordinates, for other slow ones are functions of those; "
        "how many numbers tell the positions of the pictures is estimated by latentrl inspect"
    )


def _explaining(functions: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Axes ``[K, M]`` among ``functions [L, K]`` that explain most of ``pictures [L, D]``, and how much each does."""
    axes, explained, _ = torch.linalg.svd(functions.T @ (pictures - pictures.mean(0)), full_matrices=False)
    return axes, explained.square()
