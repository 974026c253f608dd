"""The control suite's point mass: to the middle of a table, and to lie there."""

from __future__ import annotations

from latentrl.studies.systems.base import ENOUGH, Evaluation, System

POINT_MASS = System(
    name="point-mass",
    title="dm_control point_mass easy",
    needs=("dm_control", "mujoco"),
    install='pip install "latentrl[dm-control]"',
    record=(
        *("--env", "dm_control/point_mass-easy", "--pixels", "48", "--grey", "--repeat", "5", *ENOUGH, "--hold", "0.8"),
        "--reset-options",
        '{"qpos": {"root_x": [-0.29, 0.29], "root_y": [-0.29, 0.29]}, '
        '"qvel": {"root_x": [-0.1, 0.1], "root_y": [-0.1, 0.1]}}',
        *("--goal-options", '{"qpos": [0, 0], "qvel": [0, 0]}'),
    ),
    train=("--position-size", "2", "--state-size", "4"),
    evaluations=(
        Evaluation("easy", "the task's own, 1000 steps", ("--episodes", "20", "--steps", "200"), "return", 850),
    ),
    seeds=3,
    note="At the goal the mass is hidden: the target is a larger ball in the same place.",
)
