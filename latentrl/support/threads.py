"""How many threads the operations of a model are given."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

CHOSEN_BY = "OMP_NUM_THREADS"
GAIN = 1.2
"""How many times faster twice the threads must be to be taken: beside another process they cost more than they save."""


@contextmanager
def few_threads() -> Iterator[int]:
    """One thread, for a while, unless ``OMP_NUM_THREADS`` says otherwise.

    The operations of most models here are many and tiny: a second thread gains little on an idle machine, and beside
    another process the two wait for each other (docs/benchmarks.md).

    Yields:
        How many there may be: one for every core, or what ``OMP_NUM_THREADS`` says. ``torch.set_num_threads`` gives
        more than one where it was measured to be faster.
    """
    before = torch.get_num_threads()
    if CHOSEN_BY not in os.environ:
        torch.set_num_threads(1)
    try:
        yield before
    finally:
        torch.set_num_threads(before)


def threads_that_gain(
    work: Callable[[], object], most: int, repeats: int = 3, seconds: Callable[[], float] = time.perf_counter
) -> int:
    """The number of threads, 1, 2, 4, ... of at most ``most``, up to which each doubling makes ``work`` faster.

    Both numbers take turns, so that they meet the same machine, and the median of their ratios is to be ``GAIN`` or
    more. Leaves PyTorch with as many threads as before.

    Args:
        work: what is timed, done ``2 (repeats + 1)`` times for each doubling that is tried.
        most: threads.
        repeats: of either number, after one that does not count.
        seconds: the clock.
    """

    def timed(threads: int) -> float:
        torch.set_num_threads(threads)
        started = seconds()
        work()
        return seconds() - started

    before, count = torch.get_num_threads(), 1
    try:
        while 2 * count <= most:
            ratios = [timed(count) / timed(2 * count) for _ in range(repeats + 1)][1:]
            if statistics.median(ratios) < GAIN:
                break
            count *= 2
    finally:
        torch.set_num_threads(before)
    return count
