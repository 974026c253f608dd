"""The control suite's ball in a cup: to swing the ball up on its string and to catch it."""

from __future__ import annotations

from latentrl.studies.systems.base import ENOUGH, Evaluation, System

BALL_IN_CUP = System(
    name="ball-in-cup",
    title="dm_control ball_in_cup catch",
    needs=("dm_control", "mujoco"),
    install='pip install "latentrl[dm-control]"',
    record=(
        *(
            "--env",
            "dm_control/ball_in_cup-catch",
            "--env-kwargs",
            '{"camera": 1}',
            "--pixels",
            "48",
            "--grey",
            "--repeat",
            "2",
            *ENOUGH,
            "--hold",
            "0.8",
        ),
        "--reset-options",
        '{"qpos": {"cup_x": [-0.15, 0.15], "cup_z": [-0.15, 0.15], "ball_x": [-0.25, 0.25], "ball_z": [0.05, 0.6]}, '
        '"qvel": {"ball_x": [-1.5, 1.5], "ball_z": [-1.5, 1.5]}}',
        "--goal-options",
        '{"qpos": {"cup_x": 0, "cup_z": 0, "ball_x": 0.005, "ball_z": 0.333}, "qvel": [0, 0, 0, 0]}',
    ),
    train=("--position-size", "4", "--state-size", "8"),
    evaluations=(
        Evaluation("catch", "the task's own, 1000 steps", ("--episodes", "20", "--steps", "500"), "return", 700),
    ),
    seeds=3,
    note="Camera 1 of the model, which sees the ball above the cup; in camera 0's pictures it is out of sight there.",
    others="DreamerV3 877/970/971, DrQ-v2 359/844/910 (100k/500k/1M steps)",
)
