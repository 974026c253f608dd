"""Gymnasium's ``Pendulum-v1``: a swing-up with a motor that is weaker than the weight."""

from __future__ import annotations

from latentrl.studies.systems.base import ENOUGH, Evaluation, System

GYM_PENDULUM = System(
    name="pendulum-v1",
    title="Pendulum-v1",
    needs=("pygame",),
    install='pip install "gymnasium[classic-control]"',
    record=(
        *("--env", "Pendulum-v1", "--pixels", "32", "--grey", "--crop", "120,120,260,260", "--repeat", "2"),
        *(*ENOUGH, "--hold", "0.5"),
        *("--reset-options", '{"x_init": 3.1416, "y_init": 6}', "--goal-options", '{"x_init": 0, "y_init": 0}'),
    ),
    declares="gym_pendulum.toml",
    evaluations=(
        Evaluation(
            "hanging",
            "20 hanging: upright within 0.2 rad for the last 3 of 10 s",
            ("--task", "upright", "--env", "latentrl.studies.hanging:latentrl/HangingPendulum-v1"),
            "successes",
            0.95,
        ),
        Evaluation("random", "20 anywhere: the same", ("--task", "upright"), "successes", 0.95),
    ),
    seeds=3,
    note="The renderer draws the torque as an arrow around the pivot, up to the pole's own size, which is no "
    "part of the state.",
)
