"""What every measure is: a pure function from ground truth to figures, one per episode.

Ground truth is ``{key: [T, N]}``, or ``[T, N, D]`` where an entry holds several numbers: entry ``t`` is the state after
the action of step ``t``, of ``N`` episodes. Where each of them has a goal of its own, ``"goal"`` is the true pose of
each, ``[N, D]``, a column for each coordinate.

An episode may end before step ``T``: its entries then stay what they were at its end, its reward is zero, and
``"length"`` is how many steps each lasted, ``[N]``. Where all last to the end there need not be such an entry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from latentrl.envs.coordinates import Coordinate

Floats = NDArray[np.float64]
Truth = Mapping[str, Floats]
GOAL = "goal"
"""The entry of the truth that holds the goals of the episodes."""
LENGTH = "length"
"""The entry of the truth that says how many steps each episode lasted, where one ended early."""


class Outcome(NamedTuple):
    """What came of ``N`` episodes.

    ``success [N]``, None where nothing tells; ``figures`` by name, each ``[N]``; ``overall``, figures of all of them;
    ``averaged``, the figures whose mean over the episodes counts, with its interval: ``<name>_mean``, ``<name>_low``
    and ``<name>_high`` of the summary.
    """

    success: NDArray[np.bool_] | None
    figures: dict[str, Floats]
    overall: Mapping[str, float] = MappingProxyType({})
    averaged: tuple[str, ...] = ()


class Measure(Protocol):
    """Judges episodes by their ground truth."""

    @property
    def headings(self) -> Mapping[str, str]:
        """How figures are called in a table for people, in its order; those without a heading are left out of it."""
        ...

    def __call__(self, truth: Truth, control_step: float, target: float | None) -> Outcome:
        """The outcome.

        Args:
            truth: ground truth after every step, ``{key: [T, N]}`` or ``[T, N, D]``.
            control_step: seconds between two actions.
            target: what to reach in the truth's units, for measures that need it.
        """
        ...


def distances(coordinates: Sequence[Coordinate], truth: Truth, goal: Floats) -> Floats:
    """How far each of ``D`` coordinates is from ``goal [D]`` or ``[N, D]``, ``[T, N, D]`` in the coordinates' units."""
    return np.stack([one.distance(one.values(truth), goal[..., at]) for at, one in enumerate(coordinates)], -1)


def headings_at_end(name: str, unit: str) -> dict[str, str]:
    """Column headings of the mean of ``<name>_at_end`` over the episodes, and of its interval."""
    return {
        f"{name}_at_end_mean": f"{name}: at the end, {unit}",
        f"{name}_at_end_low": f"95% from, {name} end",
        f"{name}_at_end_high": f"to, {name} end",
    }


def settling_time(inside: NDArray[np.bool_], control_step: float) -> Floats:
    """Seconds until ``inside [T, N]`` holds for good, ``[N]``; infinite where it does not hold at the end."""
    outside_last = len(inside) - np.argmin(inside[::-1], axis=0)  # steps up to the last one outside
    settled = np.where(inside.all(axis=0), 0, outside_last)
    return np.where(inside[-1], (settled + 1) * control_step, np.inf)


@dataclass(frozen=True)
class Together:
    """Several measures of the same episodes: success is what the first that tells it says.

    Attributes:
        measures: no two of them have a figure of one name.
    """

    measures: tuple[Measure, ...]

    @property
    def headings(self) -> Mapping[str, str]:
        """The headings of all, in their order."""
        return {name: heading for one in self.measures for name, heading in one.headings.items()}

    def __call__(self, truth: Truth, control_step: float, target: float | None) -> Outcome:
        """The outcome of all of them."""
        outcomes = [one(truth, control_step, target) for one in self.measures]
        return Outcome(
            next((one.success for one in outcomes if one.success is not None), None),
            {name: values for one in outcomes for name, values in one.figures.items()},
            {name: value for one in outcomes for name, value in one.overall.items()},
            tuple(name for one in outcomes for name in one.averaged),
        )


def last_steps(truth: Truth, steps: int, count: Floats | int) -> NDArray[np.bool_]:
    """Which of ``steps`` T are among the last ``count`` (``[N]`` or a number) before each episode's end, ``[T, N]``.

    ``[T, 1]`` where no episode ended early and the count is one number.
    """
    length = np.asarray(truth.get(LENGTH, [steps]))
    step = np.arange(steps)[:, None]
    return np.asarray((step < length) & (step >= length - count))
