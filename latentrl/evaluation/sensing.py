"""Which frames reach the agent: a camera that loses frames, at random or for some time at a stretch.

A camera of irregular times is one that loses frames on a finer grid: take the grid as the control step, and every step
without a picture is a lost frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentrl.support.errors import UserError

STREAM = 1
"""Sets the generator of lost frames apart from others that are seeded with the same number."""


@dataclass(frozen=True)
class Losses:
    """How frames get lost.

    Attributes:
        drop: the probability that a frame is lost, each independently of the others.
        dark: steps at a stretch that no frame arrives.
        period: one such blackout comes in every ``period`` steps; its phase is random in every episode.

    Raises:
        ValueError: a value out of its range.
    """

    drop: float = 0.0
    dark: int = 0
    period: int = 1

    def __post_init__(self) -> None:
        if not 0.0 <= self.drop < 1.0:
            raise ValueError(f"drop={self.drop!r}: give a probability of at least 0 and below 1")
        if not 0 <= self.dark < self.period:
            raise ValueError(
                f"a blackout of {self.dark} in every {self.period} steps: give fewer steps than the period"
            )

    @property
    def any(self) -> bool:
        """Whether frames can be lost at all."""
        return self.drop > 0.0 or self.dark > 0

    def arrivals(self, steps: int, episodes: int, seed: int = 0) -> NDArray[np.bool_]:
        """Which frames arrive, ``[T, N]``; the first of every episode does. A seed of its own: the noise stays."""
        rng = np.random.default_rng((seed, STREAM))
        kept = rng.random((steps, episodes)) >= self.drop
        phase = rng.integers(self.period, size=episodes)
        kept &= (np.arange(steps)[:, None] + phase) % self.period >= self.dark
        kept[0] = True
        return kept


def parse_blackout(text: str) -> tuple[int, int]:
    """``"5/20"`` as ``(5, 20)``: five steps without a frame in every twenty.

    Raises:
        UserError: anything else.
    """
    first, slash, second = text.partition("/")
    if not (slash and first.isdecimal() and second.isdecimal() and 0 < int(first) < int(second)):
        raise UserError(f"--blackout {text}: give steps/period, such as 5/20 for 5 steps without a frame in every 20")
    return int(first), int(second)
