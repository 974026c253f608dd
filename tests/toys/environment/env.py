"""A mass of 1 kg on a rail of a few metres, pushed by a force; two sensors tell its place."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

STEP, PIXELS = 0.1, 16


class ToyEnv(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """The place is told in metres and in feet."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10, "ground_truth": ("place", "speed")}  # noqa: RUF012
    observation_space = Box(-100.0, 100.0, (2,), np.float32)
    action_space = Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode, self.place, self.speed = render_mode, np.zeros(1), np.zeros(1)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        given = options or {}
        self.place = np.array(given.get("place", self.np_random.uniform(-0.8, 0.8, 1)), np.float64)
        self.speed = np.array(given.get("speed", np.zeros(1)), np.float64)
        return self._seen(), self._truth()

    def step(self, action: NDArray[np.float32]) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.place = self.place + STEP * self.speed
        self.speed = self.speed + STEP * np.asarray(action, np.float64)
        return self._seen(), 0.0, False, False, self._truth()

    def render(self) -> NDArray[np.uint8]:
        picture = np.zeros((PIXELS, PIXELS, 3), np.uint8)
        picture[:, int(np.clip((self.place[0] + 2) / 4, 0, 0.99) * PIXELS)] = 255
        return picture

    def photograph(self, place: Any) -> NDArray[np.float32]:
        """What the sensors say at another ``place [1]``."""
        return (np.asarray(place) * (1.0, 3.28)).astype(np.float32)

    def _seen(self) -> NDArray[np.float32]:
        return self.photograph(self.place)

    def _truth(self) -> dict[str, Any]:
        return {"place": self.place.copy(), "speed": self.speed.copy()}
