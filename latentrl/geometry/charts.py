"""Charts: as many smooth coordinates as the position has, read off the pictures without any label.

Strongly blurred pictures are nearly linear in the *large* motions, and :mod:`latentrl.training.penalties.position` needs no more where
these are all there is. A joint at the end of an arm hardly moves the blurred picture, and the arm bent to the left
blurs into the arm bent to the right. Its angle is found from neighbours: pictures that are nearly alike are linked into
a graph, and the slowest functions on that graph are coordinates of the manifold that the pictures lie on, however it is
bent (Laplacian eigenmaps, Belkin and Niyogi 2003; density divided out as in diffusion maps, Coifman and Lafon 2006).

Of a cylinder these are (cos, sin) of an angle around it and a coordinate along it, but any twist of the one with the
other is as slow. The ring is therefore turned within the slowest functions to where it explains most of the pictures,
and what is still bent is made straight (:mod:`latentrl.geometry.cylinder.straightening`).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from latentrl.geometry.cylinder.even_motion import even_line
from latentrl.geometry.cylinder.straightening import (
    angle_and_line,
    is_cylinder,
    projected,
    straightening,
    twist_design,
    untwisting,
)
from latentrl.geometry.descriptors import LANDMARKS, described
from latentrl.geometry.neighbour_graph import NEIGHBOURS, Graph, NoChartError, similarities, slowest_functions
from latentrl.numerics.neighbours import PIECE, _nearest
from latentrl.numerics.pieces import frames_at, spread_frames
from latentrl.types import Sequences

SMOOTH = 10
"""Slowest functions that a chart is made of, more if it must. Twice as many could follow harmonics, and would."""
NEAR, FAR = 1 / 32, 1 / 4
"""Blurs, as fractions of the height: pictures are compared after the first, and what survives the second is large."""
LARGE = 0.2
"""A motion is large if it explains this share of what the largest one explains of strongly blurred pictures."""
NEW = 0.5
"""A coordinate is new if the others tell less of it than this."""


class Charted(NamedTuple):
    """Sequences of pictures, and their places on a chart ``[N, T, Da]``."""

    data: Sequences
    places: Tensor


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
    near = described(sample, NEAR)
    coordinates = _coordinates(similarities(near, NEIGHBOURS), described(sample, FAR), described(sample, 0.0), count)
    numbers = torch.arange(observations.shape[:2].numel()).split(PIECE)
    pieces = (frames_at(observations, piece).cpu() for piece in numbers)
    placed = torch.cat([_placed(described(piece, NEAR), near, coordinates) for piece in pieces])
    places = placed.unflatten(0, observations.shape[:2])
    return evened(straightened(places, observations, landmarks), observations, landmarks)


def straightened(places: Tensor, observations: Tensor, landmarks: int = LANDMARKS) -> Tensor:
    """``places [N, T, K]`` of ``observations``, with a unit ring and a straight line if they are a cylinder's.

    Args:
        places: coordinates of the pictures.
        observations: ``[N, T, H, W, C]`` uint8.
        landmarks: frames, evenly spread, that tell what is straight.
    """
    points = spread_frames(places, landmarks)
    if not is_cylinder(points):
        return places
    return straightening(points, _sharp(observations, landmarks))(places)


def evened(places: Tensor, observations: Tensor, landmarks: int = LANDMARKS) -> Tensor:
    """Places ``[N, T, K]`` of ``observations``, of mean zero and unit variance; a cylinder's so that motion is even.

    Args:
        places: coordinates of the pictures, a cylinder's almost straight.
        observations: ``[N, T, H, W, C]`` uint8.
        landmarks: frames, evenly spread, that tell how the ring is twisted.
    """
    if is_cylinder(spread_frames(places, landmarks)):
        centre, scale = places.double().mean((0, 1)), places.double().std((0, 1))
        angle, line = angle_and_line((places.double() - centre) / scale)
        line = even_line(angle, line)
        seen = projected(_sharp(observations, landmarks))
        twist = untwisting(spread_frames(angle, landmarks), spread_frames(line, landmarks), seen)
        angle = angle - twist_design(line) @ twist
        places = torch.stack((angle.cos(), angle.sin(), line), -1).float()
    flat = places.flatten(0, 1)
    return (places - flat.mean(0)) / flat.std(0)


def _sharp(observations: Tensor, landmarks: int) -> Tensor:
    return described(spread_frames(observations, landmarks), 0.0)


def _coordinates(graph: Graph, blurred: Tensor, sharp: Tensor, count: int) -> Tensor:
    """``[L, count]`` from as few functions as will do: a motion of few frames may be slower than others' harmonics."""
    found = torch.empty(0)
    for smooth in (SMOOTH, 2 * SMOOTH, 4 * SMOOTH):
        found = turned(*slowest_functions(graph, smooth), blurred, sharp, count)
        if found.shape[1] == count:
            return found
    raise NoChartError(f"the pictures have {found.shape[1]} coordinates, not {count}")


def needs_chart(observations: Tensor, count: int, sample: int = 2000) -> bool:
    """Whether pictures ``[N, T, H, W, C]`` have fewer large motions than ``count``."""
    blurred = described(spread_frames(observations, sample), FAR)
    return large_motions(torch.linalg.svdvals(blurred - blurred.mean(0)).square()) < count


def large_motions(components: Tensor) -> int:
    """How many of ``components``, variances ``[K]`` in falling order, are large."""
    return int((components >= LARGE * components[0]).sum())


def turned(energies: Tensor, functions: Tensor, blurred: Tensor, sharp: Tensor, count: int) -> Tensor:
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

    def explaining(pictures: Tensor) -> tuple[Tensor, Tensor]:
        axes, explained, _ = torch.linalg.svd(functions.T @ (pictures - pictures.mean(0)), full_matrices=False)
        return axes, explained.square()

    large = min(count, large_motions(explaining(blurred)[1]))
    leading = explaining(sharp)[0][:, :large]
    rest = torch.linalg.qr(leading, mode="complete").Q[:, large:]
    slow = functions @ rest @ torch.linalg.eigh(rest.T @ energies.diag() @ rest).eigenvectors
    chosen = functions @ leading
    for candidate in slow.split(1, dim=1):
        if chosen.shape[1] < count and told_by(chosen, candidate) < NEW:
            chosen = torch.cat((chosen, candidate), 1)
    return chosen


def told_by(chosen: Tensor, candidate: Tensor) -> float:
    """How much of ``candidate [L, 1]`` its neighbours in the coordinates ``chosen [L, K]`` tell: R^2, 1 for a harmonic.

    A slow function may be one of those before, once more around (Dsilva et al., 2018).
    """
    index = _nearest(chosen, chosen, NEIGHBOURS + 1)[1][:, 1:]
    left = candidate - candidate[index].mean(1)
    return 1 - float(left.var() / candidate.var())


def _placed(points: Tensor, landmarks: Tensor, coordinates: Tensor) -> Tensor:
    """Coordinates of ``points [N, D]``: means over those of the nearest landmarks, weighed by distance."""
    distance, index = _nearest(points, landmarks, NEIGHBOURS // 2 + 1)
    weight = torch.exp(-distance / distance[:, -1:].clamp(min=1e-12)).unsqueeze(-1)
    return (coordinates[index] * weight).sum(1) / weight.sum(1)
