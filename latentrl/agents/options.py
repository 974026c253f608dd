"""The options of ``latentrl learn``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from latentrl.agents.horizon import METAVAR
from latentrl.shipped.copies import RUN
from latentrl.support.options import default_hint
from latentrl.tracking import TRACK

LIMIT_FLAG = tyro.conf.arg(name="action-limit", aliases=("--torque",))
"""How the largest action is given: under its general name, or the one it has in mechanics."""


@dataclass(frozen=True)
class LearnOptions:
    """Learn a policy that reaches a goal, by imagining what it would do in a trained model."""

    run: Annotated[Path, RUN]
    """The run folder of a trained model, or zoo:NAME; the policy is written into it."""
    goal: Annotated[str | None, default_hint("what came with the run's data", "GOAL")] = None
    """A picture of the goal, readings (a file, or [0.87, -0.5]), frame:SEQUENCE:STEP, sequence:NUMBER or
    velocity:FRACTION; or any, for a policy that is told which position to reach when it acts, as in tasks where every
    episode has a goal of its own."""
    distance: Annotated[str, tyro.conf.arg(metavar="{euclid,geodesic,flat}")] = "euclid"
    """How far a position is from the goal: euclid, a straight line in the latent space; geodesic, the shortest way
    along the data, by how much the pictures change; flat, that by one metric, of a model trained with --flat."""
    policy: Annotated[str, tyro.conf.arg(metavar="ALGORITHM")] = "analytic-gradient"
    """How it is learned: analytic-gradient, sac, td3, ppo, or the class name of another stable-baselines3 algorithm."""
    name: Annotated[str | None, default_hint("policy for analytic-gradient, else policy-ALGORITHM", "NAME")] = None
    """Written as policy-NAME."""
    torque: Annotated[float | None, LIMIT_FLAG, default_hint("the task's, else as recorded", "FLOAT")] = None
    """Largest action in every dimension, in the environment's units."""
    updates: Annotated[int | None, default_hint("400, and again while it helps; 1200 for any", "INT")] = None
    """Of analytic-gradient: gradient steps."""
    horizon: Annotated[int | str, tyro.conf.arg(metavar=METAVAR)] = 30
    """How far a roll-out is imagined, or an episode of an algorithm of stable-baselines3: steps, such as 30, or
    seconds, such as 1.5s."""
    bootstrap: bool = False
    """Of analytic-gradient: add a learned value at the horizon's end, so that 5 to 10 steps suffice."""
    state_gradient: Annotated[float | None, default_hint("10", "FLOAT")] = None
    """Of analytic-gradient: largest norm of the return's gradient in one state, in standard deviations of the start
    states."""
    steps: Annotated[int | None, default_hint("the algorithm's, twice that for any", "INT")] = None
    """Of the others: imagined steps in all."""
    input: Literal["mean", "belief"] = "mean"
    """What of a belief the policy sees: its mean, or the standard deviations too."""
    drop: float = 0.0
    """With --input belief: the share of imagined frames that never arrive, for a policy that meets this in reality."""
    seed: int = 0
    """Of the first weights and of everything imagined."""
    progress: bool = True
    """Show a progress bar."""
    track: Annotated[str | None, TRACK] = None
    """Where else the figures go, beside TensorBoard's log in the run folder."""
