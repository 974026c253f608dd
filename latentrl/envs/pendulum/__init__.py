"""The pendulum of Latent Matters. This face describes it; the parts are imported when they are used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from latentrl.envs.coordinates import Coordinate
from latentrl.envs.description import Collection, Environment, Flag, TruePhysics
from latentrl.envs.pendulum.tasks import ANGLE, ENV_ID, TASKS, VELOCITY


def coordinates(env_kwargs: Mapping[str, Any]) -> tuple[Coordinate, ...]:
    """The coordinates of the ground truth, which do not depend on how the environment is made."""
    return ANGLE, VELOCITY


def true_physics(control_step: float) -> TruePhysics:
    """The physics to plan in, of an action held for ``control_step`` seconds."""
    from latentrl.envs.pendulum.oracle import TruePendulum

    return TruePendulum(control_step)


ENVIRONMENT = Environment(
    env_id=ENV_ID,
    alias="pendulum",
    entry_point="latentrl.envs.pendulum.env:PendulumEnv",
    vector_entry_point="latentrl.envs.pendulum.vector:PendulumVectorEnv",
    coordinates=coordinates,
    tasks=TASKS,
    collection=Collection(goal=(0.0,)),
    flags=(
        Flag("torque", float, "2", "bound of the random torques in N m", "torque_limit"),
        Flag("picture", Literal["blob", "rod"], "blob", "what the camera sees"),
        Flag("noise", float, "0.01", "standard deviation of the camera's noise, a fraction of full scale"),
        Flag("size", int, "16", "height and width of the pictures in pixels, 8 to 256"),
        Flag("background", Literal["black", "white"], "black", "white inverts the grey levels"),
        Flag("control_step", float, "0.1", "seconds between observations, 0.001 to 1"),
    ),
    true_physics=true_physics,
)
