"""The run folder: everything a later verb needs of a training, and nothing that must be unpickled.

runs/pendulum/
    settings.json          model, data spec, training settings, seed, versions, git hash, metadata of the data
    model.safetensors      weights of the finished model
    checkpoint.safetensors weights, optimiser, objective and random state, until the training is finished
    history.csv            what the progress bar showed
    events.out.tfevents.*  the same for TensorBoard
    metrics.json           held-out figures
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from latentrl.models import MODELS, build
from latentrl.models.base import WorldModel
from latentrl.models.spec import DataSpec
from latentrl.runs.tensors import read_tensors
from latentrl.support.commands import command
from latentrl.support.errors import UserError
from latentrl.support.files import read_json

SETTINGS, MODEL, CHECKPOINT, HISTORY = "settings.json", "model.safetensors", "checkpoint.safetensors", "history.csv"
THREADS = "threads"
"""Of the settings: what a run was begun with, and goes on with."""


def model_settings(name: str, model: WorldModel) -> dict[str, Any]:
    """What :func:`load_model` needs to build the model again, as JSON values."""
    return {"name": name, "settings": asdict(model.settings), "spec": asdict(model.spec)}


def goal_beside(data: Path) -> Path | None:
    """The goal that came with a data folder, a picture or readings; None where none did."""
    return next(iter(sorted(data.glob("goal.*"))), None)


def learn_command(run: Path, data: Path) -> str | None:
    """How to learn a policy in a run's model for the goal that came with its data; None where none did."""
    goal = goal_beside(data)
    return None if goal is None else command("learn", "--run", run, "--goal", goal)


def is_finished(folder: Path) -> bool:
    """Whether model and figures are there; the checkpoint is removed when they are."""
    return (folder / MODEL).is_file() and not (folder / CHECKPOINT).is_file()


def load_settings(folder: Path) -> dict[str, Any]:
    """``settings.json`` of a run.

    Raises:
        UserError: ``folder`` is no run folder.
    """
    return read_json(Path(folder) / SETTINGS, "give the folder of a run that python -m latentrl.train has made")


def load_model(
    folder: Path, device: torch.device | str = "cpu", settings: Mapping[str, Any] | None = None
) -> WorldModel:
    """The finished model of a run, in evaluation mode.

    Args:
        folder: the run folder.
        device: where the model goes.
        settings: the run's ``settings.json``, where a caller has it already.

    Raises:
        UserError: no such run, an unfinished or a damaged one, or a model this version does not know.
    """
    folder = Path(folder)
    described = (load_settings(folder) if settings is None else settings)["model"]
    if described["name"] not in MODELS:
        raise UserError(f"{folder / SETTINGS}: no model {described['name']!r}; there are {', '.join(MODELS)}")
    spec = described["spec"]
    model = build(
        described["name"],
        DataSpec(
            tuple(spec["observation_shape"]),
            spec["observation_dtype"],
            spec["action_size"],
            tuple(spec["action_scale"]),
        ),
        described["settings"],
    )
    cure = f"finish the training with {command('train', '--run', folder, '--resume')}"
    weights, _ = read_tensors(folder / MODEL, cure)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise UserError(f"{folder / MODEL} does not fit {folder / SETTINGS}: {error}") from error
    return model.to(device).eval()
