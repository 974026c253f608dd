"""Tasks: what to do in which environment, and how it is judged.

A task of one's own is one more :class:`Task`: the environment's id, the entries of its ``info`` that are ground truth,
and a measure of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import latentrl.envs  # registers the environments
from latentrl.envs.episodes import Ahead, Draw
from latentrl.envs.measures import Measure, Passed, Reached, Score, SteadySpeed, Upright
from latentrl.envs.reacher.tasks import anywhere, on_target

REWARD = "reward"
"""Stands among a task's truth for the environment's own reward."""


@dataclass(frozen=True)
class Task:
    """What to do in which environment.

    Attributes:
        env_id: Gymnasium id.
        truth: the entries of ``info`` that are ground truth: for the measure, and for agents that are given the truth;
            `REWARD` stands for the environment's own reward.
        measure: judges the episodes.
        goal: what to reach, as ``--goal`` is written; a picture's relative path is one in the data folder. None where
            each episode has a goal of its own.
        torque: largest action, in the environment's units.
        steps: T, the length of an episode.
        episodes: how many are run, unless asked otherwise.
        control_step: seconds between two actions.
        target_of: the entry of ``truth`` of whose largest absolute value in the training data the goal is a fraction;
            None where the measure needs no such target.
        true_position: the goal position in the coordinates of the true physics, for the reference above; None where the
            goal is a velocity.
        seconds: what an episode lasts whatever the control step; None: ``steps`` of them.
        torque_limit: the environment's argument that ``torque`` is given as; None: it has none, and ``torque`` bounds
            the agent alone.
        draw: how each episode begins and what its goal is; None: all alike, by ``reset_options`` and ``goal``.
        held_out: whether these are drawn from the test split.
        env_kwargs: how the environment is made.
        reset_options: where an episode starts.
        description: one line for people.
    """

    env_id: str
    truth: tuple[str, ...]
    measure: Measure
    goal: str | None
    torque: float
    steps: int
    episodes: int = 50
    control_step: float = 0.1
    target_of: str | None = None
    true_position: tuple[float, ...] | None = None
    seconds: float | None = None
    torque_limit: str | None = "torque_limit"
    draw: Draw | None = None
    held_out: bool = False
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    reset_options: dict[str, Any] = field(default_factory=dict)
    description: str = ""

    def with_env(self, **kwargs: Any) -> Task:
        """The same task in an environment that is made with some other arguments."""
        return replace(self, env_kwargs={**self.env_kwargs, **kwargs})

    def of_run(self, kwargs: dict[str, Any]) -> Task:
        """The task in the environment as a run's data was recorded in it, at its control step."""
        task = self.with_env(**kwargs)
        step = kwargs.get("control_step", self.control_step)
        return replace(task, control_step=step, steps=round(self.seconds / step) if self.seconds else self.steps)


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


def _reacher(truth: tuple[str, ...], measure: Measure, draw: Draw, **settings: Any) -> Task:
    return Task(
        env_id=latentrl.envs.REACHER,
        truth=("angles", "velocities", *truth),
        measure=measure,
        goal=None,
        control_step=0.04,
        torque_limit=None,
        draw=draw,
        **settings,
    )


def _scored(target: str) -> Task:
    return _reacher(
        (REWARD,),
        Score(),
        on_target,
        # On the way to a target the time counts: half of it costs 10 points even who knows the truth.
        torque=1.0,
        steps=500,
        seconds=20.0,
        env_kwargs={"target": target},
        description=f"dm_control's reacher {target}: the return of 20 s at a random target that is told by the picture "
        "of an arm with its finger there",
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
    "reach": _reacher(
        (),
        Reached(),
        anywhere,
        # What the data is recorded with, half of what the motors give.
        torque=0.5,
        steps=150,
        episodes=100,
        description="from any pose at rest to any other: both joints within 0.05 rad through the last 25 of 150 steps, "
        "the wrist never beyond its limit",
    ),
    "reach-ahead": _reacher(
        (),
        Passed(),
        Ahead(25),
        torque=0.5,
        steps=50,
        held_out=True,
        description="from a held-out state to what was observed 25 steps later: both joints within 0.05 rad at any of "
        "50 steps",
    ),
    "reacher-easy": _scored("easy"),
    "reacher-hard": _scored("hard"),
}


def tasks_in(env_id: str) -> tuple[str, ...]:
    """Names of the tasks in an environment, the default one first."""
    return tuple(name for name, task in TASKS.items() if task.env_id == env_id)
