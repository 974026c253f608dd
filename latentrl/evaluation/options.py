"""The options of ``latentrl evaluate``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from latentrl.evaluation.trials import Physics


@dataclass(frozen=True)
class EvaluateOptions:
    """Let an agent act in the real environment and count its successes."""

    run: Path
    """The run folder of a trained model."""
    agent: str | None = None
    """What chooses the actions: policy, random, a planner (cem and the others), for the reacher also oracle, which is
    told the truth; policy if left out, or cem where every episode has a goal of its own."""
    policy: str = "policy"
    """Which of the run's learned policies, for the agent policy."""
    goal: str | None = None
    """A picture of the goal, or velocity:FRACTION; the task's own if left out. A policy has learned its own. A
    reacher's picture does not tell the true pose: a film and the spread are then all that comes of it."""
    task: str | None = None
    """Pendulum: swing-up, rotate-clockwise, rotate-counter-clockwise; reacher: reach, reach-ahead, reacher-easy,
    reacher-hard. The one that suits the run's environment and the goal if left out."""
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
