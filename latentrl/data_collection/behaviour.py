"""Random controls: what drives an environment while data is collected.

A behaviour is a pure function of a generator and the bounds of the action space; it never sees an observation.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Behaviour(Protocol):
    """Draws the controls of whole sequences before they begin."""

    def __call__(self, rng: np.random.Generator, low: Floats, high: Floats, sequences: int, steps: int) -> Floats:
        """Actions ``[sequences, steps, Du]`` within ``low [Du]`` and ``high [Du]``, in the environment's units."""
        ...


def uniform(rng: np.random.Generator, low: Floats, high: Floats, sequences: int, steps: int) -> Floats:
    """White controls ``[sequences, steps, Du]``: uniform in ``low [Du]`` to ``high [Du]``, drawn afresh every step."""
    drawn = low + (high - low) * rng.random((sequences, steps, len(low)), dtype=np.float32)
    return np.clip(drawn, low, high)


def held_uniform(
    rng: np.random.Generator,
    low: Floats,
    high: Floats,
    sequences: int,
    steps: int,
    hold: float,
    amplitude: float = 1.0,
) -> Floats:
    """Uniform controls ``[sequences, steps, Du]``, each step keeping the last one with probability ``hold``.

    They are drawn from the share ``amplitude`` of ``low [Du]`` to ``high [Du]``, around its middle. Held controls push
    a heavy system further than white ones, whose effect averages out.
    """
    margin = 0.5 * (1.0 - amplitude) * (high - low)
    drawn = uniform(rng, low + margin, high - margin, sequences, steps)
    fresh = rng.random((sequences, steps)) >= hold
    drawn_at = np.maximum.accumulate(np.where(fresh, np.arange(steps), 0), axis=1)
    return np.take_along_axis(drawn, drawn_at[:, :, None], axis=1)
