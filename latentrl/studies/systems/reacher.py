"""The reacher of this package, from pictures, with a goal for every episode."""

from __future__ import annotations

from latentrl.studies.systems.base import Evaluation, System

REACHER = System(
    name="reacher",
    title="reacher, a goal of its own in every episode",
    needs=("dm_control", "mujoco"),
    install='pip install "latentrl[reacher]"',
    record=(
        *("--env", "reacher", "--observation", "pixels"),
        *("--sequences", "1600", "--test-sequences", "400", "--length", "30"),
    ),
    train=("--position-size", "3", "--state-size", "5"),
    learn=("--goal", "any", "--action-limit", "0.5"),
    evaluations=(
        Evaluation("reach", "100 poses: within 0.05 rad for the last 1 of 6 s", ("--task", "reach"), "successes"),
        Evaluation("easy", "dm_control's reacher easy, 1000 steps", ("--task", "reacher-easy", "--episodes", "20")),
        Evaluation("hard", "dm_control's reacher hard, 1000 steps", ("--task", "reacher-hard", "--episodes", "20")),
    ),
    others="easy: DreamerV3 409/849/930, DrQ-v2 250/751/939; hard: 41/317/847, 86/324/706 (100k/500k/1M steps)",
    note="The environment of [the reacher's page](../reacher.md), with half the training and fewer frames than there.",
)
