"""Constrained optimisation: what GECO and REWO share."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from latentrl.objectives.base import Objective, Scalar, batch_error, scalar
from latentrl.types import RateDistortion

LARGEST_NU = {"geco": 30.0, "rewo": 300.0}
"""The step size of log beta for bounds up to `FAMILIAR`; 300 is the source's for its images (Table A.2)."""


FAMILIAR = 0.03**2
"""The source's kappa^2 for images: beyond it nu falls as 1 / kappa^2, so that nu times a violation does not depend on
the unit of the error (docs/ekvae.md)."""


def step_size(objective: str, bound: float) -> float:
    """The default nu of GECO or REWO for a bound kappa^2."""
    return LARGEST_NU[objective] * min(1.0, FAMILIAR / bound)


class Constrained(Objective):
    """min R subject to ``C <= kappa^2`` (Eq. 3.4, Algorithm 3), with C smoothed over batches.

    Args:
        bound: kappa^2, squared error per observation dimension.
        alpha: weight of the past in the moving average of C.
    """

    beta: Scalar
    constraint: Scalar
    bound: Scalar
    alpha: float

    def __init__(self, bound: float, alpha: float) -> None:
        if bound <= 0:
            raise ValueError(f"the constraint's bound kappa^2 must be positive; got {bound}")
        self.beta, self.constraint = scalar(1.0), scalar(math.nan)
        self.bound, self.alpha = scalar(bound), alpha

    def loosen(self, bound: Scalar, where: Tensor | bool = True) -> None:
        """Raise kappa^2 to ``bound`` if ``where`` holds, unless it is larger already."""
        before = torch.as_tensor(self.bound)
        # A C that is not finite raises nothing.
        self.bound = torch.where((bound > before) & where, bound, before)

    def state(self) -> dict[str, float]:
        return {**super().state(), "bound": float(self.bound)}

    def load_state(self, state: Mapping[str, float]) -> None:
        super().load_state(state)
        # Checkpoints from before it could change have none.
        self.bound = scalar(state.get("bound", float(self.bound)))

    def violation(self, terms: RateDistortion) -> Tensor:
        """C - kappa^2 after this batch has entered the moving average, a scalar."""
        error, before = batch_error(terms), torch.as_tensor(self.constraint)
        smoothed = (1 - self.alpha) * error + self.alpha * before
        self.constraint = torch.where(before.isnan(), error, smoothed)
        return self.constraint - self.bound
