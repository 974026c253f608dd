"""How parallel episodes of the reacher begin, and what each is to reach: drawn from a seed, the same for every agent.

True poses serve to set the environment, to photograph goals and to judge. An agent gets a goal's observation alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentrl.envs.reacher.geometry import finger_position

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
