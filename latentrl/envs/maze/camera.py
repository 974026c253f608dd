"""What the maze's camera sees from above: the point as a bright spot on a dark ground, 16 x 16 grey pixels, then noise.

Neither the wall nor the room is in the picture. The spot is a Gaussian, so that its place between pixels is seen too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latentrl.envs.maze.physics import ROOM

SIZE = 16
BLACK_LEVEL = 0.04
"""So that the noise on the ground is not cut off at zero."""
SPOT = 1.5
"""Standard deviation in pixels."""
SCALE = 5.5 / ROOM
"""Pixels a metre: the room is 11 pixels wide, and the spot is whole wherever it is."""

Images = NDArray[np.uint8]


def draw(position: NDArray[np.float64]) -> NDArray[np.float64]:
    """Grey levels ``[N, 16, 16]`` from 0 to 255, not rounded, of points at ``position [N, 2]``, m."""
    pixel = np.arange(SIZE) - (SIZE - 1) / 2
    columns = np.exp(-0.5 * ((pixel - SCALE * position[:, :1]) / SPOT) ** 2)
    rows = np.exp(-0.5 * ((pixel[::-1] - SCALE * position[:, 1:]) / SPOT) ** 2)
    return np.asarray(255 * (BLACK_LEVEL + (1 - BLACK_LEVEL) * rows[:, :, None] * columns[:, None, :]))


def photograph(position: NDArray[np.float64], noise: float, rng: np.random.Generator) -> tuple[Images, Images]:
    """The noisy and the noise-free photograph, each uint8 ``[N, 16, 16, 1]``.

    Args:
        position: ``[N, 2]`` m.
        noise: standard deviation as a fraction of full scale, fresh for every pixel; 0 takes nothing from ``rng``.
        rng: source of the noise.
    """
    scene = draw(position)
    noisy = scene + 255 * noise * rng.standard_normal(scene.shape) if noise else scene
    return _digitise(noisy), _digitise(scene)


def _digitise(grey: NDArray[np.float64]) -> Images:
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)[..., None]
