"""How far long work is: a bar on a terminal, and a line now and then in a log, a pipe or a notebook."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import Any

from tqdm import tqdm

SECONDS = 30.0
"""Between two lines, and before the first one."""


def progress(total: int, unit: str, doing: str = "", initial: int = 0, shown: bool = True) -> tqdm[Any]:
    """What to tell each step to, by ``update``; use it in a ``with``. It writes to standard error.

    Args:
        total: steps in all.
        unit: what is counted, one of them.
        doing: said before the figures; empty for nothing.
        initial: steps that are done already.
        shown: whether anything is written at all.
    """
    # A program without a console has no standard error, and a stand-in for it need not be a file.
    shown = shown and sys.stderr is not None and not getattr(sys.stderr, "closed", False)
    terminal = shown and bool(getattr(sys.stderr, "isatty", bool)())
    kind = tqdm if terminal or not shown else _Lines
    return kind(total=total, initial=initial, unit=unit, desc=doing or None, disable=not shown, dynamic_ncols=terminal)


def line(doing: str, done: int, total: int, unit: str, elapsed: float, since: int, figures: str = "") -> str:
    """``learn: 412 of 1200 updates, 00:41 so far, about 01:18 left, reward -6.5``

    Args:
        doing: what; may be empty.
        done: of the total.
        total: in all.
        unit: one of them.
        elapsed: seconds so far.
        since: what was done when the time began.
        figures: said at the end.
    """
    left = tqdm.format_interval(elapsed * max(0, total - done) / (done - since)) if done > since else "?"
    said = [f"{done:,} of {total:,} {unit}s", f"{tqdm.format_interval(elapsed)} so far, about {left} left", figures]
    return f"{doing.rstrip(': ')}: " * bool(doing) + ", ".join(part for part in said if part)


class _Lines(tqdm):
    """A whole line in the place of each redrawing of a bar, and few of them: what was written cannot be redrawn."""

    def __init__(self, **given: Any) -> None:
        self._written = time.monotonic()
        # What is not left on the screen is cleared at the end: here that is nothing.
        super().__init__(**given, leave=False, miniters=1)

    def close(self) -> None:
        """No more lines. Nothing is left to be cleared, so that nothing is lost where it cannot be written."""
        with suppress(OSError, ValueError):
            super().close()

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        """Write a line where the last one is long ago."""
        if msg == "" or time.monotonic() - self._written < SECONDS:
            return False
        self._written = time.monotonic()
        elapsed = float(self.format_dict["elapsed"])
        figures = self.postfix if isinstance(self.postfix, str) else ""
        told = line(self.desc, self.n, self.total, self.unit, elapsed, self.initial, figures)
        try:
            self.fp.write(told + "\n")
            getattr(self.fp, "flush", bool)()
        except (OSError, ValueError):
            # Whoever read it is gone, or the disk is full: the work goes on, and nothing more is said of it.
            self.disable = True
        return True
