"""Objectives: how rate and distortion are weighed against each other."""

from __future__ import annotations

from collections.abc import Callable

from latentrl.objectives.annealing import Annealing
from latentrl.objectives.base import Objective, ObjectiveSettings
from latentrl.objectives.elbo import ELBO
from latentrl.objectives.geco import GECO
from latentrl.objectives.rewo import REWO

OBJECTIVES: dict[str, Callable[[ObjectiveSettings], Objective]] = {
    "elbo": lambda settings: ELBO(),
    "annealing": lambda settings: Annealing(settings.annealing_steps),
    "geco": lambda settings: GECO(settings.bound),
    "rewo": lambda settings: REWO(settings.bound),
}
