"""Tasks: what to do in which environment, and how it is judged.

A task of one's own is one more :class:`Task`: the environment's id, the entries of its ``info`` that are ground truth,
and a measure of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import latentrl.envs  # registers the environments
from latentrl.measures import Measure, SteadySpeed, Upright


@dataclass(frozen=True)
class Task:
    """What to do in which environment.

    Attributes:
        env_id: Gymnasium id.
        truth: the entries of ``info`` that are ground truth: for the measure, and for agents that are given the truth.
        measure: judges the episodes.
        goal: what to reach, as ``--goal`` is written; a picture's relative path is one in the data folder.
        torque: largest action, in the environment's units.
        steps: T, the length of an episode.
        episodes: how many are run, unless asked otherwise.
        control_step: seconds between two actions.
        target_of: the entry of ``truth`` of whose largest absolute value in the training data the goal is a fraction;
            None where the measure needs no such target.
        true_position: the goal position in the coordinates of the true physics, for the reference above; None where the
            goal is a velocity.
        env_kwargs: how the environment is made.
        reset_options: where an episode starts.
        description: one line for people.
    """

    env_id: str
    truth: tuple[str, ...]
    measure: Measure
    goal: str
    torque: float
    steps: int
    episodes: int = 50
    control_step: float = 0.1
    target_of: str | None = None
    true_position: tuple[float, ...] | None = None
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    reset_options: dict[str, Any] = field(default_factory=dict)
    description: str = ""

    def with_env(self, **kwargs: Any) -> Task:
        """The same task in an environment that is made with some other arguments."""
        return replace(self, env_kwargs={**self.env_kwargs, **kwargs})


def _rotation(goal: str, description: str) -> Task:
    return Task(
        env_id=latentrl.envs.PENDULUM,
        truth=("angle", "velocity"),
        measure=SteadySpeed(),
        goal=goal,
        torque=30.0,
        steps=200,
        episodes=20,
        target_of="velocity",
        reset_options={"angle": math.pi, "velocity": 0.0},
        description=f"from hanging at rest, {description} of the training data's top speed: "
        "mean over the last 100 of 200 steps within 5%",
    )


TASKS: dict[str, Task] = {
    "swing-up": Task(
        env_id=latentrl.envs.PENDULUM,
        truth=("angle", "velocity"),
        measure=Upright(),
        true_position=(1.0, 0.0),
        goal="goal.png",
        torque=7.0,
        steps=200,
        reset_options={"angle": math.pi, "velocity": 0.0},
        description="from hanging at rest to within 0.2 rad of upright through the last 50 of 200 steps",
    ),
    "rotate-clockwise": _rotation("velocity:-0.5", "turn clockwise at 50%"),
    "rotate-counter-clockwise": _rotation("velocity:0.85", "turn counter-clockwise at 85%"),
}
