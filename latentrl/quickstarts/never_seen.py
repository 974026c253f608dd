"""What a model never saw in its data, of what it went through since: counted in ground truth, for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ANGLE_CELL, VELOCITY_CELL = np.pi / 12, 1.0
"""Radians, radians per second: the cells that states are counted in."""
UPRIGHT = 0.2
"""Radians from upright, within which a pendulum stands."""
LEGEND = (
    "one look: how long a recorded sequence, or the episode, lasts",
    f"upright in one go: the longest time within {UPRIGHT} rad of upright, without a break",
    "angle and velocity together: states, as cells of the plane of both",
)
"""What the rows are that do not say it themselves, a line each."""
Floats = NDArray[np.floating]


@dataclass(frozen=True)
class NeverSeen:
    """One episode beside the data.

    Attributes:
        new: which of the episode's states lie in a cell that the data has never been in, ``[T]``.
        cells: of the plane of angle and velocity, as fast as the data goes, the share that the data has been in.
        data_speed, speed: the fastest, rad/s.
        data_torque, torque: the largest, N m.
        beyond: the share of the episode's torques that are larger than all of the data's.
        data_seconds, seconds: how long one look lasts.
        data_upright, upright: the longest time upright without a break, seconds.
    """

    new: NDArray[np.bool_]
    cells: float
    data_speed: float
    speed: float
    data_torque: float
    torque: float
    beyond: float
    data_seconds: float
    seconds: float
    data_upright: float
    upright: float

    def rows(self) -> list[tuple[str, str, str]]:
        """What is asked, of the data, and of the episode."""
        return [
            (
                "torque",
                f"at most {self.data_torque:.1f} N m",
                f"up to {self.torque:.1f}; more than the data has in {self.beyond:.0%} of the steps",
            ),
            ("speed", f"at most {self.data_speed:.1f} rad/s", f"{self.speed:.1f}"),
            ("one look", f"{self.data_seconds:.1f} s", f"{self.seconds:.1f} s"),
            ("upright in one go", f"{self.data_upright:.1f} s", f"{self.upright:.1f} s"),
            (
                "angle and velocity together",
                f"{self.cells:.0%} of the plane (cells of {np.degrees(ANGLE_CELL):.0f}° by {VELOCITY_CELL:.0f} rad/s)",
                f"{self.new.mean():.0%} of its states where the data has never been",
            ),
        ]


def never_seen(
    data: Mapping[str, Floats], torques: Floats, episode: Mapping[str, Floats], own_torques: Floats, control_step: float
) -> NeverSeen:
    """Compare an episode with the data.

    Args:
        data: ``angle`` (0 upright) and ``velocity``, each ``[N, T]``.
        torques: of the data, any shape.
        episode: the same two, each ``[T]``.
        own_torques: of the episode, ``[T]``.
        control_step: seconds.
    """
    fastest = float(np.abs(data["velocity"]).max())
    known = {tuple(cell) for cell in _cells(data["angle"].ravel(), data["velocity"].ravel())}
    visited = _cells(episode["angle"], episode["velocity"])
    rows = 2 * int(np.ceil(fastest / VELOCITY_CELL))
    largest = float(np.abs(torques).max())
    return NeverSeen(
        new=np.array([tuple(cell) not in known for cell in visited]),
        cells=len(known) / (round(2 * np.pi / ANGLE_CELL) * rows),
        data_speed=fastest,
        speed=float(np.abs(episode["velocity"]).max()),
        data_torque=largest,
        torque=float(np.abs(own_torques).max()),
        beyond=float((np.abs(own_torques) > largest).mean()),
        data_seconds=data["angle"].shape[1] * control_step,
        seconds=len(episode["angle"]) * control_step,
        data_upright=max(longest(row) for row in _upright(data["angle"])) * control_step,
        upright=longest(_upright(episode["angle"])) * control_step,
    )


def longest(flags: NDArray[np.bool_]) -> int:
    """The length of the longest stretch of True in ``flags [T]``."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(int)))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def _upright(angle: Floats) -> NDArray[np.bool_]:
    return np.abs((angle + np.pi) % (2 * np.pi) - np.pi) <= UPRIGHT


def _cells(angle: Floats, velocity: Floats) -> NDArray[np.int64]:
    """The cell ``[N, 2]`` of every state."""
    turned = np.minimum(np.floor((angle % (2 * np.pi)) / ANGLE_CELL), round(2 * np.pi / ANGLE_CELL) - 1)
    return np.stack((turned, np.floor(velocity / VELOCITY_CELL)), axis=-1).astype(np.int64)
