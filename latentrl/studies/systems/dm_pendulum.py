"""The control suite's pendulum: its motor holds a fifth of the weight, so that it takes several swings to get up."""

from __future__ import annotations

from latentrl.studies.systems.base import ENOUGH, Evaluation, System

DM_PENDULUM = System(
    name="dm-pendulum",
    title="dm_control pendulum swingup",
    needs=("dm_control", "mujoco"),
    install='pip install "latentrl[dm-control]"',
    record=(
        *("--env", "dm_control/pendulum-swingup", "--pixels", "32", "--grey", "--crop", "8,20,88,88", "--repeat", "5"),
        *(*ENOUGH, "--hold", "0.8"),
        *("--reset-options", '{"qpos": {"hinge": [-3.1416, 3.1416]}, "qvel": {"hinge": [-8, 8]}}'),
        *("--goal-options", '{"qpos": {"hinge": 0}, "qvel": {"hinge": 0}}'),
    ),
    evaluations=(
        Evaluation("swingup", "the task's own, 1000 steps", ("--episodes", "20", "--steps", "200"), "return", 700),
    ),
    seeds=3,
    others="DreamerV3 352/640/747, DrQ-v2 235/840/838 (100k/500k/1M steps)",
)
