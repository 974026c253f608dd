"""Alignment: a penalty that starts the position where the pictures' coordinates are.

Coordinates that need no label are read off the pictures (:mod:`latentrl.geometry.coordinates`). While sigma is held,
the encoder is drawn towards positions from which they are *linearly* predictable (docs/ekvae.md). A departure from the
source.
"""

from __future__ import annotations

import torch
from torch import Tensor

from latentrl.models.base import GenerativeModel
from latentrl.models.capabilities import FrameEncoder, Sampled, StateSampler
from latentrl.numerics.least_squares import unexplained
from latentrl.training.penalties.base import Penalty, Step
from latentrl.training.position_target import PositionTarget
from latentrl.training.settings import TrainSettings


class PositionPenalty(Penalty):
    """The share of the target's components that no linear map of the position predicts, while sigma is held.

    For models that read the position off frames alone, or draw frames from it alone: where a whole state is decoded it
    harms the velocity (docs/dvbs.md).
    """

    reads_states = True
    model: GenerativeModel
    target: PositionTarget
    weight: float
    until: int

    def __init__(self, model: GenerativeModel, target: PositionTarget, weight: float, until: int) -> None:
        self.model, self.target, self.weight, self.until = model, target, weight, until

    @classmethod
    def of(cls, model: GenerativeModel, settings: TrainSettings, target: PositionTarget) -> PositionPenalty | None:
        if not has_position(model):
            return None
        # A start on a chart says later where the position is to be.
        wanted = settings.alignment > 0 and (target.components is not None or settings.warm_start > 0)
        return cls(model, target, settings.alignment, settings.sigma_hold) if wanted else None

    @classmethod
    def described(cls, settings: TrainSettings) -> str | None:
        if not settings.alignment > 0:
            return None
        held = min(settings.sigma_hold, settings.steps)
        return f"{settings.alignment:g} nats of what the position does not tell of its target, for {held} steps"

    def over(self, known: int) -> bool:
        return known > self.until

    def __call__(self, sampled: Sampled, step: Step) -> Tensor | None:
        components = self.target.components
        if components is None or self.over(step.known):
            return None
        positions = sampled.positions
        if positions is None:
            assert isinstance(self.model, FrameEncoder)
            positions = self.model.encode(step.batch.observations).mean
        aim = components[step.index, : positions.shape[1]]
        # Also of a step after the last, where only the device knows that it is one.
        weight = self.weight * (torch.as_tensor(step.number) <= self.until)
        return weight * unexplained(positions.flatten(0, 1), aim.flatten(0, 1))


def has_position(model: GenerativeModel) -> bool:
    """Whether ``model`` tells its positions: one that encodes frames, or samples states that are split."""
    splits = isinstance(model, StateSampler) and model.position_size < model.latent_size
    return splits or isinstance(model, FrameEncoder)
