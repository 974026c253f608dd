"""What a pendulum is to do."""

from __future__ import annotations

import math

from latentrl.envs.coordinates import Coordinate
from latentrl.envs.measures.held import Held
from latentrl.envs.measures.steady_speed import SteadySpeed
from latentrl.envs.tasks import Task

ENV_ID = "latentrl/Pendulum-v0"
ANGLE = Coordinate("angle", "angle", "angle", unit="rad")
"""0 upright, counter-clockwise positive."""
VELOCITY = Coordinate("velocity", "velocity", "velocity", unit="rad/s")
HANGING = {"angle": math.pi, "velocity": 0.0}


def _rotation(goal: str, description: str) -> Task:
    return Task(
        env_id=ENV_ID,
        truth=("angle", "velocity"),
        measure=SteadySpeed(VELOCITY),
        goal=goal,
        torque=30.0,
        steps=200,
        seconds=20.0,
        episodes=20,
        target_of="velocity",
        state=("angle", "velocity"),
        pose="angle",
        reset_options=HANGING,
        description=f"from hanging at rest, {description} of the training data's top speed: "
        "mean over the last 100 of 200 steps within 5%",
    )


TASKS: dict[str, Task] = {
    "swing-up": Task(
        env_id=ENV_ID,
        truth=("angle", "velocity"),
        measure=Held((ANGLE,), goal=(0.0,), tolerance=0.2, hold=50, settling="seconds_to_upright", seconds=5.0),
        true_position=(1.0, 0.0),
        goal="goal.png",
        torque=7.0,
        steps=200,
        seconds=20.0,
        state=("angle", "velocity"),
        pose="angle",
        reset_options=HANGING,
        description="from hanging at rest to within 0.2 rad of upright through the last 50 of 200 steps",
    ),
    "rotate-clockwise": _rotation("velocity:-0.5", "turn clockwise at 50%"),
    "rotate-counter-clockwise": _rotation("velocity:0.85", "turn counter-clockwise at 85%"),
}
