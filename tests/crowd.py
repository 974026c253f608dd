"""Ten processes that do the same thing at the same time: one holds it until all have spoken."""

from __future__ import annotations

import multiprocessing
import time
import traceback
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from multiprocessing.queues import SimpleQueue
from typing import Any

MANY = 10
WAIT = 120.0
"""Seconds: whoever says nothing for so long never will, and a test must come to its end."""


def crowd(work: Callable[..., None], *arguments: Any) -> tuple[list[str], list[BaseProcess]]:
    """What each of `MANY` forked processes says, and the processes, ended.

    Args:
        work: called with ``arguments`` and ``start, told, end``: a barrier that all wait at, a queue for the one line
            that each of them says, and the event until which the winner holds what it has. An error that it raises is
            its line.
        arguments: of ``work``.
    """
    fork = multiprocessing.get_context("fork")
    start, told, end = fork.Barrier(MANY), fork.SimpleQueue(), fork.Event()
    processes = [
        fork.Process(target=_speak, args=(work, told, (*arguments, start, told, end)), daemon=True) for _ in range(MANY)
    ]
    for one in processes:
        one.start()
    lines = [heard(told) for _ in processes]
    end.set()
    for one in processes:
        one.join(60)
    return lines, list(processes)


def heard(told: SimpleQueue[Any], seconds: float = WAIT) -> Any:
    """What is said next.

    Raises:
        TimeoutError: nothing is.
    """
    until = time.monotonic() + seconds
    while told.empty():
        if time.monotonic() > until:
            raise TimeoutError(f"a process said nothing in {seconds:g} s")
        time.sleep(0.002)
    return told.get()


def _speak(work: Callable[..., None], told: SimpleQueue[str], arguments: tuple[Any, ...]) -> None:
    try:
        work(*arguments)
    except BaseException:
        told.put(traceback.format_exc())
        raise
