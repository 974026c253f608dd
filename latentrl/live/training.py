"""The live view of a training."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from rich.console import Console

from latentrl.live.pace import Pace
from latentrl.live.rows import Progress, Row
from latentrl.live.terminal import Display
from latentrl.live.training_panel import TrainingState, training_rows


class TrainingView:
    """A panel in the place of a training's bars: implements :class:`latentrl.live.bars.ShowsBars`.

    A step adds one to a number, nothing else: a thread draws, twice a second, from figures that the
    training has read off its device for ``history.csv`` anyhow.

    Args:
        title: of the panel.
        warnings: what is to be said from the beginning.
        console: where; standard error if None.
        seconds: the clock.
    """

    state: TrainingState

    def __init__(
        self,
        title: str,
        warnings: Sequence[str] = (),
        console: Console | None = None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self.state = TrainingState(warnings=list(warnings))
        self._seconds = seconds
        self._bar: ViewBar | None = None
        self._display = Display(title, self.rows, by_itself=True, console=console)

    def stage(self, name: str, number: int, count: int, why: str) -> None:
        """The stage ``name`` begins, the ``number``-th of ``count``."""
        self.state.stage, self.state.number, self.state.count, self.state.why = name, number, count, why
        self.state.part = self.state.said = ""
        self._bar = None

    def bar(self, total: int, initial: int, name: str) -> ViewBar:
        """What the stage at work tells its steps to."""
        self.state.part = name
        self._bar = ViewBar(self.state, total, initial, self._seconds())
        return self._bar

    def watch(self, history: Sequence[Mapping[str, float]]) -> None:
        """Draw curves of ``history``, which grows."""
        self.state.history = history

    def rows(self, width: int) -> list[Row]:
        """What is in the panel now, ``width`` columns wide."""
        return training_rows(self.state, None if self._bar is None else self._bar.progress(self._seconds()), width)

    def __enter__(self) -> TrainingView:
        self._display.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._display.__exit__()


class ViewBar:
    """A bar on the panel."""

    def __init__(self, state: TrainingState, total: int, initial: int, now: float) -> None:
        self._state, self._total, self._done, self._began = state, total, initial, now
        self._pace = Pace()
        self._pace.see(now, initial)

    def update(self, n: int = 1) -> None:
        self._done += n

    def set_description_str(self, desc: str) -> None:
        self._state.part = desc

    def set_postfix_str(self, s: str) -> None:
        self._state.said = s

    def close(self) -> None:
        """It stays to be seen until the next one."""

    def progress(self, now: float) -> Progress:
        """How far it is ``now``."""
        done = self._done
        self._pace.see(now, done)
        return Progress(done, self._total, now - self._began, self._pace.per_second)

    def __enter__(self) -> ViewBar:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
