"""What became of the constraint of a training."""

from __future__ import annotations

from latentrl.metrics.failures import PIXEL, constraint_failures
from latentrl.objectives.base import Objective
from latentrl.objectives.constrained import Constrained


def objective_failures(
    objective: Objective, standardise: bool = True, static: bool = False, of_what: str = PIXEL
) -> list[str]:
    """What a training with ``objective`` failed at, in sentences: see :func:`constraint_failures`."""
    error, bound = float(objective.constraint), float(objective.bound)
    waited = "the prior was" if static else "the dynamics were"
    return constraint_failures(error, bound, not objective.frozen(), standardise, waited, of_what)


def raised_bound(objective: Objective, kappa: float) -> list[str]:
    """What is to be said where the bound was raised beyond ``kappa``, with which the training began."""
    bound = float(objective.bound)
    if not isinstance(objective, Constrained) or bound <= kappa**2 * (1 + 1e-9):
        return []
    return [
        f"kappa was raised from {kappa:.3g} to {bound**0.5:.3g}, the error that the networks were left with "
        "in time: noise of the sensor, or more detail than they draw"
    ]
