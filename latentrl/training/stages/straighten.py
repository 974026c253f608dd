"""Positions straightened half-way: by then training has smoothed the errors of single places on the chart."""

from __future__ import annotations

import time
from typing import ClassVar

from latentrl.geometry.descriptors import LANDMARKS
from latentrl.geometry.topologies import topology_of
from latentrl.models.capabilities import FrameEncoder
from latentrl.models.over_data import encode_frames
from latentrl.numerics.pieces import spread_frames
from latentrl.training.kept_target import keep_target
from latentrl.training.settings import TrainSettings
from latentrl.training.situation import Situation
from latentrl.training.stages.base import Stage
from latentrl.training.training import Training


class Straighten(Stage):
    """The model's own positions, straightened, take the place of the chart that they began on."""

    needs: ClassVar[tuple[type, ...]] = (FrameEncoder,)

    def why(self, situation: Situation, settings: TrainSettings) -> str | None:
        return "the positions are straighter by now than the chart that they began on" if settings.warm_start else None

    def run(self, training: Training) -> None:
        began, model, trainer = time.perf_counter(), training.model, training.trainer
        # A run from before stages were remembered may be beyond this.
        if trainer.step > trainer.settings.halfway:
            return
        assert isinstance(model, FrameEncoder)
        positions = encode_frames(model, training.data).mean.cpu()
        topology = topology_of(spread_frames(positions, LANDMARKS))
        keep_target(training, topology.even(positions, training.data.observations))
        trainer.seconds += time.perf_counter() - began
