"""Trials: one agent on one task under given conditions, and what these mean for a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from latentrl.agents.policies import policy_path
from latentrl.envs import TASKS
from latentrl.evaluation.sensing import Losses
from latentrl.goals.parsing import parse_goal
from latentrl.goals.picture import PictureGoal


@dataclass(frozen=True)
class Trial:
    """One agent on one task.

    Attributes:
        agent: one of `contestants.AGENTS`, or `contestants.ORACLE`.
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


Physics = Literal["learned", "true"]
