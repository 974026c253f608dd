"""Ten processes that do the same thing at the same time: one holds it until all have spoken."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

MANY = 10


def crowd(work: Callable[..., None], *arguments: Any) -> tuple[list[str], list[BaseProcess]]:
    """What each of `MANY` forked processes says, and the processes, ended.

    Args:
        work: called with ``arguments`` and ``start, told, end``: a barrier that all wait at, a queue for the one line
            that each of them says, and the event until which the winner holds what it has.
        arguments: of ``work``.
    """
    fork = multiprocessing.get_context("fork")
    start, told, end = fork.Barrier(MANY), fork.SimpleQueue(), fork.Event()
    processes = [fork.Process(target=work, args=(*arguments, start, told, end)) for _ in range(MANY)]
    for one in processes:
        one.start()
    lines = [told.get() for _ in processes]
    end.set()
    for one in processes:
        one.join(60)
    return lines, list(processes)
