"""An objective: log beta falls by the relative violation of the last batch alone."""

from __future__ import annotations

import math

from latentrl.objectives.base import Objective, ObjectiveSettings
from latentrl.types import RateDistortion


class ToyObjective(Objective):
    """Constrained, with nothing remembered but beta."""

    def __init__(self, settings: ObjectiveSettings) -> None:
        self.bound = settings.bound

    def update(self, terms: RateDistortion) -> None:
        self.constraint = float(terms.error.detach().mean())
        violation = max(-1.0, min(1.0, self.constraint / self.bound - 1))
        self.beta = min(1.0, max(1e-4, self.beta * math.exp(-0.1 * violation)))
