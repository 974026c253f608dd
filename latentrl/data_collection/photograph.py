"""The goal that comes with a data folder: the environment photographed in one pose."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from gymnasium.vector import SyncVectorEnv, VectorEnv
from PIL import Image

from latentrl.data_collection.options import CollectOptions

PICTURE, NUMBERS = "goal.png", "goal.json"


def write_goal(envs: VectorEnv, options: CollectOptions, folder: Path) -> Path | None:
    """Write an observation of the environment's default goal; None where it has none.

    A picture becomes a lossless ``goal.png``, numbers the list in ``goal.json``.
    """
    pose = options.defaults.goal
    # Pictures of another camera, as of --pixels, can only be taken where an episode goes.
    if pose is None or options.pixels is not None:
        return None
    # Or the sensor's noise would depend on what was recorded in this process.
    envs.reset(seed=options.seed)
    if isinstance(envs, SyncVectorEnv):
        seen = envs.envs[0].unwrapped.photograph(pose)  # type: ignore[attr-defined]
    else:
        seen = envs.photograph(pose)[0]  # type: ignore[attr-defined]
    if seen.dtype != np.uint8:
        path = folder / NUMBERS
        path.write_text(json.dumps(seen.tolist()) + "\n")
        return path
    path = folder / PICTURE
    Image.fromarray(seen[..., 0] if seen.shape[2] == 1 else seen).save(path)
    return path
