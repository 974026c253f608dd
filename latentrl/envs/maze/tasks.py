"""What a point in a maze is to do."""

from __future__ import annotations

from typing import Any

from latentrl.envs.coordinates import Coordinate
from latentrl.envs.measures.held import Held
from latentrl.envs.tasks import Task

ENV_ID = "latentrl/Maze-v0"
POSITIONS = (Coordinate("x", "line", "position", 0, "m"), Coordinate("y", "line", "position", 1, "m"))
VELOCITIES = (
    Coordinate("x_velocity", "velocity", "velocity", 0, "m/s"),
    Coordinate("y_velocity", "velocity", "velocity", 1, "m/s"),
)
GOAL = (-0.65, -0.65)
"""In the lower corridor, right below where the task `around` begins."""


def _task(low: tuple[float, float], high: tuple[float, float], description: str) -> Task:
    """From rest, anywhere between two corners, to the goal."""
    reset: dict[str, Any] = {"low": low, "high": high, "velocity": (0.0, 0.0)}
    return Task(
        env_id=ENV_ID,
        truth=("position", "velocity"),
        measure=Held(POSITIONS, goal=GOAL, tolerance=0.15, hold=20, seconds=2.0),
        goal="goal.png",
        torque=1.0,
        torque_limit=None,
        steps=200,
        seconds=20.0,
        state=("position", "velocity"),
        pose="position",
        true_position=GOAL,
        reset_options=reset,
        description=f"from rest {description} to a goal at its left end: both coordinates within 0.15 m through the "
        "last 2 of 20 s",
    )


TASKS: dict[str, Task] = {
    "around": _task((-0.9, 0.4), (-0.4, 0.9), "in the upper corridor, around the wall into the lower one,"),
    "along": _task((0.4, -0.9), (0.9, -0.4), "at the right end of the lower corridor"),
}
