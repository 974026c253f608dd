"""A circle that the tool of the arm goes round: in a plane, of 0.4 m radius, the tool always held the same way.

Latent Matters, 5.1.4.3, names the radius and that the height is constant. Where the circle lies and how the tool is
held is ours: with all six numbers of a pose given there is one way to hold the arm along the whole circle, and after a
turn the joints are where they were.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from latentrl.envs.six_joint_arm.kinematics import ArmKinematics, Pose

RADIUS = 0.4
CENTRE = (0.6, 0.0, 0.2)
TILT = 0.5
"""Of the tool from straight down, rad: with none the wrist's first roll would stay at zero."""
ELBOW_UP = (0.0, 0.2, 1.5, 0.3, 1.2, 0.0)
"""Where the search for the first pose begins; it decides how the arm is held."""
KNOTS = 256
"""Phases whose poses are found one after the other; those between begin at the nearest."""

Floats = NDArray[np.float64]


def circle_position(phase: Floats) -> Floats:
    """Where the tip is at ``phase [...]``, rad: ``[..., 3]`` m."""
    flat = np.stack((np.cos(phase), np.sin(phase), np.zeros_like(phase)), -1)
    return np.asarray(CENTRE + RADIUS * flat)


def circle_pose(phase: float) -> Pose:
    """Position and rotation of the tool at a phase in rad."""
    cos, sin = math.cos(math.pi - TILT), math.sin(math.pi - TILT)
    return Pose(circle_position(np.asarray(phase)), np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]]))


class Circle:
    """Joint angles along the circle."""

    def __init__(self) -> None:
        self.arm = ArmKinematics()
        self._knots = knots()

    def angles(self, phase: float) -> Floats:
        """Joint angles ``[6]`` in rad at a phase in rad."""
        nearest = round(phase / (2 * math.pi) * KNOTS) % KNOTS
        return self.arm.inverse(circle_pose(phase), self._knots[nearest])


@cache
def knots() -> Floats:
    """Joint angles ``[KNOTS, 6]`` of even phases from 0 on, each found from the one before."""
    arm, found = ArmKinematics(), [np.array(ELBOW_UP)]
    for knot in range(KNOTS):
        found.append(arm.inverse(circle_pose(2 * math.pi * knot / KNOTS), found[-1]))
    knots = np.stack(found[1:])
    knots.setflags(write=False)
    return knots
