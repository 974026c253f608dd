"""Little data sets on disk for the suites of stages and penalties, and the situations that they make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from latentrl.data_collection import storage
from latentrl.data_collection.storage import load_sequences
from latentrl.geometry.charts import Charted
from latentrl.training.options import TrainOptions
from latentrl.training.situation import Situation, measure
from latentrl.types import Sequences, Trajectory
from tests.arms import wander

ARMS = 100
LIMITS = {"action_low": [-9.0, -9.0], "action_high": [9.0, 9.0]}


def write_sensors(folder: Path) -> Path:
    """Two positions under random accelerations, measured."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 12), ("test", 3)):
        actions = rng.uniform(-1, 1, (count, 5, 2))
        moved = np.concatenate((rng.normal(size=(count, 1, 2)), actions), 1).cumsum(1).cumsum(1)
        pairs = zip(moved.astype(np.float32), actions.astype(np.float32), strict=True)
        storage.write(folder, split, [Trajectory(*pair) for pair in pairs], LIMITS)
    return folder


def write_arms(folder: Path) -> Path:
    """Pictures of a drawn arm, of which blurred pictures do not tell all."""
    for seed, (split, count) in enumerate((("train", ARMS), ("test", 3))):
        data, _ = wander(count, 6, seed, size=24)
        pairs = zip(data.observations.numpy(), data.actions.numpy(), strict=True)
        storage.write(folder, split, [Trajectory(*pair) for pair in pairs], LIMITS)
    return folder


def true_chart(data: Sequences, count: int) -> Charted:
    """The cylinder that the arms' poses lie on, in the place of one read off their pictures: what takes long."""
    shoulder, wrist = wander(ARMS, 6, 0, size=24)[1].unbind(-1)
    places = torch.stack((shoulder.cos(), shoulder.sin(), wrist), -1)
    return Charted(data, (places - places.mean((0, 1))) / places.std((0, 1)))


def options_for(data: Path, **changes: Any) -> TrainOptions:
    """Of a training of a few steps, on the CPU and without bars."""
    pictures = data.name == "arms"
    sizes = {"state_size": 5, "position_size": 3} if pictures else {"state_size": 4, "position_size": 2}
    common = {"data": data, "steps": 6, "progress": False, "device": "cpu", "standardise": pictures, **sizes}
    return TrainOptions(**{**common, **changes})


def situation_of(data: Path, **changes: Any) -> Situation:
    """What such a training is chosen by."""
    options = options_for(data, **changes)
    return measure(options, load_sequences(data, "train"))
