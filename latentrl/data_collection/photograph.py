"""The goal that comes with a data folder: the environment photographed in one pose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from gymnasium.vector import SyncVectorEnv, VectorEnv
from numpy.typing import NDArray
from PIL import Image

from latentrl.data_collection.options import CollectOptions
from latentrl.data_collection.rounds import ground_truth, recordable, reset

PICTURE, NUMBERS = "goal.png", "goal.json"


class Photograph(NamedTuple):
    """A goal: an ``observation``, and the ground truth of it where that is known, each entry ``[...]``."""

    observation: NDArray[Any]
    truth: dict[str, NDArray[Any]]

    @property
    def name(self) -> str:
        """The file that it becomes."""
        return PICTURE if self.observation.dtype == np.uint8 and self.observation.ndim == 3 else NUMBERS

    def write(self, folder: Path) -> Path:
        """Write it: a picture as a lossless ``goal.png``, numbers as the list in ``goal.json``."""
        path, seen = folder / self.name, self.observation
        if self.name == NUMBERS:
            path.write_text(json.dumps(seen.tolist()) + "\n")
        else:
            Image.fromarray(seen[..., 0] if seen.shape[2] == 1 else seen).save(path)
        return path


def photograph(envs: VectorEnv, options: CollectOptions) -> Photograph | None:
    """The observation after a reset with ``--goal-options``, else of the environment's default goal, if it has one.

    Raises:
        UserError: the environment refuses the options, or fails.
    """
    if options.goal_options is not None:
        seen, info = reset(envs, options.seed, options.goal_options, "--goal-options")
        truth = {key: values[0] for key, values in ground_truth(envs, info).items()}
        return Photograph(recordable(seen)[0].copy(), truth)
    pose = options.defaults.goal
    # Pictures of another camera, as of --pixels, can only be taken where an episode goes.
    if pose is None or options.pixels is not None:
        return None
    # Or the sensor's noise would depend on what was recorded in this process.
    envs.reset(seed=options.seed)
    if isinstance(envs.unwrapped, SyncVectorEnv):
        return Photograph(envs.unwrapped.envs[0].unwrapped.photograph(pose), {})  # type: ignore[attr-defined]
    return Photograph(envs.unwrapped.photograph(pose)[0], {})  # type: ignore[attr-defined]
