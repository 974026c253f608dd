"""A tracker in a thread of its own: neither a slow network nor a failure holds up what is tracked, or ends it."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from latentrl.support.errors import one_line
from latentrl.tracking.base import Ending, Tracker
from latentrl.tracking.kept import Kept

PATIENCE: Mapping[Ending, float] = MappingProxyType({"finished": 120.0, "interrupted": 10.0, "failed": 10.0})
"""Seconds that the end waits for what was not sent yet."""
WRITTEN_EVERY = 1.0
"""Seconds between two notes of how far the log is."""


class Guarded:
    """Implements :class:`latentrl.tracking.base.Scalars` and never raises.

    After its first failure the tracker is asked for nothing more.

    Args:
        begin: begins the tracked run; called in the thread, as everything else is.
        kept: what is known of it; steps up to its ``step`` are logged already.
        path: where that is kept.
        on_failure: told of the failure when it happens, in the thread.
        patience: see ``PATIENCE``.
    """

    def __init__(
        self,
        begin: Callable[[], Tracker],
        kept: Kept,
        path: Path,
        on_failure: Callable[[str], object] = lambda failure: None,
        patience: Mapping[Ending, float] = PATIENCE,
    ) -> None:
        self._begin, self._path, self._on_failure, self._patience = begin, path, on_failure, patience
        self._kept, self._logged = replace(kept, failure=None), kept.step
        self._written, self._lock = -math.inf, threading.Lock()
        self._jobs: queue.SimpleQueue[Callable[[Tracker], object] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="tracker", daemon=True)
        self._thread.start()

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """Figures at ``step``, those that are finite; none of a step that is logged already."""
        if step <= self._logged:
            return
        finite = {name: float(value) for name, value in figures.items() if math.isfinite(value)}

        def job(tracker: Tracker) -> None:
            tracker.log(finite, step)
            self._note(replace(self._kept, step=step), at_once=False)

        self._jobs.put(job)

    def log_file(self, path: Path) -> None:
        """A file, which stays where it is until :meth:`finish`."""
        self._jobs.put(lambda tracker: tracker.log_file(path))

    @property
    def where(self) -> str | None:
        """How people find it; None before it has begun."""
        return self._kept.where

    def finish(self, ending: Ending) -> str | None:
        """Wait for what is on its way, but not for ever; returns what failed, in a sentence, or None."""
        self._jobs.put(lambda tracker: tracker.finish(ending))
        self._jobs.put(None)
        patience = self._patience[ending]
        self._thread.join(patience)
        if self._thread.is_alive():
            self._fail(f"not all was sent within {patience:g} s")
        return self._kept.failure

    def _work(self) -> None:
        tracker: Tracker | None = None
        try:
            tracker = self._begin()
            self._note(replace(self._kept, run=tracker.run, where=tracker.where), at_once=True)
            while (job := self._jobs.get()) is not None:
                job(tracker)
            self._note(self._kept, at_once=True)
        # Whatever it is, and libraries leave by SystemExit too: what is tracked goes on.
        except BaseException as error:
            self._fail(one_line(error))
            if tracker is not None:
                # What it has is worth keeping, and others see that no more will come.
                with suppress(BaseException):
                    tracker.finish("failed")

    def _note(self, kept: Kept, at_once: bool) -> None:
        with self._lock:
            self._kept = replace(kept, failure=self._kept.failure)
            now = time.monotonic()
            if at_once or now - self._written >= WRITTEN_EVERY:
                self._kept.write(self._path)
                self._written = now

    def _fail(self, why: str) -> None:
        with self._lock:
            if self._kept.failure is not None:
                return
            self._kept = replace(self._kept, failure=why)
            try:
                self._kept.write(self._path)
            except OSError as error:
                self._kept = replace(self._kept, failure=f"{why}; nor could that be written down: {one_line(error)}")
        self._on_failure(why)
