"""The reacher's geometry: where its finger is, and which poses put it somewhere. No MuJoCo."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

WRIST_LIMIT = np.deg2rad(160.0)
LINKS = (0.12, 0.12)
"""Metres from shoulder to wrist and from wrist to finger."""

Floats = NDArray[np.float64]


def finger_position(angles: ArrayLike) -> Floats:
    """Where the finger is, ``[..., 2]`` in metres from the shoulder, for joint ``angles [..., 2]`` in radians."""
    angles = np.asarray(angles, dtype=np.float64)
    shoulder, both = angles[..., 0], angles.sum(-1)
    first, second = LINKS
    return np.stack(
        (first * np.cos(shoulder) + second * np.cos(both), first * np.sin(shoulder) + second * np.sin(both)), -1
    )


def poses_at(finger: ArrayLike) -> Floats:
    """The two poses ``[2, ..., 2]`` rad with the finger at ``finger [..., 2]`` metres: elbow to one side and the other.

    Two-link inverse kinematics by the law of cosines. The shoulder lies in [-pi, pi).

    Raises:
        ValueError: a place out of reach.
    """
    finger = np.asarray(finger, dtype=np.float64)
    first, second = LINKS
    bend = ((finger**2).sum(-1) - first**2 - second**2) / (2 * first * second)
    if (np.abs(bend) > 1.0).any():
        raise ValueError(
            f"out of reach: the finger gets {abs(first - second):g} to {first + second:g} m from the shoulder"
        )
    wrist = np.stack((np.arccos(bend), -np.arccos(bend)))
    shoulder = np.arctan2(finger[..., 1], finger[..., 0]) - np.arctan2(
        second * np.sin(wrist), first + second * np.cos(wrist)
    )
    return np.stack((wrapped(shoulder), wrist), -1)


def wrapped(angle: ArrayLike) -> Floats:
    """``angle [...]`` in radians, mapped to [-pi, pi)."""
    return (np.asarray(angle, dtype=np.float64) + np.pi) % (2 * np.pi) - np.pi
