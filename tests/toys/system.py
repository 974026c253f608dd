"""A system of the suite: the toy environment by its commands."""

from __future__ import annotations

from latentrl.studies.systems.base import Evaluation, System

TOY_SYSTEM = System(
    name="toy",
    title="a toy",
    record=("--env", "toy", "--sequences", "8", "--test-sequences", "8", "--length", "6"),
    train=("--state-size", "4"),
    evaluations=(Evaluation("park", "parked", ("--task", "toy-park")),),
    agents=("random",),
)
