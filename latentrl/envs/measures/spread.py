"""How alike several episodes end, where nobody knows where they are to end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from latentrl.envs.coordinates import Coordinate
from latentrl.envs.measures.base import Floats, Outcome, Truth


@dataclass(frozen=True)
class Spread:
    """How far apart the episodes end, where the pose to reach is not known, only its picture.

    Figures ``<name>_spread``: the distance of each final coordinate from the mean of all; of radians that mean is the
    one of their directions.
    """

    coordinates: tuple[Coordinate, ...]

    @property
    def headings(self) -> Mapping[str, str]:
        """Column headings of the figures in a table for people, by figure."""
        return {f"{one.name}_spread": f"{one.name} spread, {one.unit}" for one in self.coordinates}

    def __call__(self, truth: Truth, control_step: float, target: float | None) -> Outcome:
        """The outcome of the coordinates' entries of ``truth``."""
        final = {one: one.values(truth)[-1] for one in self.coordinates}
        figures = {f"{one.name}_spread": one.distance(end, _mean(one, end)) for one, end in final.items()}
        return Outcome(None, figures)


def _mean(coordinate: Coordinate, values: Floats) -> Floats:
    """The mean of ``values [N]``, a number."""
    return np.angle(np.exp(1j * values).mean()) if coordinate.unit == "rad" else np.asarray(values.mean())
