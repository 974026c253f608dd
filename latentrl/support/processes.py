"""Processes beside this one: how many there is room for, and one that does a single piece of work meanwhile."""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

PATIENCE_SECONDS = 5.0
"""How long a process may take to end by itself."""


def usable_cores() -> int:
    """How many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def interrupts_ignored() -> Iterator[None]:
    """Processes started within the block ignore Ctrl-C, which reaches all of a terminal's: the parent ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Beside:
    """One piece of work, done in a process of its own while this one does something else; a context manager.

    The process is started afresh, not forked, and does not outlive this one. Leaving the block ends it.

    Args:
        work: what is done; must be picklable, such as a ``functools.partial`` of a function. What it prints is kept.
    """

    def __init__(self, work: Callable[[], object]) -> None:
        context = multiprocessing.get_context("spawn")
        self._answer, theirs = context.Pipe(duplex=False)
        with interrupts_ignored():
            self._process = context.Process(target=_do, args=(theirs, work), daemon=True)
            self._process.start()
        theirs.close()

    def __enter__(self) -> Beside:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def said(self) -> str | None:
        """Wait until the work is done.

        Returns:
            what it printed; None where it failed or its process died: done here again, it says why.
        """
        try:
            return str(self._answer.recv())
        except (EOFError, OSError):
            return None

    def close(self) -> None:
        """End the process, in the middle of its work if need be."""
        self._answer.close()
        if self._process.is_alive():
            self._process.terminate()
        self._process.join(PATIENCE_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _do(answer: Connection, work: Callable[[], Any]) -> None:
    """The process's life; it hangs up without an answer where the work fails."""
    threading.Thread(target=_die_with_parent, daemon=True).start()
    # Mesa renders without a GPU in a thread for every core; the others are busy with what this is done beside.
    os.environ.setdefault("LP_NUM_THREADS", "0")
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(io.StringIO()):
        work()
    answer.send(said.getvalue())


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
