"""What is measured of an agent: pure functions from ground truth to figures, one per episode.

Ground truth is ``{name: [T, N]}``: entry ``t`` is the state after the action of step ``t``, of ``N`` episodes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Truth = Mapping[str, Floats]


class Outcome(NamedTuple):
    """What came of ``N`` episodes: which succeeded ``[N]``, and figures by name, each ``[N]``."""

    success: NDArray[np.bool_]
    figures: dict[str, Floats]


class Measure(Protocol):
    """Judges episodes by their ground truth."""

    def __call__(self, truth: Truth, control_step: float, target: float | None) -> Outcome:
        """The outcome.

        Args:
            truth: ground truth after every step, ``{name: [T, N]}``.
            control_step: seconds between two actions.
            target: what to reach in the truth's units, for measures that need it.
        """
        ...


@dataclass(frozen=True)
class Upright:
    """Bring an angle to 0 and hold it there; needs no target.

    Success: within ``tolerance`` (rad) of upright through the last ``hold`` steps. Figure ``seconds_to_upright``: the
    time after which the angle stays within the tolerance for good; infinite if it does not at the end.
    """

    tolerance: float = 0.2
    hold: int = 50

    def __call__(self, truth: Truth, control_step: float, target: float | None) -> Outcome:
        """The outcome of ``truth["angle"] [T, N]``, rad, 0 upright, any number of turns."""
        inside = np.abs((truth["angle"] + np.pi) % (2 * np.pi) - np.pi) <= self.tolerance
        return Outcome(
            np.asarray(inside[-self.hold :].all(axis=0)), {"seconds_to_upright": settling_time(inside, control_step)}
        )


@dataclass(frozen=True)
class SteadySpeed:
    """Turn at a speed, in a direction; the target is the speed in rad/s, counter-clockwise positive.

    Success: the mean speed over the second half of the episode is within ``tolerance`` of the target, as a fraction.
    Figures over that half: ``mean_speed``, ``speed_ratio`` to the target (negative in the wrong direction), ``ripple``
    (standard deviation over time) and ``ripple_peak_to_peak``, both rad/s.
    """

    tolerance: float = 0.05

    def __call__(self, truth: Truth, control_step: float, target: float | None) -> Outcome:
        """The outcome of ``truth["velocity"] [T, N]``, rad/s."""
        if not target:
            raise ValueError(f"a steady speed needs a target other than {target}")
        speed = truth["velocity"][len(truth["velocity"]) // 2 :]
        mean = speed.mean(axis=0)
        figures = {
            "mean_speed": mean,
            "speed_ratio": mean / target,
            "ripple": speed.std(axis=0),
            "ripple_peak_to_peak": np.ptp(speed, axis=0),
        }
        return Outcome(np.abs(mean / target - 1) <= self.tolerance, figures)


def settling_time(inside: NDArray[np.bool_], control_step: float) -> Floats:
    """Seconds until ``inside [T, N]`` holds for good, ``[N]``; infinite where it does not hold at the end."""
    outside_last = len(inside) - np.argmin(inside[::-1], axis=0)  # steps up to the last one outside
    settled = np.where(inside.all(axis=0), 0, outside_last)
    return np.where(inside[-1], (settled + 1) * control_step, np.inf)


def wilson_interval(successes: int, episodes: int) -> tuple[float, float]:
    """The 95% Wilson score interval of a success rate (Wilson, 1927); it stays sensible at 0 and at all successes."""
    if not 0 <= successes <= episodes or episodes < 1:
        raise ValueError(f"cannot have {successes} successes in {episodes} episodes")
    z = 1.959963984540054
    rate, shrink = successes / episodes, 1 + z**2 / episodes
    centre = (rate + z**2 / (2 * episodes)) / shrink
    half = z / shrink * math.sqrt(rate * (1 - rate) / episodes + z**2 / (4 * episodes**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def control_rate(seconds: Floats) -> dict[str, float]:
    """Actions per second that the agent could give: ``hz_median``, and ``hz_p99`` that 99% of its actions reach."""
    return {"hz_median": float(1 / np.median(seconds)), "hz_p99": float(1 / np.quantile(seconds, 0.99))}
