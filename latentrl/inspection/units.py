"""Readings in units of very different sizes: all share one error, beside which the small ones are lost."""

from __future__ import annotations

from collections.abc import Sequence


def lost_readings(deviations: Sequence[float], kappa: float) -> list[int]:
    """The numbers of readings that vary, but by less than the error that is allowed: a model may leave them out.

    Args:
        deviations: of every reading, in its unit.
        kappa: bound of the constraint, the root mean squared error of all readings.
    """
    return [number for number, deviation in enumerate(deviations) if 0 < deviation < kappa]


def advice_on_units(deviations: Sequence[float], kappa: float) -> list[str]:
    """What to do about :func:`lost_readings`, in words; nothing where there are none."""
    lost = lost_readings(deviations, kappa)
    if not lost:
        return []
    largest = max(range(len(deviations)), key=deviations.__getitem__)
    most = deviations[largest]
    return [
        f"reading{'s' * (len(lost) > 1)} {_listed(lost)} (counted from 0) var{'y' if len(lost) > 1 else 'ies'} by less "
        f"than kappa, {kappa:.3g}, the error that is allowed each: a model may leave that out and no warning would say "
        f"so, for all readings share one kappa and one sigma; record what matters in units in which it deviates by "
        f"about 1, reading {largest} in one {f'{most:,.0f}' if most >= 10 else f'{most:.2g}'} times as large"
    ]


def _listed(numbers: Sequence[int]) -> str:
    """``0 to 5, 7 and 9``"""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    said = [part for run in runs for part in ([f"{run[0]} to {run[-1]}"] if len(run) > 2 else map(str, run))]
    return " and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said)
