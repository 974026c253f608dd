"""Standard streams that a verb can print to, however it was started."""

from __future__ import annotations

import os
import sys

STREAMS = {"stdin": "r", "stdout": "w", "stderr": "w"}


def keep_numbers() -> None:
    """Open what takes the numbers of standard streams that are closed, as cron and ``>&-`` start a process.

    Else the next file that is opened has such a number, and what a library prints would go into it.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) < len(STREAMS):
        pass
    os.close(descriptor)


def usable() -> None:
    """Let streams that are closed lead nowhere, and escape what the locale cannot print in place of an error."""
    for name, mode in STREAMS.items():
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))
        elif mode == "w" and getattr(stream, "errors", None) == "strict" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
