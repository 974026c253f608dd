"""Where the position of a model that began on a chart is to be, kept in the run folder until the training is finished."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from latentrl.runs.tensors import read_tensors, write_tensors
from latentrl.training.training import Training

CHART = "chart.safetensors"


def keep_target(training: Training, places: Tensor) -> None:
    """Want the position to be at ``places [N, T, Da]``, and write that into the run folder."""
    write_tensors(training.folder / CHART, {"places": places})
    _move(training, places)


def load_target(training: Training) -> None:
    """Want what :func:`keep_target` wrote, if it did.

    Raises:
        UserError: the file is damaged.
    """
    path: Path = training.folder / CHART
    if path.is_file():
        _move(training, read_tensors(path, "start afresh with --overwrite")[0]["places"])


def _move(training: Training, places: Tensor) -> None:
    model = training.model
    training.target.move(places, model.latent_size - model.position_size, next(model.parameters()).device)
