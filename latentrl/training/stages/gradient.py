"""The main training: everything at once, by gradient steps of the objective."""

from __future__ import annotations

from dataclasses import dataclass

from latentrl.models.capabilities import FrameDecoder
from latentrl.training.deviation import fit_deviation, sampled_positions
from latentrl.training.loop import fit
from latentrl.training.settings import TrainSettings
from latentrl.training.situation import Situation
from latentrl.training.stages.base import Stage
from latentrl.training.training import Training


@dataclass(frozen=True)
class Gradient(Stage):
    """Gradient steps until the last, or until a model that began on a chart is to be straightened.

    If sigma is kept from falling to the end it is set to the error that is left: while all is trained, the likelihood
    of pixels without noise would outweigh the rate. A departure from the source.

    Args:
        halfway: until then.
    """

    continues = True
    halfway: bool = False

    def why(self, situation: Situation, settings: TrainSettings) -> str | None:
        if self.halfway:
            return f"until step {settings.halfway}: everything at once" if settings.warm_start else None
        what = "frames" if situation.static else "sequences"
        return f"until step {settings.steps}: everything at once, {settings.batch} {what} a step"

    def run(self, training: Training) -> None:
        settings = training.settings
        until = settings.halfway if self.halfway else settings.steps
        fit(training.trainer, training.folder, training.progress, until, training.remembered, training.trackers)
        # Nothing else depends on sigma any more, and the bound is tightest where it is the error.
        if training.trainer.sigma_is_kept and isinstance(training.model, FrameDecoder):
            fit_deviation(training.model, *sampled_positions(training.model, training.data))
