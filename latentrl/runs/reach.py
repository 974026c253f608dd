"""How far each reading of a run's training data reaches: what lies beyond it, its model knows nothing of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from latentrl.types import Sequences, is_image_shape

REACH = "reach"
"""Of a run's settings: the least and the largest of each reading, in the data's units; of pictures nothing."""
ROUNDING = 1e-4
"""Of a reading's size, that it may vary by and still never varied: it is no yardstick."""


@dataclass(frozen=True)
class Reach:
    """How far readings reach.

    Attributes:
        least: of each reading ``[D]``, float64.
        largest: the same.
    """

    least: NDArray[np.float64]
    largest: NDArray[np.float64]

    def with_room(self, room: float) -> Limits:
        """Limits that readings are to lie within; anything may lie where they hardly varied.

        Args:
            room: that they may lie beyond what they reached, as a share of what lies between.
        """
        span = self.largest - self.least
        varied = span > ROUNDING * np.maximum(np.abs(self.least), np.abs(self.largest))
        low = np.where(varied, self.least - room * span, -np.inf)
        return Limits(self, low, np.where(varied, self.largest + room * span, np.inf))


@dataclass(frozen=True)
class Limits:
    """What readings may be.

    Attributes:
        reach: of the data.
        low: at least ``[D]``.
        high: at most.
    """

    reach: Reach
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def outside(self, readings: NDArray[Any]) -> list[str]:
        """Readings of ``[N, *shape]`` beyond them, counted from 0: a line for each, with the farthest of the N.

        Nothing is said of another number of readings.
        """
        rows = readings.reshape(len(readings), math.prod(readings.shape[1:]))
        # Asked at every step that an agent acts: mostly there is nothing to say.
        if rows.shape[1] != len(self.low) or ((rows >= self.low) & (rows <= self.high)).all():
            return []
        beyond = np.maximum(self.low - rows, rows - self.high)
        worst, reach = beyond.argmax(0), self.reach
        return [
            f"reading {column} is {rows[worst[column], column]:.4g}, and the data's reach from "
            f"{reach.least[column]:.4g} to {reach.largest[column]:.4g}"
            for column in np.flatnonzero(beyond.max(0) > 0)
        ]


def reach_of(data: Sequences[Tensor]) -> dict[str, list[float]] | None:
    """The least and the largest of each reading of ``data``, as ``settings.json`` keeps them; None of pictures."""
    if is_image_shape(tuple(data.observations.shape[2:])):
        return None
    readings = data.observations[data.seen] if isinstance(data.seen, Tensor) else data.observations.flatten(0, 1)
    if not len(readings):
        return None
    flat = readings.flatten(1)
    return {"least": flat.amin(0).tolist(), "largest": flat.amax(0).tolist()}


def kept_reach(settings: Mapping[str, Any]) -> Reach | None:
    """What :func:`reach_of` left in a run's settings; None of pictures, and of runs from before this was kept."""
    found = settings.get(REACH)
    if not isinstance(found, Mapping):
        return None
    both = [one for one in (found.get("least"), found.get("largest")) if isinstance(one, list)]
    if len(both) < 2 or len(both[0]) != len(both[1]) or not all(_is_finite(number) for one in both for number in one):
        return None
    return Reach(*(np.array(one, np.float64) for one in both))


def _is_finite(number: object) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)
