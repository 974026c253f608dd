"""Trials: one agent on one task under given conditions, and what these mean for a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from latentrl.agents.policies import policy_path
from latentrl.contestants import Physics
from latentrl.data_collection.storage import METADATA, load_ground_truth
from latentrl.errors import UserError
from latentrl.goals import Goal, PictureGoal, SpeedGoal, parse_goal
from latentrl.runs import load_settings
from latentrl.sensing import Losses
from latentrl.tasks import TASKS, Task


@dataclass(frozen=True)
class Trial:
    """One agent on one task.

    Attributes:
        agent: one of `contestants.AGENTS`.
        task: one of `TASKS`.
        policy: which of the run's policies, for the agent "policy".
        physics: where a planner looks ahead.
        goal: as ``--goal`` is written; the task's if None.
        episodes: parallel episodes; as many as the task says if None.
        torque: largest action; the task's if None.
        seed: of the environment's noise, the agent's and the lost frames.
        losses: how frames get lost.
    """

    agent: str
    task: str
    policy: str = "policy"
    physics: Physics = "learned"
    goal: str | None = None
    episodes: int | None = None
    torque: float | None = None
    seed: int = 0
    losses: Losses = field(default_factory=Losses)

    @property
    def contestant(self) -> str:
        """The agent's name in files and tables."""
        name = policy_path(Path(), self.policy).stem if self.agent == "policy" else self.agent
        return name + ("-true-physics" if self.physics == "true" else "")

    @property
    def name(self) -> str:
        """The trial's name in files: the agent, the task unless it is the first, the goal unless it is the task's."""
        parts = [self.contestant]
        if self.task != next(iter(TASKS)):
            parts.append(self.task)
        if self.goal is not None and not isinstance(parse_goal(self.goal), PictureGoal):
            parts += [self.goal.replace(":", "-")] if self.goal != TASKS[self.task].goal else []
        losses = self.losses
        parts += [f"drop-{losses.drop:g}"] if losses.drop else []
        parts += [f"blackout-{losses.dark}-{losses.period}"] if losses.dark else []
        return "_".join(parts)


def task_of(goal: str | None) -> str:
    """The task that a goal in words is meant for: a rotation by its sign, or the first one."""
    meant = parse_goal(goal) if goal is not None else None
    for name, task in TASKS.items():
        own = parse_goal(task.goal)
        if isinstance(meant, SpeedGoal) and isinstance(own, SpeedGoal) and meant.fractions[0] * own.fractions[0] > 0:
            return name
    return next(iter(TASKS))


def task_for(trial: Trial, run: Path) -> Task:
    """The trial's task, in the environment that made the run's data.

    Raises:
        UserError: no such task, or the run was trained elsewhere.
    """
    if trial.task not in TASKS:
        raise UserError(f"--task {trial.task}: choose one of {', '.join(TASKS)}")
    task, recorded = TASKS[trial.task], load_settings(run)["data"]
    if recorded["env_id"] != task.env_id:
        raise UserError(
            f"--run {run}: was trained on {recorded['env_id']}, but --task {trial.task} takes place in "
            f"{task.env_id}; give a run that was trained there"
        )
    return task.with_env(**recorded["env_kwargs"])


def goal_of(trial: Trial, task: Task, data: Path) -> Goal:
    """What to reach: the trial's goal, or the task's, whose picture lies in the data folder."""
    goal = parse_goal(trial.goal or task.goal)
    return PictureGoal(data / goal.path) if trial.goal is None and isinstance(goal, PictureGoal) else goal


def target_of(goal: Goal, task: Task, data: Path) -> float | None:
    """The speed that a velocity goal means in the truth's units: its fraction of the fastest in the training data.

    None for a task that is not measured against a speed; it needs no data.

    Raises:
        UserError: a goal of the other kind, or the data is not there.
    """
    if task.target_of is None:
        if isinstance(goal, SpeedGoal):
            raise UserError("--goal velocity:...: this task is to reach a position; give a picture, or another --task")
        return None
    if not isinstance(goal, SpeedGoal) or len(goal.fractions) != 1 or not goal.fractions[0]:
        raise UserError("--goal: this task is measured against a velocity; give velocity:FRACTION, not 0")
    if not (data / METADATA).is_file():
        raise UserError(f"{data}: the run's data is not there, but the task needs its top speed; find it with --data")
    return goal.fractions[0] * float(np.abs(load_ground_truth(data, "train")[task.target_of]).max())
