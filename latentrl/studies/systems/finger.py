"""The control suite's finger: a spinner to be turned by touch until its tip lies in a target."""

from __future__ import annotations

from latentrl.studies.systems.base import ENOUGH, Evaluation, System

ANYWHERE = '"qpos": {"proximal": [-1.9, 1.9], "distal": [-1.9, 1.9], "hinge": [-3.1416, 3.1416]}'

FINGER = System(
    name="finger",
    title="dm_control finger turn_easy",
    needs=("dm_control", "mujoco"),
    install='pip install "latentrl[dm-control]"',
    record=(
        *("--env", "dm_control/finger-turn_easy", "--env-kwargs", '{"camera": 1, "task_seed": 0}'),
        *("--pixels", "48x64", "--grey", "--crop", "20,20,108,81", "--repeat", "4", *ENOUGH, "--hold", "0.8"),
        "--reset-options",
        f'{{{ANYWHERE}, "qvel": {{"hinge": [-8, 8]}}}}',
        # The hinge's angle with the tip in the target that this seed draws.
        "--goal-options",
        '{"qpos": {"proximal": -1, "distal": 1, "hinge": -0.307}, "qvel": [0, 0, 0]}',
    ),
    train=("--position-size", "4", "--state-size", "8"),
    evaluations=(
        Evaluation(
            "turn-easy",
            "the task's own, 1000 steps",
            ("--episodes", "20", "--steps", "250", "--reset-options", f"{{{ANYWHERE}}}"),
        ),
    ),
    note="The task draws where the spinner is to point anew for every episode, and marks it in the picture; here it is "
    "the same in every one, and in the goal's, where the finger is out of the way. Joints begin anywhere, also where "
    "finger and spinner touch.",
)
