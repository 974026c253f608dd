"""Gymnasium's ``InvertedPendulum-v5``: a pole on a cart that is to stay up; an episode ends where it does not."""

from __future__ import annotations

from latentrl.studies.systems.base import Evaluation, System

INVERTED_PENDULUM = System(
    name="inverted-pendulum",
    title="InvertedPendulum-v5",
    needs=("mujoco",),
    install='pip install "gymnasium[mujoco]"',
    record=(
        *("--env", "InvertedPendulum-v5", "--pixels", "32x48", "--grey"),
        *("--sequences", "4000", "--test-sequences", "500", "--length", "12", "--hold", "0.5"),
        *("--goal-options", "{}"),
    ),
    train=("--standardise", "--position-size", "2", "--state-size", "4"),
    declares="inverted_pendulum.toml",
    evaluations=(Evaluation("stay", "the environment's own, 1000 steps", ("--episodes", "20", "--steps", "1000")),),
    note="The return counts the steps until the pole has tilted by 0.2 rad. Only what ends later than the sequences are long is "
    "recorded.",
)
