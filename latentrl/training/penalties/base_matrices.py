"""A penalty that keeps a transition's base matrices near their mean: a prior where no state was recorded."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from latentrl.models.base import GenerativeModel
from latentrl.models.capabilities import LocallyLinear, Sampled
from latentrl.training.penalties.base import Penalty, Step
from latentrl.training.position_target import PositionTarget
from latentrl.training.settings import TrainSettings


class BaseMatricesPenalty(Penalty):
    """The negative logarithm of a normal prior of the base matrices, as a part of the rate."""

    needs: ClassVar[tuple[type, ...]] = (LocallyLinear,)
    model: LocallyLinear
    spread: float

    def __init__(self, model: LocallyLinear, spread: float) -> None:
        self.model, self.spread = model, spread

    @classmethod
    def of(cls, model: GenerativeModel, settings: TrainSettings, target: PositionTarget) -> BaseMatricesPenalty | None:
        assert isinstance(model, LocallyLinear)
        return cls(model, settings.matrix_spread) if settings.matrix_spread > 0 else None

    @classmethod
    def described(cls, settings: TrainSettings) -> str | None:
        if not settings.matrix_spread > 0:
            return None
        return f"each entry within {settings.matrix_spread:g} of its mean, as a prior"

    def __call__(self, sampled: Sampled, step: Step) -> Tensor | None:
        return step.beta * self.model.locally_linear().matrix_prior(self.spread) / step.sequences
