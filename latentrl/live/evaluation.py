"""The live view of an evaluation."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from rich.console import Console

from latentrl.live.evaluation_panel import EvaluationState, evaluation_rows
from latentrl.live.pace import Pace
from latentrl.live.rows import Progress, Row
from latentrl.live.terminal import RENDERS, Display

Successes: TypeAlias = Sequence[bool] | None
Medians: TypeAlias = Mapping[str, float]


class EvaluationView:
    """A panel in the place of an evaluation's bar, drawn between two steps alone: actions are timed.

    Args:
        title: of the panel.
        episodes: N, that run at the same time.
        steps: of an episode.
        console: where; standard error if None.
        seconds: the clock.
    """

    state: EvaluationState

    def __init__(
        self,
        title: str,
        episodes: int,
        steps: int,
        console: Console | None = None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self.state = EvaluationState([False] * episodes)
        self._steps, self._done, self._clock = steps, 0, seconds
        self._began = self._drawn = seconds()
        self._pace = Pace()
        self._pace.see(self._began, 0)
        self._display = Display(title, self.rows, by_itself=False, console=console)

    def step(
        self, ended: Sequence[bool], outcome: Callable[[], tuple[Successes, Medians]], seconds: Sequence[float]
    ) -> None:
        """One more step of all episodes is done.

        Args:
            ended: which of them are over, ``[N]``.
            outcome: if all ended now, which would count ``[N]`` and what is measured; asked where the panel is drawn.
            seconds: that the agent took for each action so far.
        """
        self._done += 1
        now = self._clock()
        if now - self._drawn >= 1 / RENDERS:
            self._draw(EvaluationState(ended, *outcome(), seconds))

    def finish(self, success: Successes, medians: Medians, seconds: Sequence[float]) -> None:
        """All episodes are over, with this outcome."""
        self._done = self._steps
        said = "one more episode, alone, for the control rate"
        self._draw(EvaluationState([True] * len(self.state.ended), success, medians, seconds, said))

    def _draw(self, state: EvaluationState) -> None:
        self.state, self._drawn = state, self._clock()
        self._pace.see(self._drawn, self._done)
        self._display.draw()

    def rows(self, width: int) -> list[Row]:
        """What is in the panel now, ``width`` columns wide."""
        progress = Progress(self._done, self._steps, self._clock() - self._began, self._pace.per_second)
        return evaluation_rows(self.state, progress, width)

    def __enter__(self) -> EvaluationView:
        self._display.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._display.__exit__()
