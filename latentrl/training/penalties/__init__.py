"""Penalties: what a gradient step adds to the objective's loss. A penalty is one file and one line in ``PENALTIES``."""

from __future__ import annotations

from latentrl.models.base import GenerativeModel
from latentrl.training.penalties.base import Penalty, Step
from latentrl.training.penalties.base_matrices import BaseMatricesPenalty
from latentrl.training.penalties.flat import FlatPenalty
from latentrl.training.penalties.position import PositionPenalty
from latentrl.training.penalties.velocity import VelocityPenalty
from latentrl.training.position_target import PositionTarget
from latentrl.training.settings import TrainSettings

PENALTIES: dict[str, type[Penalty]] = {
    "position": PositionPenalty,
    "velocity": VelocityPenalty,
    "base matrices": BaseMatricesPenalty,
    "flat": FlatPenalty,
}
"""In the order in which they are summed."""

__all__ = ["PENALTIES", "Penalty", "PositionTarget", "Step", "penalties_of"]


def penalties_of(model: GenerativeModel, settings: TrainSettings, target: PositionTarget) -> dict[str, Penalty]:
    """The penalties that ``model`` can have and ``settings`` want, by name."""
    able = {name: kind for name, kind in PENALTIES.items() if all(isinstance(model, need) for need in kind.needs)}
    made = {name: kind.of(model, settings, target) for name, kind in able.items()}
    return {name: penalty for name, penalty in made.items() if penalty is not None}
