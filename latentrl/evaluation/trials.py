"""Trials: one agent on one task under given conditions, as they are named in files and tables."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from latentrl.agents.policies import policy_path
from latentrl.envs import TASKS, tasks_in
from latentrl.evaluation.sensing import Losses
from latentrl.goals.base import Goal, WrittenGoal
from latentrl.goals.parsing import parse_goal
from latentrl.goals.picture import PictureGoal
from latentrl.goals.speed import SpeedGoal

Physics = Literal["learned", "true"]
ON_TRUE_PHYSICS = "-true-physics"
"""What the name of an agent that plans on the true physics ends with."""


class GivenGoal(NamedTuple):
    """A goal as ``--goal`` is written, and what that means."""

    text: str
    meaning: WrittenGoal

    @classmethod
    def parse(cls, text: str | None) -> GivenGoal | None:
        """The goal; None where none is given.

        Raises:
            UserError: see `latentrl.goals.parsing.parse_goal`.
        """
        return None if text is None else cls(text, parse_goal(text))


@dataclass(frozen=True)
class Trial:
    """One agent on one task.

    Attributes:
        agent: one of `agents_by_name.agents`, or `oracles.ORACLE`.
        task: one of `TASKS`.
        policy: which of the run's policies, for the agent "policy".
        physics: where a planner looks ahead.
        goal: what the user gives; the task's if None.
        episodes: parallel episodes; as many as the task says if None.
        torque: largest action; the task's if None.
        seed: of the environment's noise, the agent's and the lost frames.
        losses: how frames get lost.
    """

    agent: str
    task: str
    policy: str = "policy"
    physics: Physics = "learned"
    goal: GivenGoal | None = None
    episodes: int | None = None
    torque: float | None = None
    seed: int = 0
    losses: Losses = field(default_factory=Losses)

    @property
    def contestant(self) -> str:
        """The agent's name in files and tables."""
        name = policy_path(Path(), self.policy).stem if self.agent == "policy" else self.agent
        return name + (ON_TRUE_PHYSICS if self.physics == "true" else "")

    @property
    def name(self) -> str:
        """The trial's name in files: the agent, the task unless it is the first, the goal unless it is the task's."""
        parts = [self.contestant]
        if self.task != next(iter(TASKS)):
            parts.append(self.task)
        if self.goal is not None and not isinstance(self.goal.meaning, PictureGoal):
            parts += [self.goal.text.replace(":", "-")] if self.goal.text != TASKS[self.task].goal else []
        losses = self.losses
        parts += [f"drop-{losses.drop:g}"] if losses.drop else []
        parts += [f"blackout-{losses.dark}-{losses.period}"] if losses.dark else []
        return "_".join(parts)

    def as_json(self) -> dict[str, Any]:
        """The trial as JSON holds it: the goal as it was written."""
        return {**asdict(self), "goal": None if self.goal is None else self.goal.text}


def task_of(goal: Goal | None, env_id: str) -> str:
    """The task in an environment that a goal is meant for: a rotation by its sign, or the first one."""
    names = tasks_in(env_id) or tuple(TASKS)
    if not isinstance(goal, SpeedGoal):
        return names[0]
    for name in names:
        own = parse_goal(TASKS[name].goal or "")
        if isinstance(own, SpeedGoal) and goal.fractions[0] * own.fractions[0] > 0:
            return name
    return names[0]
