"""Sentences for people, broken between words where a terminal shows them; whole lines in a file or a pipe."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import TextIO

NONE = "–"
"""In the place of a figure that there is not."""
NARROWEST = 24
"""Columns that a line is given at least: a terminal that has fewer breaks it itself."""


def digits(value: float | None) -> str:
    """A number in three digits, or all those before the point; an exponent from a million on and below 1e-4."""
    if value is None:
        return NONE
    return f"{value:.0f}" if 999.5 <= abs(value) < 1e6 else f"{value:.3g}"


def columns(stream: TextIO | None = None) -> int | None:
    """Of the terminal that ``stream``, else standard output, leads to; None where it leads to none."""
    stream = sys.stdout if stream is None else stream
    # A program without a console has no standard output, and a stand-in for it need not be a file.
    is_terminal = getattr(stream, "isatty", None)
    if is_terminal is None or not is_terminal():
        return None
    return max(NARROWEST, shutil.get_terminal_size().columns)


def fitted(text: str, width: int | None, start: str = "", hang: str = "  ") -> str:
    """``text`` in lines of at most ``width`` columns, broken between words; what is one word stays one.

    Args:
        text: one paragraph.
        width: None for one line, however long: whoever searches a log finds all of it.
        start: before the first line.
        hang: before the others, behind as many spaces as ``start`` has.
    """
    if width is None:
        return f"{start}{text}"
    lines = textwrap.wrap(
        text,
        width,
        initial_indent=start,
        subsequent_indent=" " * len(start) + hang,
        break_long_words=False,
        break_on_hyphens=False,  # a flag that is broken cannot be pasted
    )
    return "\n".join(lines) or start


def say(text: str, start: str = "", flush: bool = False) -> None:
    """Print a sentence on standard output, fitted to the terminal if that is one."""
    print(fitted(text, columns(), start), flush=flush)
