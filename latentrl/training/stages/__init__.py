"""Stages: the parts of a training, one after the other. A stage is one file and one line in ``STAGES``."""

from __future__ import annotations

from latentrl.training.stages.base import Stage
from latentrl.training.stages.best_start import BestStart
from latentrl.training.stages.chart_start import ChartStart
from latentrl.training.stages.decoder import DecoderAlone
from latentrl.training.stages.gauge import VelocityCoordinates
from latentrl.training.stages.gradient import Gradient
from latentrl.training.stages.prior import PriorAfresh
from latentrl.training.stages.straighten import Straighten
from latentrl.training.stages.transition import TransitionAlone
from latentrl.training.stages.transition_em import TransitionByEM

STAGES: dict[str, Stage] = {
    # Which weights to begin with: a stage here may exchange the trainer.
    "best start": BestStart(),
    "chart start": ChartStart(),
    # Everything at once, by the trainer's own optimiser.
    "gradient to half-way": Gradient(halfway=True),
    "straighten": Straighten(),
    "gradient": Gradient(),
    # One part after the other, each given those above: encoder and posterior stay, then decoder and transition too.
    "transition by EM": TransitionByEM(),
    "decoder": DecoderAlone(),
    "transition": TransitionAlone(),
    "prior": PriorAfresh(),
    # Coordinates last: nothing that is fitted may depend on them.
    "velocity coordinates": VelocityCoordinates(),
}
"""In the order in which they are run; a recipe has those that its settings want and its model can have."""

STARTS = ("best start", "chart start")
"""Stages before the first checkpoint of runs that were begun when nothing else was remembered."""

__all__ = ["STAGES", "STARTS", "Stage"]
