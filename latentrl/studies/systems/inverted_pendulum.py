"""Gymnasium's ``InvertedPendulum-v5``: a pole on a cart that is to stay up; an episode ends where it does not."""

from __future__ import annotations

from latentrl.studies.systems.base import GOAL, Evaluation, System

CAMERA = '{"width": 96, "height": 64}'
"""Large pictures take thirty times as long to render."""
LENGTH = ("--episodes", "20", "--steps", "1000")

INVERTED_PENDULUM = System(
    name="inverted-pendulum",
    title="InvertedPendulum-v5",
    needs=("mujoco",),
    install='pip install "gymnasium[mujoco]"',
    record=(
        *("--env", "InvertedPendulum-v5", "--env-kwargs", CAMERA, "--pixels", "32x48", "--grey"),
        *("--sequences", "4000", "--test-sequences", "500", "--length", "10", "--hold", "0", "--amplitude", "0.3"),
        *("--goal-options", "{}"),
    ),
    train=("--position-size", "2", "--state-size", "4"),
    learn=("--goal", GOAL, "--action-limit", "0.9"),
    declares="inverted_pendulum.toml",
    evaluations=(Evaluation("stay", "the environment's own, 1000 steps", ("--action-limit", "0.9", *LENGTH)),),
    note="The return counts the steps until the pole has tilted by 0.2 rad. Of episodes with random actions of "
    "up to 3 one in ten lasts 10 steps, so that they are at most 0.9, the agents' too; half of the "
    "episodes last then, and the others are not recorded.",
)
