"""A point in a room with a wall that no picture shows. This face describes it; the parts are imported when used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from latentrl.envs.coordinates import Coordinate
from latentrl.envs.description import Collection, Environment, Flag, TruePhysics
from latentrl.envs.maze.tasks import ENV_ID, GOAL, POSITIONS, TASKS, VELOCITIES
from latentrl.support.suggestion import Suggestion


def coordinates(env_kwargs: Mapping[str, Any]) -> tuple[Coordinate, ...]:
    """The coordinates of the ground truth, which do not depend on how the environment is made."""
    return *POSITIONS, *VELOCITIES


def true_physics(control_step: float) -> TruePhysics:
    """The physics to plan in, of a force held for ``control_step`` seconds."""
    from latentrl.envs.maze.oracle import TrueMaze

    return TrueMaze(control_step)


def suggestion(env_kwargs: Mapping[str, Any]) -> Suggestion:
    """Two positions, a velocity for each, and the only distance that leads around the wall (docs/results/around.md)."""
    return Suggestion(position_size=2, state_size=4, distance="geodesic")


ENVIRONMENT = Environment(
    env_id=ENV_ID,
    alias="maze",
    entry_point="latentrl.envs.maze.env:MazeEnv",
    vector_entry_point="latentrl.envs.maze.vector:MazeVectorEnv",
    coordinates=coordinates,
    tasks=TASKS,
    # A force that is held for half a second on average crosses a tenth of the room.
    collection=Collection(sequences=1500, test_sequences=500, length=20, hold=0.8, goal=GOAL),
    flags=(Flag("noise", float, "0.01", "standard deviation of the camera's noise, a fraction of full scale"),),
    true_physics=true_physics,
    suggestion=suggestion,
)
