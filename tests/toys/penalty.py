"""A penalty: positions are to be small."""

from __future__ import annotations

from torch import Tensor

from latentrl.models.base import GenerativeModel
from latentrl.models.capabilities import FrameEncoder, Sampled
from latentrl.training.penalties.base import Penalty, Step
from latentrl.training.position_target import PositionTarget
from latentrl.training.settings import TrainSettings

WEIGHT = 0.01


class ToyPenalty(Penalty):
    """Weight decay of what the encoder says."""

    needs = (FrameEncoder,)

    def __init__(self, model: FrameEncoder) -> None:
        self.model = model

    @classmethod
    def of(cls, model: GenerativeModel, settings: TrainSettings, target: PositionTarget) -> ToyPenalty:
        assert isinstance(model, FrameEncoder)
        return cls(model)

    @classmethod
    def described(cls, settings: TrainSettings) -> str:
        return f"{WEIGHT:g} nats of the squared positions"

    def __call__(self, sampled: Sampled, step: Step) -> Tensor:
        return WEIGHT * self.model.encode(step.batch.observations).mean.square().mean()
