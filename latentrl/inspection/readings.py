"""What single readings are like: lost beside others in a larger unit, outlying now and then, or too far from zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from latentrl.numerics.pieces import evenly_spread
from latentrl.types import Sequences, is_image

SAMPLE = 8000
"""Frames that are looked at, evenly spread."""
RARE, MUCH = 0.01, 0.5
"""Shares: of the frames what is rare, of the variance what rare frames should not have (normally distributed, 0.08)."""
COARSE = 0.05
"""Of the deviation: steps in which a reading is kept, at most."""


@dataclass(frozen=True)
class Readings:
    """What readings are like; lists have one entry for each, and none of pictures.

    Attributes:
        deviations: over all frames, in the reading's unit.
        outlying: share of the variance around the median that the most distant hundredth of the frames has.
        steps: the least by which two values differ in single precision, where the reading is furthest from zero.
    """

    deviations: list[float]
    outlying: list[float]
    steps: list[float]


def measure_readings(data: Sequences) -> Readings:
    """What the readings of ``data`` are like, of about `SAMPLE` frames."""
    if is_image(data.observations):
        return Readings([], [], [])
    values = evenly_spread(data.observations.flatten(0, 1), SAMPLE).to("cpu", torch.float32).flatten(1)
    squares = (values - values.median(0).values).double().square().sort(0, descending=True).values
    rare = squares[: max(1, round(RARE * len(squares)))].sum(0) / squares.sum(0).clamp(min=1e-300)
    furthest = values.abs().amax(0)
    steps = torch.nextafter(furthest, torch.tensor(torch.inf)) - furthest
    return Readings(values.double().std(0, correction=0).tolist(), rare.tolist(), steps.tolist())


def lost_readings(deviations: Sequence[float], kappa: float) -> list[int]:
    """The numbers of readings that vary, but by less than the error that is allowed: a model may leave them out.

    Args:
        deviations: of every reading, in its unit.
        kappa: bound of the constraint, the root mean squared error of all readings.
    """
    return [number for number, deviation in enumerate(deviations) if 0 < deviation < kappa]


def advice_on_readings(readings: Readings, kappa: float | None) -> list[str]:
    """What to do about readings that a model would not learn, in words; nothing where there are none.

    Args:
        readings: what they are like.
        kappa: bound of the constraint, the root mean squared error of all readings; None where each counts by its own
            deviation.
    """
    return [*_on_outliers(readings), *_on_steps(readings), *([] if kappa is None else _on_units(readings, kappa))]


def _on_outliers(readings: Readings) -> list[str]:
    outlying = [number for number, share in enumerate(readings.outlying) if share > MUCH]
    if not outlying:
        return []
    least = min(readings.outlying[number] for number in outlying)
    return [
        f"{_named(outlying)}: {RARE:.0%} of the frames have {least:.0%} of the variance"
        f"{' at least' * (len(outlying) > 1)}; if these are outliers of the sensor, take them out, for they decide "
        "kappa and what is learned"
    ]


def _on_steps(readings: Readings) -> list[str]:
    each = zip(readings.deviations, readings.steps, strict=True)
    coarse = [number for number, (deviation, step) in enumerate(each) if 0 < COARSE * deviation < step]
    if not coarse:
        return []
    return [
        f"{_named(coarse)}: so far from zero that single precision tells only steps of "
        f"{max(readings.steps[number] / readings.deviations[number] for number in coarse):.0%} of what varies: take an "
        "offset off before it is recorded"
    ]


def _on_units(readings: Readings, kappa: float) -> list[str]:
    deviations = readings.deviations
    lost = lost_readings(deviations, kappa)
    if not lost:
        return []
    largest = max(range(len(deviations)), key=deviations.__getitem__)
    most = deviations[largest]
    return [
        f"{_named(lost)} var{'y' if len(lost) > 1 else 'ies'} by less than kappa, {kappa:.3g}, the error that is "
        f"allowed each: a model may leave that out, for all readings share one kappa and one sigma here; a model with "
        f"standardised readings counts each by its own deviation; or record what matters in units in which it deviates "
        f"by about 1, reading {largest} in one "
        f"{f'{most:,.0f}' if most >= 10 else f'{most:.2g}'} times as large"
    ]


def _named(numbers: Sequence[int]) -> str:
    return f"reading{'s' * (len(numbers) > 1)} {_listed(numbers)} (counted from 0)"


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
