"""The panel of a training, from figures to rows of text.

Four curves tell how a constrained training goes, and each fails in a way of its own (docs/tracking.md): the constraint
against its bound, beta, the rate, and sigma. The distortion follows from constraint and sigma, so that it is drawn only
where a model learns no sigma.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from latentrl.live.rows import Progress, Row, figure, progress_rows, wrapped
from latentrl.live.sparkline import sparkline

NAMED = 12
"""Columns of a curve's name."""
LONGEST = 60
"""Columns of a curve, at most."""
RAISED = 1 + 1e-9

History = Sequence[Mapping[str, float]]
"""Rows with ``constraint``, ``bound``, ``beta``, ``rate``, ``distortion`` and ``sigma``: see ``history.csv``."""


@dataclass
class TrainingState:
    """What a panel shows of a training.

    Attributes:
        stage: its name.
        number, count: the place of the stage among the recipe's, from 1; 0 before the first.
        why: what it does.
        part: what of the stage is done now, such as a start; may be empty.
        said: figures of that.
        history: of the gradient steps so far.
        warnings: what else is to be said.
    """

    stage: str = ""
    number: int = 0
    count: int = 0
    why: str = ""
    part: str = ""
    said: str = ""
    history: History = ()
    warnings: list[str] = field(default_factory=list)


class Curve(NamedTuple):
    """One of the four: its column, whether it is drawn in logarithms, and what is written beside it."""

    column: str
    log: bool
    beside: Callable[[Mapping[str, float]], str]


def _constraint(row: Mapping[str, float]) -> str:
    value, bound = row["constraint"], row["bound"]
    if not math.isfinite(bound):
        return figure(value)
    return f"{figure(value)}  {'within' if value <= bound else 'above'} the bound {figure(bound)}"


CURVES = (
    Curve("constraint", True, _constraint),
    Curve("beta", True, lambda row: figure(row["beta"])),
    Curve("rate", False, lambda row: f"{figure(row['rate'])} nats/step"),
    Curve("sigma", True, lambda row: figure(row["sigma"])),
)
"""What a researcher watches, from top to bottom."""
DISTORTION = Curve("distortion", False, lambda row: f"{figure(row['distortion'])} nats/step")
"""In the place of sigma, of a model that learns none."""


def training_rows(state: TrainingState, progress: Progress | None, width: int) -> list[Row]:
    """All rows of the panel, of at most ``width`` columns but where a figure needs more."""
    return [
        *_stage_rows(state, width),
        *([] if progress is None else progress_rows(progress, width)),
        Row(""),
        *curve_rows(state.history, width),
        Row(""),
        *_warning_rows(state, width),
    ]


def curve_rows(history: History, width: int) -> list[Row]:
    """The four curves, each with its last figure."""
    if not history:
        return [Row("no curves yet: a figure comes every few gradient steps", "dim")]
    last = history[-1]
    curves = [DISTORTION if one.column == "sigma" and not math.isfinite(last["sigma"]) else one for one in CURVES]
    beside = [one.beside(last) for one in curves]
    room = min(LONGEST, max(8, width - NAMED - 2 - max(map(len, beside))))
    return [
        Row(
            f"{one.column:<{NAMED}}{sparkline([row[one.column] for row in history], room, one.log):<{room}}  {said}",
            "cyan",
        )
        for one, said in zip(curves, beside, strict=True)
    ]


def warnings_of(history: History) -> list[str]:
    """What the figures so far give rise to, in sentences."""
    if not history:
        return []
    first, last = history[0], history[-1]
    found = []
    if last["bound"] > RAISED * first["bound"]:
        found.append(
            f"the bound was raised from {figure(first['bound'])} to {figure(last['bound'])}: the networks met no lower "
            "one in time"
        )
    lost = [row for row in history if not all(math.isfinite(row[name]) for name in ("constraint", "rate"))]
    if lost:
        found.append(f"{len(lost)} of {len(history)} figures are not finite")
    return found


def _stage_rows(state: TrainingState, width: int) -> list[Row]:
    if not state.number:
        return [Row("getting ready", "bold")]
    rows = wrapped(f"stage {state.number} of {state.count}: ", f"{state.stage} – {state.why}", width, "bold")
    inside = ", ".join(part for part in (state.part, state.said) if part)
    return [*rows, *(wrapped("", inside, width) if inside else ())]


def _warning_rows(state: TrainingState, width: int) -> list[Row]:
    warnings = [*state.warnings, *warnings_of(state.history)]
    if not warnings:
        return [Row("no warnings so far", "dim")]
    return [row for warning in warnings for row in wrapped("! ", warning, width, "yellow")]
