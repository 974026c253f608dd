"""Slow coordinates: of the slowest functions on the graph of pictures, the few that tell most of the pictures.

Where a thing moves far, as a cart along its track, no linear map of a picture tells where it is, however blurred: its
leading components are harmonics of the place. The slowest functions on the graph of neighbours are not bound to be
linear, but the slowest may be harmonics of each other as well; what tells nothing new is passed over
(Dsilva et al., 2018, choose by the same reason).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import torch
from torch import Tensor

from latentrl.geometry.descriptors import FRAMES_AT_ONCE, LANDMARKS, thumbnails
from latentrl.geometry.neighbour_graph import NEIGHBOURS, NoChartError, distinct, similarities, slowest_functions
from latentrl.numerics.manifolds import leading_axes
from latentrl.numerics.neighbours import nearest, placed_among
from latentrl.numerics.pieces import frames_at, spread_frames

FUNCTIONS = 20
"""Slowest functions on the graph that coordinates are sought among."""
NEAR = 1 / 16
"""Blur that pictures are compared after, as a fraction of their height: thin things that have moved by their own width
are to be neighbours still."""
COMPONENTS = 48
"""Principal components that tell the pictures apart."""
CHOOSING = 2500
"""Landmarks that choose, for there are many candidates."""
NEARLY = 0.9
"""Of what the best candidate tells: where a slower one tells as much, it has fewer turns."""
FEWEST = NEIGHBOURS + 1
"""Distinct pictures of which each has neighbours enough to be told by."""


def slow_functions(points: Tensor, count: int = FUNCTIONS, line: bool = False) -> Tensor | None:
    """The ``count`` slowest functions ``[L, count]`` on the graph of ``points [L, D]``; None where it falls apart.

    Args:
        points: distinct.
        count: functions.
        line: whether the points may lie along a single line, where a chance gap would cut a graph of few neighbours.
    """
    for neighbours in (NEIGHBOURS, 3 * NEIGHBOURS, 6 * NEIGHBOURS)[1 if line else 0 :]:
        if len(points) < max(3 * neighbours, 2 * count):
            return None
        try:
            return slowest_functions(similarities(points, neighbours), count)[1]
        except NoChartError:
            continue
    return None


def untold(coordinates: Tensor, points: Tensor) -> float:
    """The share of the variance of ``points [L, D]`` that their neighbours in ``coordinates [L, K]`` do not tell.

    There are at least `FEWEST` points.
    """
    index = nearest(coordinates, coordinates, FEWEST)[1][:, 1:]
    return float((points - points[index].mean(1)).square().sum() / (points - points.mean(0)).square().sum())


def most_telling(functions: Tensor, points: Tensor) -> Iterator[tuple[list[int], float]]:
    """Numbers of ``functions [L, K]``, slowest first: one more each time, the slowest of those that tell most.

    Yields:
        The numbers, and what they leave untold of ``points [L, D]`` that neighbours among the points themselves tell.
    """
    least, chosen = untold(points, points), [0]
    left = untold(functions[:, chosen], points) - least
    yield list(chosen), left
    while len(chosen) < functions.shape[1]:
        rest = [number for number in range(functions.shape[1]) if number not in chosen]
        tried = {number: untold(functions[:, [*chosen, number]], points) - least for number in rest}
        enough = left - NEARLY * (left - min(tried.values()))
        chosen.append(next((number for number in rest if tried[number] <= enough), rest[0]))
        left = tried[chosen[-1]]
        yield list(chosen), left


class Landmarks:
    """Distinct pictures, evenly spread over a data set, that others are placed among.

    Args:
        observations: ``[N, T, H, W, C]`` uint8.
        count: at most, or some more.

    Raises:
        NoChartError: fewer than `FEWEST` distinct pictures.
    """

    def __init__(self, observations: Tensor, count: int = LANDMARKS) -> None:
        self._observations = observations
        total = observations.shape[:2].numel()
        described = thumbnails(spread_frames(observations, count), NEAR)
        kept = distinct(described)
        if len(kept) < FEWEST:
            raise NoChartError(f"{len(kept)} distinct pictures, at least {FEWEST} are compared")
        self._numbers = torch.arange(0, total, max(1, total // count))[kept]
        self._axes = leading_axes(described[kept], COMPONENTS)
        self._points = self._axes.along(described[kept])
        self._choosing = slice(None, None, max(1, len(kept) // CHOOSING))
        self._least = untold(self._points[self._choosing], self._points[self._choosing])

    def untold(self, places: Tensor) -> float:
        """What ``places [N, T, K]`` of all frames leave untold of the landmarks, that these tell of each other."""
        return untold(self._of(places)[self._choosing], self._points[self._choosing]) - self._least

    def slow_coordinates(self, count: int, first: Tensor | None = None) -> Tensor | None:
        """``count`` coordinates of all frames ``[N, T, count]`` float32, each with mean zero and unit variance.

        Args:
            count: those that together tell most.
            first: other coordinates of all frames ``[N, T, K]``: one that tells nearly as much as a slow one is taken.

        Returns:
            None: too few frames, or frames that fall into groups.
        """
        functions = self._functions
        if functions is None or count > functions.shape[1]:
            return None
        among = functions if first is None else torch.cat((self._of(first).to(functions.dtype), functions), 1)
        others = among.shape[1] - functions.shape[1]
        choices = most_telling(among[self._choosing], self._points[self._choosing])
        chosen = next(numbers for numbers, _ in choices if len(numbers) == count)
        slow = [number - others for number in chosen if number >= others]
        found = [] if first is None else [first.cpu()[..., [number for number in chosen if number < others]]]
        return torch.cat((*found, self._placed(functions[:, slow])), -1) if slow else found[0]

    @cached_property
    def _functions(self) -> Tensor | None:
        """See :func:`slow_functions`; computed once, whatever is sought among them."""
        return slow_functions(self._points)

    def _of(self, places: Tensor) -> Tensor:
        """The landmarks' own, of ``places [N, T, K]`` of all frames."""
        return frames_at(places, self._numbers).cpu()

    def _placed(self, coordinates: Tensor) -> Tensor:
        """All frames, at the means over the nearest landmarks' ``coordinates [L, K]``."""
        shape = self._observations.shape[:2]
        places = torch.empty(shape.numel(), coordinates.shape[1])
        numbers = torch.arange(shape.numel()).split(FRAMES_AT_ONCE)
        for found, piece in zip(places.split(FRAMES_AT_ONCE), numbers, strict=True):
            points = self._axes.along(thumbnails(frames_at(self._observations, piece).cpu(), NEAR))
            found.copy_(placed_among(points, self._points, coordinates, NEIGHBOURS // 2 + 1))
        return ((places - places.mean(0)) / places.std(0)).unflatten(0, shape)
