"""A measure: how far from zero an episode ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from latentrl.envs.coordinates import Coordinate
from latentrl.envs.measures.base import Outcome, Truth


@dataclass(frozen=True)
class ToyMeasure:
    """Success: by less than ``tolerance``. Figure ``toy_distance``."""

    coordinate: Coordinate
    tolerance: float = 0.5

    @property
    def headings(self) -> Mapping[str, str]:
        return {"toy_distance": f"from zero, {self.coordinate.unit}"}

    def __call__(self, truth: Truth, control_step: float, target: float | None) -> Outcome:
        last = self.coordinate.values(truth)[-1]
        distance = self.coordinate.distance(last, np.zeros(()))
        return Outcome(distance < self.tolerance, {"toy_distance": distance})
