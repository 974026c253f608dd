"""The two-link arm of the DeepMind control suite. This face describes it and needs no MuJoCo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from latentrl.envs.coordinates import Coordinate
from latentrl.envs.description import Collection, Environment, Flag, TruthAgent
from latentrl.envs.reacher.geometry import Floats
from latentrl.envs.reacher.tasks import ENV_ID, SHOULDER, TASKS, VELOCITIES, WRIST
from latentrl.support.suggestion import Suggestion


def coordinates(env_kwargs: Mapping[str, Any]) -> tuple[Coordinate, ...]:
    """The coordinates of the ground truth: joint sensors count the shoulder's turns, pictures cannot."""
    return (SHOULDER if _seen(env_kwargs) else replace(SHOULDER, kind="line")), WRIST, *VELOCITIES


def servo(goals: Floats, torque: float) -> TruthAgent:
    """A feedback controller on the true angles and velocities, for goal poses ``[N, 2]`` (rad) within ``torque``."""
    from latentrl.envs.reacher.oracle import ServoAgent

    return ServoAgent(goals, torque)


def suggestion(env_kwargs: Mapping[str, Any]) -> Suggestion:
    """Two positions and a velocity for each; of a picture the shoulder's angle takes two numbers."""
    return Suggestion(3, 5) if _seen(env_kwargs) else Suggestion(2, 4)


def _seen(env_kwargs: Mapping[str, Any]) -> bool:
    return env_kwargs.get("observation") == "pixels" or env_kwargs.get("render_mode") is not None


ENVIRONMENT = Environment(
    env_id=ENV_ID,
    alias="reacher",
    entry_point="latentrl.envs.reacher.env:ReacherEnv",
    vector_entry_point="latentrl.envs.reacher.vector:ReacherVectorEnv",
    coordinates=coordinates,
    tasks=TASKS,
    # Why these, and why one arm in a round: docs/environments.md.
    collection=Collection(sequences=2000, length=30, hold=0.8, amplitude=0.5, num_envs=1, goal=(1.0, 1.2)),
    flags=(
        Flag(
            "observation",
            Literal["angles", "pixels"],
            "angles",
            "the angles of the joints, or pictures of 64 x 64 pixels",
        ),
        Flag("control_step", float, "0.04", "seconds between observations, a multiple of 0.02"),
        Flag("noise", float, "0.001", "standard deviation of the joints' sensors in radians"),
    ),
    pictures=lambda env_kwargs: env_kwargs.get("observation") == "pixels",
    servo=servo,
    suggestion=suggestion,
)
