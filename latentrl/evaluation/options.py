"""The options of ``latentrl evaluate`` and ``latentrl compare``, and the trial that the former stand for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from latentrl.envs import ENVIRONMENTS, TASKS
from latentrl.evaluation.agents_by_name import agents
from latentrl.evaluation.oracles import ORACLE
from latentrl.evaluation.sensing import Losses, parse_blackout
from latentrl.evaluation.trials import GivenGoal, Physics, Trial, task_of
from latentrl.support.errors import UserError

SERVOED = ", ".join(name for name, one in ENVIRONMENTS.items() if one.servo is not None)
KNOWN = ", ".join(name for name, one in ENVIRONMENTS.items() if one.true_physics is not None)
AGENT_HELP = (
    f"What chooses the actions: {', '.join(agents())}, or ({SERVOED}) {ORACLE}, which is told the truth; policy if "
    "left out, or cem where every episode has a goal of its own."
)
TASK_HELP = (
    "; ".join(f"{name}: {', '.join(one.tasks)}" for name, one in ENVIRONMENTS.items())
    + ". The one that suits the run's environment and the goal if left out."
)
REFERENCES_HELP = (
    f"Add references above: every planner on the true physics ({KNOWN}), an oracle, which is told the truth "
    f"({SERVOED})."
)


@dataclass(frozen=True)
class EvaluateOptions:
    """Let an agent act in the real environment and count its successes."""

    run: Path
    """The run folder of a trained model."""
    agent: Annotated[str | None, tyro.conf.arg(help=AGENT_HELP)] = None
    policy: str = "policy"
    """Which of the run's learned policies, for the agent policy."""
    goal: str | None = None
    """A picture of the goal, or velocity:FRACTION; the task's own if left out. A policy has learned its own. A picture
    does not tell the true pose: where the task's goals are poses, a film and the spread are all that comes of it."""
    task: Annotated[str | None, tyro.conf.arg(help=TASK_HELP)] = None
    episodes: int | None = None
    """Parallel episodes, each with noise of its own; as many as the task says if left out."""
    torque: float | None = None
    """Largest action, in the environment's units; the task's if left out."""
    seed: int = 0
    """Of the environment's noise, the agent's and the lost frames."""
    drop: float = 0.0
    """The probability that a frame is lost."""
    blackout: str | None = None
    """Steps without a frame in every so many, such as 5/20."""
    physics: Physics = "learned"
    """Where a planner looks ahead: in the model, or, for an upper bound, in the true physics from the true state."""
    data: Path | None = None
    """The run's data folder, if it is no longer where the training found it."""
    video: bool = True
    """Film one more episode, or the first four goals where every episode has its own."""


@dataclass(frozen=True)
class CompareOptions:
    """Write one table of all agents on all tasks. Run again, it repeats only what is not finished or has changed."""

    run: Path
    """The run folder of a trained model."""
    tasks: tuple[str, ...] | None = None
    """What to do; all tasks of the run's environment if left out."""
    agents: tuple[str, ...] = field(default_factory=lambda: tuple(agents()))
    """Who does it: random, planners, and policy for every policy in the run that was learned for the task's goal."""
    true_physics: Annotated[bool, tyro.conf.arg(help=REFERENCES_HELP)] = True
    episodes: int | None = None
    """Parallel episodes; as many as each task says if left out."""
    seed: int = 0
    """Of the environment's noise and the agents'."""
    data: Path | None = None
    """The run's data folder, if it is no longer where the training found it."""


def trial_of(options: EvaluateOptions, env_id: str) -> Trial:
    """The trial that the options stand for in the environment of their run; what is left out is chosen.

    Raises:
        UserError: a goal that cannot be read, a number out of its range.
    """
    if options.episodes is not None and options.episodes < 1:
        raise UserError(f"--episodes {options.episodes}: give one or more")
    if options.torque is not None and not 0.0 < options.torque < float("inf"):
        raise UserError(f"--torque {options.torque}: give a positive number")
    if not 0.0 <= options.drop < 1.0:
        raise UserError(f"--drop {options.drop}: give a probability of at least 0 and below 1")
    dark, period = (0, 1) if options.blackout is None else parse_blackout(options.blackout)
    goal = GivenGoal.parse(options.goal)
    task = options.task or task_of(None if goal is None else goal.meaning, env_id)
    return Trial(
        agent=options.agent or _default_agent(task, goal),
        task=task,
        policy=options.policy,
        physics=options.physics,
        goal=goal,
        episodes=options.episodes,
        torque=options.torque,
        seed=options.seed,
        losses=Losses(options.drop, dark, period),
    )


def _default_agent(task: str, goal: GivenGoal | None) -> str:
    own_goals = task in TASKS and TASKS[task].draw is not None and goal is None
    return "cem" if own_goals else "policy"
