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

import importlib.metadata
import json
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from latentrl.models import MODELS, build
from latentrl.models.base import DataSpec, WorldModel
from latentrl.support.errors import UserError
from latentrl.support.files import write_bytes, write_text

SETTINGS, MODEL, CHECKPOINT, HISTORY = "settings.json", "model.safetensors", "checkpoint.safetensors", "history.csv"
PACKAGES = ("latentrl", "torch", "numpy", "gymnasium", "minari", "safetensors")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file: readers see the old or the new one, never half."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def read_json(path: Path, cure: str) -> dict[str, Any]:
    """Read a JSON file.

    Raises:
        UserError: no such file, or not JSON; ``cure`` says what to do.
    """
    try:
        return json.loads(path.read_text())
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist: {cure}") from error
    except json.JSONDecodeError as error:
        raise UserError(f"{path} is damaged ({error}): {cure}") from error


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write a safetensors file atomically; tensors that share memory are copied apart."""
    apart = {key: tensor.detach().cpu().clone().contiguous() for key, tensor in tensors.items()}
    write_bytes(path, save(apart, metadata=dict(metadata or {})))


def read_tensors(path: Path, cure: str, device: torch.device | str = "cpu") -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file.

    Raises:
        UserError: no such file, or damaged; ``cure`` says what to do.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist: {cure}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
        return load_file(path, device=str(device)), metadata
    except SafetensorError as error:
        raise UserError(f"{path} is damaged ({error}): {cure}") from error


def describe_environment() -> dict[str, str]:
    """Versions and the git hash of the working directory, for the record."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    try:
        command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
        found["git"] = subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        found["git"] = "unknown"
    return found


def model_settings(name: str, model: WorldModel) -> dict[str, Any]:
    """What :func:`load_model` needs to build the model again."""
    return {"name": name, "settings": asdict(model.settings), "spec": asdict(model.spec)}


def load_settings(folder: Path) -> dict[str, Any]:
    """``settings.json`` of a run.

    Raises:
        UserError: ``folder`` is no run folder.
    """
    return read_json(Path(folder) / SETTINGS, "give the folder of a run that python -m latentrl.train has made")


def load_model(folder: Path, device: torch.device | str = "cpu") -> WorldModel:
    """The finished model of a run, in evaluation mode.

    Raises:
        UserError: no such run, an unfinished or a damaged one, or a model this version does not know.
    """
    folder = Path(folder)
    described = load_settings(folder)["model"]
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
    cure = f"finish the training with python -m latentrl.train --run {folder} --resume"
    weights, _ = read_tensors(folder / MODEL, cure)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise UserError(f"{folder / MODEL} does not fit {folder / SETTINGS}: {error}") from error
    return model.to(device).eval()
