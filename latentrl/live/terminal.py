"""Whether a stream can show a panel, and a panel that is drawn anew in its place."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TextIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.style import Style

from latentrl.live.rows import NARROWEST, Row
from latentrl.live.sparkline import BLOCKS

RENDERS = 2
"""In a second, at most."""
BORDER = 4
"""Columns of a panel that are not its inside."""


def why_not(stream: TextIO, environment: Mapping[str, str]) -> str | None:
    """Why a panel cannot be drawn on ``stream``; None where it can.

    Args:
        stream: such as ``sys.stderr``.
        environment: the process' variables.
    """
    if not stream.isatty():
        return "stderr is no terminal"
    if environment.get("TERM", "") in ("", "dumb", "unknown"):
        return f"TERM={environment.get('TERM', '')} is a terminal that cannot be drawn on"
    try:
        BLOCKS.encode(getattr(stream, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return f"the terminal's encoding, {stream.encoding}, has no blocks to draw with"
    return None


def can_show(live: bool) -> bool:
    """Whether ``live`` asks for a panel and standard error can show one; where it cannot, a line there says why."""
    why = why_not(sys.stderr, os.environ) if live else None
    if why is not None:
        print(f"note: --live: {why}; bars, or lines, in its place", file=sys.stderr)
    return live and why is None


class Frame:
    """Rows within a frame, drawn as they are: rich's own panel wraps and measures, for four times the time.

    Args:
        title: in its upper edge.
        rows: what is too long is cut off.
        width: of the frame, in columns.
    """

    def __init__(self, title: str, rows: Sequence[Row], width: int) -> None:
        self._title, self._rows, self._width = title, rows, width

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = min(self._width, options.max_width)
        inside = max(1, width - BORDER)
        title = f" {self._title} " if len(self._title) + 2 < inside else ""
        yield Segment(f"╭─{title}{'─' * max(0, width - 3 - cell_len(title))}╮\n")
        for row in self._rows:
            yield Segment("│ ")
            yield Segment(set_cell_size(row.text, inside), Style.parse(row.style) if row.style else None)
            yield Segment(" │\n")
        yield Segment(f"╰{'─' * max(0, width - 2)}╯\n")


class Display:
    """A panel on a terminal, for as long as the block lasts; what is printed meanwhile appears above it.

    Neither Ctrl-C nor an error leaves anything behind, nor does a kill: the cursor is never hidden.

    Args:
        title: of the panel.
        rows: what is in it now, given the columns of its inside.
        by_itself: a thread draws it, so that the clock goes on; else only :meth:`draw` does, and what is timed between
            two calls stays undisturbed.
        console: where; standard error if None.
    """

    def __init__(
        self, title: str, rows: Callable[[int], Sequence[Row]], by_itself: bool, console: Console | None = None
    ) -> None:
        self._title, self._rows = title, rows
        self.console: Console = console or Console(stderr=True)
        self._live = Live(
            console=self.console,
            auto_refresh=by_itself,
            refresh_per_second=RENDERS,
            # What goes into a file or a pipe stays there.
            redirect_stdout=sys.stdout.isatty(),
            redirect_stderr=console is None,
            get_renderable=self._drawn,
        )

    def _drawn(self) -> Frame:
        width = max(NARROWEST + BORDER, self.console.width)
        return Frame(self._title, self._rows(width - BORDER), width)

    def __enter__(self) -> Display:
        self._live.start(refresh=True)
        # It is hidden by Live, and a killed process could not show it again.
        self.console.show_cursor(True)
        return self

    def draw(self) -> None:
        """Draw it now."""
        self._live.refresh()

    def __exit__(self, *_: object) -> None:
        # A terminal that has gone is nothing to fail for: what was worked for is to be saved.
        with suppress(OSError):
            self._live.stop()
