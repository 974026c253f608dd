"""How large a latent state has to be: positions from single frames, velocities from what moves them on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from latentrl.geometry.slow_coordinates import most_telling, slow_functions, untold
from latentrl.inspection.frames import Frames
from latentrl.inspection.local import left_of, local_steps
from latentrl.numerics.manifolds import intrinsic_dimension, neighbourhoods
from latentrl.types import is_image

LANDMARKS = 2500
"""Frames that the graph is made of."""
MISSING, HALF = 0.03, 0.5
"""Share of the frames' variance that coordinates may leave unexplained; where there are as many as positions, one more
has to leave at most half of what was left, or it is no coordinate."""
HELPS, MATTERS = 0.12, 0.005
"""A direction has a velocity of its own if the last displacement tells this share of what place and action leave of the
next, and if that is this share of all displacement."""
COUNTS = (16, 32, 64, 128, 256)
"""Neighbours that the dimension is measured with: more where noise hides the nearest."""
ABOVE_NOISE = 20.0
"""How many times what noise adds to a squared distance neighbours should be apart: the nearest are chosen by noise."""
MOST = 6
"""Dimensions that so few frames can tell."""
BETWEEN = 0.3
"""How far a measured dimension is from the next whole number, at least, to be told as between two."""


class Coordinates(NamedTuple):
    """Smooth coordinates of some of the distinct frames.

    Attributes:
        at: which of the distinct frames ``[L]``.
        values: ``[L, K]``, each with mean zero and unit variance.
        unexplained: share of the frames' variance that neighbours in them tell less of than neighbours among frames.
    """

    at: Tensor
    values: Tensor
    unexplained: float


@dataclass(frozen=True)
class Sizes:
    """Estimated sizes of a state.

    Attributes:
        dimension: of what single frames lie on, as measured: the number of positions, not rounded.
        positions: rounded; joints, or other things that move.
        position_size: numbers that tell the positions without a break: an angle that turns around takes two.
        velocities: directions of motion that neither place nor action explain.
        connected: whether the frames hang together; if not, `position_size` counts no angles.
        readings: whether frames are readings of sensors, which a model begins on as they are.
    """

    dimension: float
    positions: int
    position_size: int
    velocities: int
    connected: bool
    readings: bool = False

    @property
    def state_size(self) -> int:
        """Positions as they are told, and velocities."""
        return self.position_size + self.velocities_of(self.position_size)

    def velocities_of(self, position_size: int) -> int:
        """How many numbers tell the velocities of a position of so many numbers.

        Pictures give a model a chart, around which one velocity goes as well as one angle. Readings give it none: of
        cosine and sine with one velocity between them it learned seams where the sign turns around (docs/inspect.md),
        so each of their numbers has its own, if they have any.
        """
        spare = max(0, position_size - self.positions) if self.readings and self.velocities else 0
        return self.velocities + spare


def estimate_sizes(frames: Frames) -> tuple[Sizes, Coordinates | None]:
    """The sizes of a state that ``frames`` show, and smooth coordinates of them if there are."""
    points, owner = frames.points.flatten(0, 1)[frames.distinct], frames.sequence_of[frames.distinct]
    # Where frames fill their space its edges hide neighbours: few readings would lie on more dimensions than they are.
    dimension = min(measured_dimension(points, owner, frames.squared_noise), float(points.shape[1]))
    positions = min(MOST, max(1, round(dimension)))
    found = smooth_coordinates(frames, positions)
    size = positions
    if found is not None:
        size = found.values.shape[1]
        if found.unexplained > MISSING:
            # What is short in one direction, such as a second joint, may be slow in no function: it is the rest.
            most = positions - 1 if size <= positions else positions
            size += positions - min(most, round(measured_dimension(found.values, owner[found.at], 0.0)))
        size = min(2 * positions, max(positions, size))
    velocities, readings = count_velocities(frames, positions), not is_image(frames.sequences.observations)
    return Sizes(dimension, positions, size, velocities, found is not None, readings), found


def words_between(sizes: Sizes) -> list[str]:
    """What to think of a measured dimension that is no whole number, in a line.

    Nothing where it nearly is one, or where a position of the estimated size has room for one more.
    """
    less, more = math.floor(sizes.dimension), math.ceil(sizes.dimension)
    near = min(sizes.dimension - less, more - sizes.dimension) < BETWEEN
    if sizes.readings or near or less < 1 or more > MOST or sizes.position_size >= more:
        return []
    return [
        f"{sizes.dimension:.1f} lies between {less} and {more}: details of a few pixels can look like more dimensions, "
        "and what is small in the pictures like none; count what can move on its own (joints, places, headings), and "
        "trust that"
    ]


def measured_dimension(points: Tensor, groups: Tensor, squared_noise: float) -> float:
    """The intrinsic dimension of ``points [N, D]``, at the smallest scale that noise leaves."""
    most = min(COUNTS[-1], len(points) - int(groups.bincount().max()) - 1)
    if most < COUNTS[0] // 2:
        return float("nan") if len(points) < 2 else 1.0
    at = torch.arange(0, len(points), max(1, len(points) // 1000))
    squared = neighbourhoods(points, at, most, groups)[0]
    counts = [count for count in COUNTS if count <= most] or [most]
    enough = (n for n in counts if float(squared[:, n // 4 - 1].median()) >= ABOVE_NOISE * squared_noise)
    return intrinsic_dimension(squared[:, : next(enough, counts[-1])], squared_noise)


def smooth_coordinates(frames: Frames, positions: int) -> Coordinates | None:
    """Slow functions on the graph of similar frames, as few as tell all of them: each time the one that tells most.

    A harmonic tells nothing new. None: too few frames, or frames that fall into groups.

    Half of the frames choose, for there are many candidates. What is then unexplained is measured among all of them:
    that neighbours are far apart counts for less the more frames there are, a break counts for the same.
    """
    every = max(1, math.ceil(len(frames.distinct) / LANDMARKS))
    at = torch.arange(0, len(frames.distinct), every)
    points = frames.points.flatten(0, 1)[frames.distinct[at]]
    # Along a single line a chance gap would cut a graph of few neighbours.
    functions = slow_functions(points, line=positions == 1)
    if functions is None:
        return None
    seen = slice(None, None, 2)
    chosen: list[int] = []
    left = math.inf
    for more, untold_then in most_telling(functions[seen], points[seen]):
        if len(chosen) >= positions and untold_then > HALF * left:
            break
        chosen, left = more, untold_then
        if left <= MISSING or len(chosen) == 2 * positions:
            break
    of_all = untold(functions[:, chosen], points) - untold(points, points)
    return Coordinates(at, functions[:, chosen], of_all)


def count_velocities(frames: Frames, positions: int) -> int:
    """In how many directions frames move on in a way that neither their place nor the action explains.

    Where frames show velocities themselves, or actions are velocities, the last displacement adds nothing.
    """
    steps = local_steps(frames, positions)
    if steps is None:
        return positions
    place = torch.cat((steps.place, steps.action(0), steps.action(0).abs()), -1)
    noise = 2 * frames.noise**2
    without = left_of(steps.next, place)
    with_last = left_of(steps.next, torch.cat((place, steps.last), -1))
    every = steps.next.transpose(1, 2) @ steps.next / steps.next.shape[1]
    return _directions(without, with_last, every, noise)


def _directions(without: Tensor, with_last: Tensor, every: Tensor, noise: float) -> int:
    """How many directions of ``[M, d, d]`` covariances the last displacement explains, the median over places."""
    eye = torch.eye(every.shape[-1], dtype=every.dtype)
    small = every.diagonal(dim1=1, dim2=2).sum(1)[:, None, None] * 1e-9 + 1e-18
    helped = _relative(without - with_last, without + small * eye)
    unexplained = _relative(without - noise * eye, every + small * eye)
    values, matters = helped.median(0).values, unexplained.median(0).values
    return int(((values > HELPS) & (matters > MATTERS)).sum())


def _relative(part: Tensor, whole: Tensor) -> Tensor:
    """Shares ``[M, d]``, falling, that ``part`` has of ``whole`` in the directions where it has most and least."""
    factor = torch.linalg.cholesky(whole)
    half = torch.linalg.solve_triangular(factor, part, upper=False)
    both = torch.linalg.solve_triangular(factor, half.transpose(1, 2), upper=False)
    return torch.linalg.eigvalsh((both + both.transpose(1, 2)) / 2).flip(1)
