"""An objective: log beta falls by the relative violation of the last batch alone."""

from __future__ import annotations

import math

from latentrl.objectives.base import Objective, ObjectiveSettings, batch_error, scalar
from latentrl.types import RateDistortion


class ToyObjective(Objective):
    """Constrained, with nothing remembered but beta."""

    def __init__(self, settings: ObjectiveSettings) -> None:
        self.beta, self.constraint, self.bound = scalar(1.0), scalar(math.nan), settings.bound

    def update(self, terms: RateDistortion) -> None:
        self.constraint = batch_error(terms)
        violation = (self.constraint / self.bound - 1).clamp(-1.0, 1.0)
        self.beta = (self.beta * (-0.1 * violation).exp()).clamp(1e-4, 1.0)
