"""A training whose model starts on a chart of its pictures, and what the run folder holds of it meanwhile."""

from __future__ import annotations

import math
import time
from pathlib import Path

from latentrl.geometry.charts import Charted, chart
from latentrl.geometry.descriptors import LANDMARKS
from latentrl.geometry.topologies import topology_of
from latentrl.models.ekvae import EKVAE
from latentrl.models.over_data import encode_frames
from latentrl.numerics.pieces import spread_frames
from latentrl.objectives.constrained import Constrained
from latentrl.runs.tensors import read_tensors, write_tensors
from latentrl.training.stages.chart_start import start_on_chart
from latentrl.training.trainer import Trainer
from latentrl.types import Sequences

CHART = "chart.safetensors"
"""Where the model's position is kept, until the training is finished."""
CHARTED_FRAMES = 100_000
"""That a chart is read off, in whole sequences; each is compared with all landmarks."""


def read_chart(data: Sequences, count: int) -> Charted:
    """A chart of ``count`` coordinates, of ``data`` or as much of it as will do.

    Raises:
        NoChartError: see :func:`latentrl.geometry.charts.chart`.
    """
    some = data[:: math.ceil(data.observations.shape[:2].numel() / CHARTED_FRAMES)]
    return Charted(some, chart(some.observations, count))


def start_trainer(trainer: Trainer, charted: Charted, folder: Path, seed: int, loosen: bool, progress: bool) -> None:
    """Start a trainer's model, an EKVAE, on a chart, and write where it is into ``folder``.

    Args:
        trainer: whose ``settings.warm_start`` counts the steps.
        charted: of the training data.
        folder: the run's.
        seed: of the frames drawn.
        loosen: the objective's bound, where it asks for more than the networks reach.
        progress: show a progress bar.
    """
    assert isinstance(trainer.model, EKVAE)
    began = time.perf_counter()
    left, places = start_on_chart(trainer.model, trainer.data, charted, trainer.settings.warm_start, seed, progress)
    # What the networks draw by then is the best measure of what they can; the transition's noise costs some of it.
    if isinstance(trainer.objective, Constrained) and loosen:
        trainer.objective.loosen(2 * left)
    write_tensors(folder / CHART, {"places": places})
    trainer.seconds += time.perf_counter() - began


def has_chart(folder: Path) -> bool:
    """Whether the training in ``folder`` has started on a chart and is not finished."""
    return (folder / CHART).is_file()


def keep_on_chart(trainer: Trainer, folder: Path) -> None:
    """Align the trainer's position with where it started.

    Raises:
        UserError: the file is damaged.
    """
    trainer.align(read_tensors(folder / CHART, "start afresh with --overwrite")[0]["places"])


def straighten_again(trainer: Trainer, folder: Path) -> None:
    """Align the trainer's position with itself, straightened, and write where that is into ``folder``.

    Neighbours and ranks leave the chart with bumps that training wears off, so that more of it is straight by then.
    """
    assert isinstance(trainer.model, EKVAE)
    began = time.perf_counter()
    positions = encode_frames(trainer.model, trainer.data).mean.cpu()
    topology = topology_of(spread_frames(positions, LANDMARKS))
    places = topology.even(positions, trainer.data.observations)
    write_tensors(folder / CHART, {"places": places})
    trainer.align(places)
    trainer.seconds += time.perf_counter() - began
