"""Objectives: how rate and distortion are weighed against each other."""

from __future__ import annotations

from collections.abc import Callable

from latentrl.objectives.annealing import Annealing
from latentrl.objectives.base import Objective, ObjectiveSettings
from latentrl.objectives.constrained import step_size
from latentrl.objectives.elbo import ELBO
from latentrl.objectives.geco import GECO
from latentrl.objectives.independent import START, IndependentREWO, ReciprocalREWO, frame_step_size
from latentrl.objectives.rewo import REWO


def _geco(settings: ObjectiveSettings) -> Objective:
    if not settings.frames:
        return GECO(settings.bound)
    return GECO(settings.bound, frame_step_size(settings.bound), start=START)


def _reciprocal(settings: ObjectiveSettings) -> Objective:
    if not settings.frames:
        return ReciprocalREWO(settings.bound, step_size("geco", settings.bound))
    return ReciprocalREWO(settings.bound, frame_step_size(settings.bound), start=START, rests=True)


OBJECTIVES: dict[str, Callable[[ObjectiveSettings], Objective]] = {
    "elbo": lambda settings: ELBO(),
    "annealing": lambda settings: Annealing(settings.annealing_steps, period=settings.annealing_period),
    "reciprocal": _reciprocal,
    "geco": _geco,
    "rewo": lambda settings: (IndependentREWO if settings.frames else REWO)(settings.bound),
}
