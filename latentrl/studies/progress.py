"""How far a study is, and how long it still takes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NoReturn

from tqdm import tqdm

from latentrl.studies.cells import Cell

TICK_SECONDS = 1.0


def expected_seconds(cell: Cell, measured: Mapping[Cell, float], assumed: float) -> float:
    """How long a run takes: the mean of this row's finished ones, else of its model's, else ``assumed``."""
    for alike in (
        [seconds for other, seconds in measured.items() if other.row == cell.row],
        [seconds for other, seconds in measured.items() if other.row.model == cell.row.model],
    ):
        if alike:
            return sum(alike) / len(alike)
    return assumed


def seconds_left(remaining: Sequence[float], workers: int) -> float:
    """Time until all is done: the work shared equally, but never less than the longest piece of it."""
    return max(sum(remaining) / workers, max(remaining, default=0.0))


def remaining_seconds(whole: float, spent: float) -> float:
    """What is left of ``whole`` expected seconds: what takes longer is near its end, not beyond it."""
    return max(whole - spent, 0.02 * whole)


def left_of(
    todo: Iterable[Cell],
    cells: Iterable[Cell],
    minutes: Mapping[str, float],
    workers: int,
    running: Mapping[str, float] = MappingProxyType({}),
) -> float:
    """Seconds until ``todo`` is done.

    Args:
        todo: runs that are not at their end.
        cells: all runs; the finished ones tell how long a run takes.
        minutes: of a run of effort 1, by model, until one is measured.
        workers: processes at a time.
        running: seconds that a run has taken in its present try, by name.
    """
    measured = {cell: cell.spent for cell in cells if cell.finished}
    remaining = []
    for cell in todo:
        whole = expected_seconds(cell, measured, 60 * cell.row.effort * minutes.get(cell.row.model, 5.0))
        remaining.append(remaining_seconds(whole, cell.spent + running.get(cell.name, 0.0)))
    return seconds_left(remaining, workers)


def in_words(seconds: float) -> str:
    """``50 s``, ``12 min`` or ``3 h 05 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


class Progress:
    """One bar for the whole study, and a line for every run that ends.

    Args:
        cells: the runs that are asked for.
        minutes: of a run, by model, until one is measured.
        workers: processes at a time.
    """

    cells: Sequence[Cell]
    minutes: Mapping[str, float]
    workers: int
    ticked: float
    done: int
    bar: tqdm[NoReturn]

    def __init__(self, cells: Sequence[Cell], minutes: Mapping[str, float], workers: int) -> None:
        self.cells, self.minutes, self.workers = cells, minutes, workers
        self.ticked = 0.0
        self.done = sum(not cell.open for cell in cells)
        self.bar = tqdm(
            total=len(cells),
            initial=self.done,
            bar_format="{n_fmt}/{total_fmt} runs |{bar}| {elapsed}{postfix}",
            dynamic_ncols=True,
            disable=None,
        )

    def _left(self, running: Mapping[str, float]) -> str:
        todo = [cell for cell in self.cells if cell.open]
        return in_words(left_of(todo, self.cells, self.minutes, self.workers, running))

    def tick(self, running: Mapping[str, float]) -> None:
        """Renew the display; ``running`` has the seconds of each present try, by name."""
        if not self.bar.disable and time.monotonic() - self.ticked > TICK_SECONDS:
            self.ticked = time.monotonic()
            self.bar.set_postfix_str(f"{', '.join(running)}: about {self._left(running)} left")

    def ended(self, cell: Cell, said: str) -> None:
        """Count a run that ended, and say so."""
        self.done += not cell.open
        self.bar.update(not cell.open)
        left = f"; about {self._left({})} left" if self.done < len(self.cells) else ""
        tqdm.write(f"[{self.done}/{len(self.cells)}] {cell.name} {said}{left}")

    def close(self) -> None:
        """Leave the display as it is."""
        self.bar.close()
