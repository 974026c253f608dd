"""The control suite's acrobot: two links, a motor at the elbow alone."""

from __future__ import annotations

from latentrl.studies.systems.base import ENOUGH, Evaluation, System

ACROBOT = System(
    name="acrobot",
    title="dm_control acrobot swingup",
    needs=("dm_control", "mujoco"),
    install='pip install "latentrl[dm-control]"',
    record=(
        *("--env", "dm_control/acrobot-swingup", "--pixels", "48", "--grey", "--repeat", "8", *ENOUGH, "--hold", "0.8"),
        "--reset-options",
        '{"qpos": {"shoulder": [-3.1416, 3.1416], "elbow": [-3.1416, 3.1416]}, '
        '"qvel": {"shoulder": [-4, 4], "elbow": [-4, 4]}}',
        *("--goal-options", '{"qpos": [0, 0], "qvel": [0, 0]}'),
    ),
    train=("--position-size", "4", "--state-size", "8"),
    evaluations=(Evaluation("swingup", "the task's own, 1000 steps", ("--episodes", "20", "--steps", "125")),),
    others="DreamerV3 39/130/252, DrQ-v2 5/46/168 (100k/500k/1M steps)",
)
