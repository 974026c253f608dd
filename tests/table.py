"""A ball on a table, seen from above: a robot of its own, with recordings of it and an environment to judge by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

ENV_ID = "tests.table:tests/Table-v0"
HEIGHT, WIDTH, STEP, FRICTION = 48, 64, 0.1, 0.5
"""Pixels, seconds and 1/s; the table is 1 m high and 4/3 m wide."""
LOW, HIGH = np.array([-0.5, -1.0]), np.array([1.5, 1.0])
"""Pushes in m/s²; the table slopes, so that 0.5 keeps a ball at rest."""
SLOPE, EDGE = np.array([0.5, 0.0]), np.array([WIDTH / HEIGHT, 1.0])
RADIUS = 0.08
FELT, SHINE = np.array([20, 110, 50]), np.array([240, 220, 60])

Floats = NDArray[np.float64]


def moved(state: Floats, push: Floats) -> Floats:
    """Place and speed ``[4]`` after a step under ``push [2]``; edges give back half of the speed."""
    place, speed = state[:2], state[2:]
    speed = speed + STEP * (np.clip(push, LOW, HIGH) - SLOPE - FRICTION * speed)
    place = place + STEP * speed
    inside = np.clip(place, RADIUS, EDGE - RADIUS)
    return np.concatenate((inside, np.where(inside == place, speed, -0.5 * speed)))


def picture(state: Floats) -> NDArray[np.uint8]:
    """The table from above, ``[48, 64, 3]``, a soft ball on it."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    away = np.hypot((columns + 0.5) / HEIGHT - state[0], (rows + 0.5) / HEIGHT - state[1])
    light = np.exp(-0.5 * (away / RADIUS) ** 2)[..., None]
    return np.rint(FELT + (SHINE - FELT) * light).astype(np.uint8)


def started(rng: np.random.Generator) -> Floats:
    """A ball anywhere, at any moderate speed."""
    return np.concatenate((rng.uniform(RADIUS, EDGE - RADIUS), rng.uniform(-0.3, 0.3, 2)))


def recorded(rng: np.random.Generator, frames: int) -> dict[str, NDArray[Any]]:
    """A log: ``frames [T, 48, 64, 3]``, ``actions [T - 1, 2]`` float64 held for some steps, ``ball [T, 4]``."""
    held = np.repeat(rng.uniform(LOW, HIGH, (frames // 4 + 1, 2)), 4, axis=0)[: frames - 1]
    states = [started(rng)]
    for push in held:
        states.append(moved(states[-1], push))
    return {"frames": np.stack([picture(one) for one in states]), "actions": held, "ball": np.stack(states)}


def write_log(folder: Path, recordings: int, shortest: int, longest: int, seed: int = 0) -> Path:
    """``folder`` with so many .npz, of ``shortest`` to ``longest`` frames, and ``goal.png`` beside it: the middle."""
    from PIL import Image

    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for number in range(recordings):
        made = recorded(rng, int(rng.integers(shortest, longest + 1)))
        np.savez_compressed(folder / f"rec_{number:03d}.npz", **made)  # type: ignore[arg-type]
    Image.fromarray(picture(np.array([*EDGE / 2, 0.0, 0.0]))).save(folder.parent / "goal.png")
    return folder


class Table(gymnasium.Env[Any, Any]):
    """The same table as an environment."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10, "ground_truth": ("ball",)}  # noqa: RUF012
    observation_space = Box(-np.inf, np.inf, (4,), np.float64)
    action_space = Box(LOW.astype(np.float32), HIGH.astype(np.float32), dtype=np.float32)

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode, self.state = render_mode, np.zeros(4)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.state = started(self.np_random)
        return self.state.copy(), {"ball": self.state.copy()}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.state = moved(self.state, np.asarray(action, np.float64))
        reward = -float(np.hypot(*(self.state[:2] - EDGE / 2)))
        return self.state.copy(), reward, False, False, {"ball": self.state.copy()}

    def render(self) -> NDArray[np.uint8]:
        return picture(self.state)


if ENV_ID.partition(":")[2] not in gymnasium.registry:
    gymnasium.register(ENV_ID.partition(":")[2], "tests.table:Table")
