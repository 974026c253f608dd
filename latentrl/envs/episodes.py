"""How parallel episodes begin, and what each is to reach: drawn from a seed, the same for every agent.

True poses serve to set the environment, to photograph goals and to judge. An agent gets a goal's observation alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentrl.envs.measures.base import Floats


class Recorded(NamedTuple):
    """Held-out sequences: ``observations [B, T, ...]`` and their ground ``truth``, each entry ``[B, T, ...]``."""

    observations: NDArray[Any]
    truth: Mapping[str, Floats]


@dataclass(frozen=True)
class Episodes:
    """``N`` episodes.

    Attributes:
        starts: reset options of the vector environment, each ``[N, ...]``.
        goals: the true poses to reach ``[N, D]``.
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


def nothing_else(goals: Floats) -> dict[str, Floats]:
    """No further reset options for ``goals [N, D]``: an empty dictionary."""
    return {}


@dataclass(frozen=True)
class Ahead:
    """From a state within a held-out sequence to what was observed ``steps`` later in the same one.

    Sequences are drawn without replacement while there are enough; the observation is the recorded one.

    Attributes:
        steps: from the start to the goal.
        state: the entries of the truth that an episode is started by.
        pose: the entry that is the goal, ``[B, T]`` or ``[B, T, D]``.
        also: further reset options that follow from the goals ``[N, D]``.
    """

    steps: int
    state: tuple[str, ...]
    pose: str
    also: Callable[[Floats], dict[str, Floats]] = nothing_else

    def __call__(self, rng: np.random.Generator, count: int, recorded: Recorded | None = None) -> Episodes:
        """Draw the episodes.

        Raises:
            ValueError: no sequences, or none that is long enough.
        """
        length = 0 if recorded is None else recorded.observations.shape[1]
        if recorded is None or length <= self.steps:
            raise ValueError(f"goals {self.steps} steps ahead take sequences longer than {length} steps")
        available = len(recorded.observations)
        row = rng.choice(available, count, replace=count > available)
        first = rng.integers(length - self.steps, size=count)
        goals = recorded.truth[self.pose][row, first + self.steps].reshape(count, -1)
        starts = {name: recorded.truth[name][row, first] for name in self.state}
        return Episodes({**starts, **self.also(goals)}, goals, recorded.observations[row, first + self.steps])
