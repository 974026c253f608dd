"""What is collected from an environment of this package when nothing else is said."""

from __future__ import annotations

from dataclasses import dataclass

from latentrl.envs import PENDULUM, REACHER


@dataclass(frozen=True)
class Defaults:
    """Defaults of ``latentrl collect`` for one environment.

    Attributes:
        sequences: to train on.
        test_sequences: held out.
        length: observations in each.
        hold: probability that a control is held for another step.
        amplitude: share of the action space that controls are drawn from, around its middle.
        num_envs: environments in a round; None leaves it to :func:`~latentrl.data_collection.making.make`.
        goal: the pose that is photographed as a goal; None: none is.
    """

    sequences: int = 500
    test_sequences: int = 500
    length: int = 15
    hold: float = 0.0
    amplitude: float = 1.0
    num_envs: int | None = None
    goal: tuple[float, ...] | None = None


ANY = Defaults()
DEFAULTS: dict[str, Defaults] = {
    PENDULUM: Defaults(goal=(0.0,)),
    # Why these controls: docs/environments.md. One arm in a round, because every change of OpenGL context costs time.
    REACHER: Defaults(sequences=2000, length=30, hold=0.8, amplitude=0.5, num_envs=1, goal=(1.0, 1.2)),
}
SETTINGS: dict[str, dict[str, str]] = {
    PENDULUM: {"torque": "torque_limit", "picture": "picture", "noise": "noise"},
    REACHER: {"observation": "observation", "control_step": "control_step", "noise": "noise"},
}
"""The flags of ``latentrl collect`` that are arguments of an environment, by environment and flag."""
