"""A ball on a table, an environment that describes nothing of itself: registered as ``tests/Ball-v0``.

Its two forces are bounded by [-0.5, 1.5] and [-1, 1]; an episode ends where the ball falls off, 1 m from the middle.
The reward is minus the distance to the corner at (0.5, 0.5).
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

ID = "tests/Ball-v0"
NAMED = f"tests.ball:{ID}"
LOW, HIGH = (-0.5, -1.0), (1.5, 1.0)
STEP, SIZE = 0.1, (36, 48)


class Ball(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """Observes its place in metres; ``info`` holds place and speed, and the metadata announces them."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10, "ground_truth": ("place", "speed")}  # noqa: RUF012
    observation_space = Box(-9.0, 9.0, (2,), np.float32)
    action_space = Box(np.array(LOW, np.float32), np.array(HIGH, np.float32))

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode, self.place, self.speed = render_mode, np.zeros(2), np.zeros(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        given = options or {}
        self.place = np.array(given["place"] if "place" in given else self.np_random.uniform(-0.5, 0.5, 2), np.float64)
        self.speed = np.zeros(2)
        return self._seen(), self._truth()

    def step(self, action: NDArray[np.float32]) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(np.asarray(action, np.float32)), action
        self.speed = self.speed + STEP * np.asarray(action, np.float64)
        self.place = self.place + STEP * self.speed
        reward = -float(np.linalg.norm(self.place - 0.5))
        return self._seen(), reward, bool(np.abs(self.place).max() > 1.0), False, self._truth()

    def render(self) -> NDArray[np.uint8]:
        picture = np.full((*SIZE, 3), 200, np.uint8)
        row, column = ((self.place + 1.5) / 3 * SIZE).astype(int).clip(0, np.array(SIZE) - 1)
        picture[row - 2 : row + 3, column - 2 : column + 3] = (200, 0, 0)
        return picture

    def _seen(self) -> NDArray[np.float32]:
        return self.place.astype(np.float32)

    def _truth(self) -> dict[str, Any]:
        return {"place": self.place.copy(), "speed": self.speed.copy()}


if ID not in gymnasium.registry:
    gymnasium.register(ID, "tests.ball:Ball", max_episode_steps=40)
