"""``N`` points as one array: what the single and the vectorised environment share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import ArrayLike, NDArray

from latentrl.envs.checks import check_known, check_number, check_rendering, reset_numbers
from latentrl.envs.maze import camera, physics
from latentrl.envs.maze.render import render

RENDER_MODES = ["rgb_array"]
GROUND_TRUTH = ("position", "velocity", "clean")
TIMING = {"render_fps": round(1 / physics.CONTROL_STEP), "control_step": physics.CONTROL_STEP}
FIRST_SPEED = 0.3
"""The first velocity is uniform within plus or minus this, m/s."""
OPTIONS = ("position", "velocity", "low", "high")
FARTHEST, FASTEST = 1.5, 10.0
"""Of first states: m from the middle of the room, whose walls give way; and m/s, twenty times what a force leads to."""


@dataclass(frozen=True)
class MazeSettings:
    """What can be set when a maze is made.

    Attributes:
        noise: standard deviation of the camera's noise as a fraction of full scale.
        render_mode: None or "rgb_array".
        render_size: height and width of rendered frames in pixels.

    Raises:
        ValueError: a value out of its range.
    """

    noise: float = 0.01
    render_mode: str | None = None
    render_size: int = 256

    def __post_init__(self) -> None:
        check_number("noise", self.noise, 0.0, 1.0, "of full scale")
        check_rendering(self.render_mode, self.render_size)

    @property
    def observation_space(self) -> Box:
        """Grey images ``[16, 16, 1]`` uint8."""
        return Box(0, 255, (camera.SIZE, camera.SIZE, 1), np.uint8)

    @property
    def action_space(self) -> Box:
        """The force ``[2]`` float32 in N, to the right and upwards."""
        return Box(-physics.FORCE, physics.FORCE, (2,), np.float32)


class MazeBatch:
    """The state of ``N`` independent points that share one generator.

    Attributes:
        position: ``[N, 2]`` m.
        velocity: ``[N, 2]`` m/s.
    """

    def __init__(self, count: int, settings: MazeSettings) -> None:
        self.settings = settings
        self.position: NDArray[np.float64] = np.zeros((count, 2))
        self.velocity: NDArray[np.float64] = np.zeros((count, 2))

    def reset(
        self, rng: np.random.Generator, options: dict[str, Any] | None = None, which: NDArray[np.bool_] | None = None
    ) -> None:
        """New first states for the points in the mask ``which [N]`` (default: all).

        Args:
            rng: draws positions uniform where no wall is, and velocities uniform within `FIRST_SPEED`.
            options: "position" and "velocity", each ``[2]`` or ``[N, 2]``, take the place of what was drawn; "low" and
                "high" ``[2]``, corners in the room between which positions are drawn.
            which: the others keep their state.

        Raises:
            ValueError: an unknown option, or one that is no position, speed or pair of corners.
        """
        given = options or {}
        check_known(given, OPTIONS)
        count = len(self.position)
        low = _points("low", given.get("low", (-physics.ROOM, -physics.ROOM)), 1, physics.ROOM)
        high = _points("high", given.get("high", (physics.ROOM, physics.ROOM)), 1, physics.ROOM)
        if (low > high).any():
            raise ValueError(
                f"reset options low={low[0].tolist()}, high={high[0].tolist()}: low is above high; exchange them"
            )
        position = free_positions(rng, count, low, high)
        velocity = rng.uniform(-FIRST_SPEED, FIRST_SPEED, (count, 2))
        if "position" in given:
            position = _points("position", given["position"], count, FARTHEST)
        if "velocity" in given:
            velocity = _points("velocity", given["velocity"], count, FASTEST, "m/s")
        mask = np.ones((count, 1), dtype=bool) if which is None else which[:, None]
        self.position = np.where(mask, position, self.position)
        self.velocity = np.where(mask, velocity, self.velocity)

    def advance(self, force: ArrayLike) -> NDArray[np.float64]:
        """One control step under ``force``, ``2 N`` numbers in N, clipped to the limit.

        Returns:
            Rewards ``[N]``: zero. What is wanted is said by a goal.

        Raises:
            ValueError: a force that is not a number.
        """
        asked = np.asarray(force, dtype=np.float64).reshape(self.position.shape)
        if np.isnan(asked).any():
            raise ValueError(f"action {asked.tolist()} holds a NaN: forces must be numbers")
        held = np.clip(asked, -physics.FORCE, physics.FORCE)
        self.position, self.velocity = physics.advance(self.position, self.velocity, held)
        return np.zeros(len(self.position))

    def photograph(
        self, rng: np.random.Generator, position: ArrayLike | None = None
    ) -> tuple[camera.Images, camera.Images]:
        """Noisy and noise-free photographs of the points, or of others at ``position [N, 2]``; see the camera."""
        at = self.position if position is None else np.asarray(position, dtype=np.float64).reshape(-1, 2)
        return camera.photograph(at, self.settings.noise, rng)

    def render(self, index: int) -> NDArray[np.uint8] | None:
        """``[render_size, render_size, 3]`` uint8, a picture of one maze; None without a render mode."""
        if self.settings.render_mode is None:
            return None
        return render(self.position[index], self.settings.render_size)


def free_positions(
    rng: np.random.Generator, count: int, low: NDArray[np.float64], high: NDArray[np.float64]
) -> NDArray[np.float64]:
    """``[count, 2]`` positions in m, uniform where no wall is between the corners ``low`` and ``high [1, 2]``.

    Raises:
        ValueError: there is a wall everywhere between them.
    """
    found = rng.uniform(low, high, (count, 2))
    for _ in range(100):
        walled = physics.wall_distance(found) < 0
        if not walled.any():
            return found
        found[walled] = rng.uniform(low, high, (int(walled.sum()), 2))
    raise ValueError(f"reset options low={low[0].tolist()}, high={high[0].tolist()}: there is a wall between them")


def _points(name: str, value: ArrayLike, count: int, limit: float, unit: str = "m") -> NDArray[np.float64]:
    """One point ``[2]``, or ``[count, 2]`` of them, as ``[count, 2]``."""
    return reset_numbers(name, value, (count, 2), limit, f"one point [x, y], or {count}", unit)
