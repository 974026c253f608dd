"""The run folder: everything a later verb needs of a training, and nothing that must be unpickled.

runs/pendulum/
    settings.json          model, data spec, training settings, seed, versions, git hash, metadata of the data
    model.safetensors      weights of the finished model
    checkpoint.safetensors weights, optimiser, objective and random state, until the training is finished
    history.csv            what the progress bar showed
    events.out.tfevents.*  the same for TensorBoard
    metrics.json           held-out figures
    goal.*                 of a run that was sent on without its data: the goal that came with that
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from latentrl.models import MODELS, STATICS, build_any
from latentrl.models.base import GenerativeModel, WorldModel
from latentrl.models.spec import DataSpec
from latentrl.runs.packed import unpacked
from latentrl.runs.schema import ELSEWHERE, check_settings
from latentrl.runs.tensors import read_tensors
from latentrl.support.commands import command
from latentrl.support.errors import UserError, one_line
from latentrl.support.files import read_json
from latentrl.support.suggestion import Suggestion

SETTINGS, MODEL, CHECKPOINT, HISTORY = "settings.json", "model.safetensors", "checkpoint.safetensors", "history.csv"
METRICS = "metrics.json"
THREADS, PROCESSES = "threads", "processes"
"""Of the settings: what a run was begun with, and goes on with."""
SLACK = 10**6
"""Numbers that a model may have more than its weights' file, twice as many as there aside: not so many that building it
fills the memory."""


def model_settings(name: str, model: GenerativeModel) -> dict[str, Any]:
    """What :func:`load_model` needs to build the model again, as JSON values."""
    return {"name": name, "settings": asdict(model.settings), "spec": asdict(model.spec)}


def goal_beside(data: Path) -> Path | None:
    """The goal that came with a data folder, a picture or readings; None where none did."""
    return next(iter(sorted(data.glob("goal.*"))), None)


def goal_of(run: Path, data: Path | None) -> Path | None:
    """The goal of a run: the one in its own folder, where it was sent on with it, else the one beside its data."""
    return goal_beside(run) or (None if data is None else goal_beside(data))


def without_goal(data: Path | None) -> str:
    """Why no goal comes with a run's data, as the beginning of a sentence."""
    if data is None:
        return "the run does not say where its data is"
    if data.is_dir():
        return f"{data} holds no goal.png or goal.json"
    seen = "" if data.is_absolute() else f", as seen from {Path.cwd()}"
    return f"{data}, the run's data, is not there{seen}"


def learn_command(run: Path, data: Path) -> str | None:
    """How to learn a policy in a run's model for the goal that came with its data; None where none did.

    Where none did and a declared task draws goals, for any.
    """
    goal: Path | str | None = goal_of(run, data)
    settings = load_settings(run) if (run / SETTINGS).is_file() else {}
    if goal is None and _draws_goals(settings):
        goal = "any"
    return None if goal is None else command("learn", "--run", run, "--goal", goal, *_suggested(settings))


