"""Gymnasium's ``MountainCarContinuous-v0``: a car whose motor is weaker than the slope."""

from __future__ import annotations

from latentrl.studies.systems.base import Evaluation, System

LENGTH = ("--episodes", "20", "--steps", "250")

MOUNTAIN_CAR = System(
    name="mountain-car",
    title="MountainCarContinuous-v0",
    needs=("pygame",),
    install='pip install "gymnasium[classic-control]"',
    record=(
        *("--env", "MountainCarContinuous-v0", "--pixels", "24", "--grey", "--repeat", "4"),
        *("--sequences", "2500", "--test-sequences", "500", "--length", "16", "--hold", "0.8"),
        *("--reset-options", '{"low": -1.2, "high": 0.6}', "--goal-options", '{"low": 0.5, "high": 0.5001}'),
    ),
    declares="mountain_car.toml",
    evaluations=(
        Evaluation("return", "the environment's own, 999 steps", ("--task", "reach", *LENGTH)),
        Evaluation("flag", "the flag reached within 240 steps", ("--task", "flag"), "successes"),
    ),
    note="Its return is 100 for the flag, less a tenth of the squared actions; Gymnasium calls 90 solved. The "
    "car's place on the curve is told by two numbers, as it lies in the picture.",
)
