"""The control suite's cart-pole: one model, two tasks with the same goal and the same reward."""

from __future__ import annotations

from latentrl.studies.systems.base import ENOUGH, Evaluation, System

LENGTH = ("--episodes", "20", "--steps", "200")

CARTPOLE = System(
    name="cartpole",
    title="dm_control cartpole",
    needs=("dm_control", "mujoco"),
    install='pip install "latentrl[dm-control]"',
    record=(
        *("--env", "dm_control/cartpole-swingup", "--pixels", "32x48", "--grey", "--repeat", "5", *ENOUGH, "--hold", "0.8"),
        "--reset-options",
        '{"qpos": {"slider": [-1.2, 1.2], "hinge_1": [-3.1416, 3.1416]}, "qvel": {"slider": [-2, 2], "hinge_1": [-8, 8]}}',
        *("--goal-options", '{"qpos": {"slider": 0, "hinge_1": 0}, "qvel": {"slider": 0, "hinge_1": 0}}'),
    ),
    # The cart's place takes one number and the pole's angle two, and each has a velocity.
    train=("--standardise", "--position-size", "3", "--state-size", "5"),
    evaluations=(
        Evaluation("balance", "balance, 1000 steps", ("--env", "dm_control/cartpole-balance", *LENGTH), "return", 950),
        Evaluation("swingup", "swingup, 1000 steps", LENGTH, "return", 700),
    ),
    seeds=3,
    others="swingup: DreamerV3 598/845/862, DrQ-v2 626/846/865 (100k/500k/1M steps)",
)
