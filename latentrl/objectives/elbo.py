"""The evidence lower bound: beta = 1."""

from __future__ import annotations

from latentrl.objectives.base import Objective, Scalar, batch_error
from latentrl.types import RateDistortion


class ELBO(Objective):
    """The plain evidence lower bound: beta = 1."""

    constraint: Scalar

    def update(self, terms: RateDistortion) -> None:
        self.constraint = batch_error(terms)
