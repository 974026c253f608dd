"""How parallel episodes of the reacher begin, and what each is to reach: drawn from a seed, the same for every agent.

True poses serve to set the environment, to photograph goals and to judge. An agent gets a goal's observation alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentrl.envs.reacher.geometry import WRIST_LIMIT, finger_position, poses_at

MARGIN = 0.1
"""Radians that starts and goals keep from the wrist's limit, where an arm leans on its stop."""
NEAREST, FARTHEST = 0.05, 0.20
"""Metres from the shoulder between which the suite puts targets."""

Floats = NDArray[np.float64]


class Recorded(NamedTuple):
    """Held-out sequences: ``observations [B, T, ...]``, the true ``angles`` and ``velocities``, each ``[B, T, 2]``."""

    observations: NDArray[Any]
    angles: Floats
    velocities: Floats


@dataclass(frozen=True)
class Episodes:
    """``N`` episodes.

    Attributes:
        starts: reset options of the vector environment, each ``[N, 2]``.
        goals: the true poses to reach ``[N, 2]``, rad.
        observations: of the goals ``[N, ...]``, where they were recorded; None: they are to be photographed.
    """

    starts: dict[str, Floats]
    goals: Floats
    observations: NDArray[Any] | None = None

    def only(self, index: int) -> Episodes:
        """One of them alone."""
        one = slice(index, index + 1)
        seen = None if self.observations is None else self.observations[one]
        return Episodes({name: start[one] for name, start in self.starts.items()}, self.goals[one], seen)


Draw = Callable[[np.random.Generator, int, Recorded | None], Episodes]
"""``(rng, N, held-out sequences)`` -> the episodes; the sequences are None where the task needs none."""


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


@dataclass(frozen=True)
class Ahead:
    """From a state within a held-out sequence to what was observed ``steps`` later in the same one.

    Sequences are drawn without replacement while there are enough; the observation is the recorded one.
    """

    steps: int = 25

    def __call__(self, rng: np.random.Generator, count: int, recorded: Recorded | None = None) -> Episodes:
        """Draw the episodes.

        Raises:
            ValueError: no sequences, or none that is long enough.
        """
        if recorded is None or recorded.angles.shape[1] <= self.steps:
            length = 0 if recorded is None else recorded.angles.shape[1]
            raise ValueError(f"goals {self.steps} steps ahead take sequences longer than {length} steps")
        available, length = recorded.angles.shape[:2]
        row = rng.choice(available, count, replace=count > available)
        first = rng.integers(length - self.steps, size=count)
        goal = recorded.angles[row, first + self.steps]
        starts = {"angles": recorded.angles[row, first], "velocities": recorded.velocities[row, first]}
        return Episodes(
            {**starts, "target": finger_position(goal)}, goal, recorded.observations[row, first + self.steps]
        )


def _poses(rng: np.random.Generator, count: int) -> Floats:
    wrist = WRIST_LIMIT - MARGIN
    return rng.uniform((-np.pi, -wrist), (np.pi, wrist), (count, 2))
