"""A stage: every weight is rounded, so that a file of them is easily packed."""

from __future__ import annotations

import torch

from latentrl.training.settings import TrainSettings
from latentrl.training.situation import Situation
from latentrl.training.stages.base import Stage
from latentrl.training.training import Training


class ToyStage(Stage):
    """The last, since it is the last line."""

    def why(self, situation: Situation, settings: TrainSettings) -> str:
        return "weights are rounded to bfloat16, of which files are easily packed"

    @torch.no_grad()
    def run(self, training: Training) -> None:
        for parameter in training.model.parameters():
            parameter.copy_(parameter.bfloat16())
