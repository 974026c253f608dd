"""What an arm is to do."""

from __future__ import annotations

import numpy as np

from latentrl.envs.episodes import Episodes, Floats, Recorded
from latentrl.envs.reacher.geometry import WRIST_LIMIT, finger_position, poses_at

MARGIN = 0.1
"""Radians that starts and goals keep from the wrist's limit, where an arm leans on its stop."""


NEAREST, FARTHEST = 0.05, 0.20
"""Metres from the shoulder between which the suite puts targets."""


def anywhere(rng: np.random.Generator, count: int, recorded: Recorded | None = None) -> Episodes:
    """From any pose at rest to any other: the shoulder uniform on the circle, the wrist within its limits."""
    start, goal = _poses(rng, count), _poses(rng, count)
    return Episodes({"angles": start, "target": finger_position(goal)}, goal)


def on_target(rng: np.random.Generator, count: int, recorded: Recorded | None = None) -> Episodes:
    """From any pose at rest to one with the finger on a target, which is drawn as the control suite does.

    Of the two arm poses the one that is nearer to the start, joint angle by joint angle.
    """
    start = _poses(rng, count)
    direction, distance = rng.uniform(0.0, 2 * np.pi, count), rng.uniform(NEAREST, FARTHEST, count)
    target = distance[:, None] * np.stack((np.sin(direction), np.cos(direction)), -1)
    poses = poses_at(target)
    nearer = np.square(poses - start).sum(-1).argmin(0)
    return Episodes({"angles": start, "target": target}, poses[nearer, np.arange(count)])


def _poses(rng: np.random.Generator, count: int) -> Floats:
    wrist = WRIST_LIMIT - MARGIN
    return rng.uniform((-np.pi, -wrist), (np.pi, wrist), (count, 2))
