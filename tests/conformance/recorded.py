"""Little data sets on disk for the suites of stages and penalties, and the situations that they make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from latentrl.data_collection import storage
from latentrl.data_collection.storage import load_sequences
from latentrl.training.options import TrainOptions
from latentrl.training.situation import Situation, measure
from latentrl.types import Trajectory
from tests.arms import wander

LIMITS = {"action_low": [-4.0, -4.0], "action_high": [4.0, 4.0]}


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
    for seed, (split, count) in enumerate((("train", 400), ("test", 3))):
        data, _ = wander(count, 6, seed, size=24)
        pairs = zip(data.observations.numpy(), data.actions.numpy(), strict=True)
        storage.write(folder, split, [Trajectory(*pair) for pair in pairs], LIMITS)
    return folder


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
