"""A training on its way: what its stages read and change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from latentrl.geometry.charts import Charted
from latentrl.live.bars import Shown
from latentrl.models.base import WorldModel
from latentrl.tracking.base import Scalars
from latentrl.training.penalties import PositionTarget
from latentrl.training.settings import TrainSettings
from latentrl.training.trainer import Trainer
from latentrl.types import Sequences


@dataclass
class Training:
    """What a stage is given.

    Attributes:
        make: the trainer of start 0, 1, ..., each with weights and random numbers of its own.
        trainer: of the start that goes on.
        target: where the position is to be, of all trainers.
        folder: the run's.
        seed: of everything that a stage draws.
        progress: whether to show progress bars, or the panel that shows them.
        trackers: what else figures go to, beside the run folder.
        charted: the chart that the model is to start on, if any.
        loosen: whether the objective's bound may be loosened to what the networks reach.
        fix_gauge: whether the part of the velocity that is linear in the position is removed.
        remembered: strings that every checkpoint carries: which stages are finished.
    """

    make: Callable[[int], Trainer]
    trainer: Trainer
    target: PositionTarget
    folder: Path
    seed: int
    progress: Shown
    charted: Charted | None = None
    loosen: bool = False
    fix_gauge: bool = False
    trackers: Sequence[Scalars] = ()
    remembered: Mapping[str, str] = field(default_factory=dict)

    @property
    def model(self) -> WorldModel:
        """What is trained."""
        assert isinstance(self.trainer.model, WorldModel)
        return self.trainer.model

    @property
    def data(self) -> Sequences:
        """The training sequences."""
        return self.trainer.data

    @property
    def settings(self) -> TrainSettings:
        """The numbers of the training."""
        return self.trainer.settings