def _suggested(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """The flags that a run's data suggests; of the source's recipe, whose states may hold no position, none."""
    if (settings.get("options") or {}).get("recipe") == "source":
        return ()
    return Suggestion.of(settings.get("data") or {}).learn


def _draws_goals(settings: Mapping[str, Any]) -> bool:
    """Whether a task that was declared with a run's data draws a goal for every episode."""
    tasks = (settings.get("data") or {}).get("tasks") or {}
    return any("goal_options" in one for one in tasks.values() if isinstance(one, Mapping))


def is_finished(folder: Path) -> bool:
    """Whether model and figures are there; the checkpoint is removed when they are."""
    return (folder / MODEL).is_file() and not (folder / CHECKPOINT).is_file()


def load_settings(folder: Path) -> dict[str, Any]:
    """``settings.json`` of a run, checked.

    Raises:
        UserError: ``folder`` is no run folder, or its settings are damaged or from a newer version.
    """
    path = Path(folder) / SETTINGS
    found = read_json(path, "give the folder of a run that python -m latentrl.train has made")
    check_settings(found, path)
    return found


def load_model(
    folder: Path, device: torch.device | str = "cpu", settings: Mapping[str, Any] | None = None
) -> WorldModel:
    """The finished world model of a run, in evaluation mode; see :func:`load_any_model`.

    Raises:
        UserError: as there, or a static model.
    """
    model = load_any_model(folder, device, settings)
    if not isinstance(model, WorldModel):
        raise UserError(
            f"{folder}: its model is static: it knows single frames and no motion, and nothing can be filtered, "
            f"imagined or controlled in it; train one of {', '.join(MODELS)} with --model"
        )
    return model


def load_any_model(
    folder: Path, device: torch.device | str = "cpu", settings: Mapping[str, Any] | None = None
) -> GenerativeModel:
    """The finished model of a run, static or not, in evaluation mode.

    Args:
        folder: the run folder.
        device: where the model goes.
        settings: the run's ``settings.json``, where a caller has it already.

    Raises:
        UserError: no such run, an unfinished or a damaged one, or a model this version does not know.
    """
    folder = Path(folder)
    described = (load_settings(folder) if settings is None else settings).get("model")
    if described is None:
        raise UserError(f"{folder / SETTINGS} is damaged (model is missing): {ELSEWHERE}")
    known = (*MODELS, *STATICS)
    if described["name"] not in known:
        raise UserError(f"{folder / SETTINGS}: no model {described['name']!r}; there are {', '.join(known)}")
    weights = unpacked(*read_tensors(folder / MODEL, cure_of(folder)), folder / MODEL, cure_of(folder))
    for name, value in weights.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise UserError(
                f"{folder / MODEL} is damaged ({name} holds numbers that are not finite): {cure_of(folder)}"
            )
    model = _built(described, weights, folder / SETTINGS)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise UserError(f"{folder / MODEL} does not fit {folder / SETTINGS}: {error}") from error
    return model.to(device).eval()


def cure_of(folder: Path) -> str:
    """What helps where a run has no weights, or damaged ones."""
    how = "finish the training" if (folder / CHECKPOINT).is_file() else "train it once more, to the same weights,"
    return f"{how} with {command('train', '--run', folder, '--resume')}"


def _check_kinds(model: GenerativeModel, path: Path) -> None:
    """Refuse settings of another kind than the model's defaults, which it would stumble over when it is used.

    Raises:
        UserError: names the key.
    """
    settings = getattr(model, "settings", None)
    for field in fields(settings) if is_dataclass(settings) else ():
        value, default = getattr(settings, field.name), field.default
        kinds = (bool,) if isinstance(default, bool) else (int, float) if isinstance(default, int | float) else (str,)
        if not isinstance(default, bool | int | float | str):
            continue
        if not isinstance(value, kinds) or isinstance(value, bool) != isinstance(default, bool):
            raise UserError(f"{path} is damaged (model.settings.{field.name} is {value!r}): {ELSEWHERE}")


def _built(described: Mapping[str, Any], weights: Mapping[str, Tensor], path: Path) -> GenerativeModel:
    """The model that settings describe, whose shapes are first compared with the weights': sizes may be absurd."""
    spec = described["spec"]
    data = DataSpec(
        tuple(spec["observation_shape"]),
        spec["observation_dtype"],
        spec["action_size"],
        tuple(float(scale) for scale in spec["action_scale"]),
    )
    try:
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            sketched = build_any(described["name"], data, described["settings"])
        sketch = sketched.state_dict()
        _check_kinds(sketched, path)
    except UserError:
        raise
    except NotImplementedError:  # a model of somebody's own that reads numbers while it is built
        sketch = {}
    except Exception as error:
        raise UserError(f"{path}: model.settings make no model ({one_line(error)}): {ELSEWHERE}") from error
    for name, value in sketch.items():
        if name in weights and weights[name].shape != value.shape:
            raise UserError(
                f"{path.parent / MODEL} does not fit {path}: {name} is {tuple(weights[name].shape)}, the settings make "
                f"it {tuple(value.shape)}: {ELSEWHERE}"
            )
    if sum(map(Tensor.numel, sketch.values())) > SLACK + 2 * sum(map(Tensor.numel, weights.values())):
        raise UserError(f"{path.parent / MODEL} does not fit {path}, which makes a far larger model: {ELSEWHERE}")
    return build_any(described["name"], data, described["settings"])
