"""Trials: one agent on one task under given conditions, as they are named in files and tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from latentrl.agents.policies import policy_path
from latentrl.envs import TASKS
from latentrl.envs.tasks import Task
from latentrl.evaluation.sensing import Losses
from latentrl.goals.base import Goal, WrittenGoal
from latentrl.goals.parsing import parse_goal
from latentrl.goals.picture import PictureGoal
from latentrl.goals.speed import SpeedGoal

Physics = Literal["learned", "true"]
ON_TRUE_PHYSICS = "-true-physics"
"""What the name of an agent that plans on the true physics ends with."""
SAID_ALONE = ("steps", "horizon", "distance", "reset_options", "where")
"""Attributes of a trial that its JSON holds only where they are given."""


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
        task: one of the run's tasks.
        policy: which of the run's policies, for the agent "policy".
        physics: where a planner looks ahead.
        goal: what the user gives; the task's if None.
        episodes: parallel episodes; as many as the task says if None.
        torque: largest action; the task's, or what the data was recorded within, if None.
        seed: of the environment's noise, the agent's and the lost frames.
        losses: how frames get lost.
        steps: of an episode; as the task says if None.
        horizon: steps that a planner looks ahead; its own if None.
        distance: of `latentrl.goals.distances.DISTANCES`, that a planner is rewarded by; the straight line if None.
        reset_options: where episodes begin, beyond what the task says.
        where: what the user says of the environment, and so is not the run's own: by flag.
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
    steps: int | None = None
    horizon: int | None = None
    distance: str | None = None
    reset_options: Mapping[str, Any] | None = None
    where: Mapping[str, Any] | None = None

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
            own = TASKS[self.task].goal if self.task in TASKS else None
            parts += [self.goal.text.replace(":", "-")] if self.goal.text != own else []
        parts += [self.distance] if self.distance else []
        losses = self.losses
        parts += [f"drop-{losses.drop:g}"] if losses.drop else []
        parts += [f"blackout-{losses.dark}-{losses.period}"] if losses.dark else []
        return "_".join(parts)

    def as_json(self) -> dict[str, Any]:
        """The trial as JSON holds it: the goal as it was written, and `SAID_ALONE` only where it is said."""
        found = {**asdict(self), "goal": None if self.goal is None else self.goal.text}
        return {name: value for name, value in found.items() if name not in SAID_ALONE or value}


def task_of(goal: Goal | None, tasks: Mapping[str, Task], own_goal: Callable[[Task], Goal | None] | None = None) -> str:
    """Which of a run's ``tasks`` a goal is meant for: a rotation by its sign, or the first one.

    Where a user has declared the tasks, a goal that is none of theirs is one for the task that has none of its own: of
    another nobody has said where it is.

    Args:
        goal: what is given; None: nothing.
        tasks: of the run.
        own_goal: the goal of a task, where it may be one that came with the data.
    """
    names = tuple(tasks) or tuple(TASKS)
    if isinstance(goal, SpeedGoal):
        for name in names:
            own = parse_goal((tasks.get(name) or TASKS[name]).goal or "")
            if isinstance(own, SpeedGoal) and goal.fractions[0] * own.fractions[0] > 0:
                return name
    declared = [name for name in names if name in tasks and tasks[name].near]
    if goal is None or not declared:
        return names[0]
    own_goals = {name: None if own_goal is None else own_goal(tasks[name]) for name in declared}
    return next((name for name, own in own_goals.items() if same(goal, own)), declared[-1])


def same(goal: Goal, other: Goal | None) -> bool:
    """Whether two goals are the same, also where they are paths that are written differently."""
    if isinstance(goal, PictureGoal) and isinstance(other, PictureGoal):
        return goal.path.resolve() == other.path.resolve()
    return goal == other
