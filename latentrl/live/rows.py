"""Rows of a panel: what all of them are made of. Pure functions from figures to text."""

from __future__ import annotations

import math
from typing import NamedTuple

from latentrl.live.pace import clock, speed

FULL, EMPTY = "█", "░"
NARROWEST = 24
"""Columns of a panel's inside, at least; a terminal that has fewer cuts them off."""


class Row(NamedTuple):
    """A line of text, and the style that it is drawn in; see ``rich``."""

    text: str
    style: str = ""


class Progress(NamedTuple):
    """How far work has come.

    Attributes:
        done, total: in steps.
        elapsed: seconds.
        per_second: steps; NaN where nobody knows yet.
    """

    done: int
    total: int
    elapsed: float
    per_second: float = math.nan


def progress_rows(progress: Progress, width: int) -> list[Row]:
    """A bar, then speed, time gone and time left."""
    said = f"{progress.done} of {progress.total} steps  {_percent(progress)}"
    room = max(4, width - len(said) - 2)
    filled = room * min(progress.done, progress.total) // max(1, progress.total)
    remaining = max(0, progress.total - progress.done)
    left = remaining / progress.per_second if remaining else 0.0
    times = f"{clock(progress.elapsed)} gone, {clock(left)} left"
    return [
        Row(f"{FULL * filled}{EMPTY * (room - filled)}  {said}", "green"),
        Row(f"{speed(progress.per_second, 'step')}, {times}"),
    ]


def _percent(progress: Progress) -> str:
    return f"{100 * progress.done // max(1, progress.total)}%"


def wrapped(label: str, text: str, width: int, style: str = "") -> list[Row]:
    """``text`` behind ``label`` on its first line and below it on the others, cut at words."""
    room, lines, line = max(8, width - len(label)), list[str](), ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > room:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [Row(f"{label if not at else ' ' * len(label)}{one}", style) for at, one in enumerate([*lines, line])]


def figure(value: float) -> str:
    """A number in three digits; a dash for what is none."""
    return f"{value:.3g}" if math.isfinite(value) else "–"
