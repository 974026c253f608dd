"""What is left of a training's speed beside another process, on two cores."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from benchmarks.timing import Comparison, compare
from latentrl.support.threads import few_threads
from latentrl.training.threads import training_threads
from latentrl.training.trainer import Trainer

CORES = 2
SPIN = "while True: pass"


@contextmanager
def two_cores() -> Iterator[None]:
    """This process, and those that it starts, on two of its cores, where the system can do that."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:CORES])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def another_process() -> Iterator[Callable[[bool], None]]:
    """A process that does nothing for as long as it is told to, and takes a core for it; told nothing, it sleeps."""
    process = subprocess.Popen([sys.executable, "-c", SPIN])

    def busy(wanted: bool) -> None:
        process.send_signal(signal.SIGCONT if wanted else signal.SIGSTOP)

    busy(False)
    try:
        yield busy
    finally:
        process.kill()
        process.wait()


def compare_busy(trainer: Trainer, steps: int, repeats: int) -> dict[int, Comparison]:
    """``steps`` gradient steps alone and beside a busy process, in turn; wall seconds.

    With the number of threads that a training chooses at its start, and with one for either core; by that number, the
    chosen one first. The yardstick is the turn alone, so that the ratio is the share of the speed that is left.
    """

    def turn(wanted: bool) -> None:
        busy(wanted)
        for _ in range(steps):
            trainer.advance()

    def compared(threads: int) -> Comparison:
        torch.set_num_threads(threads)
        return compare(lambda: turn(False), lambda: turn(True), repeats, seconds=time.perf_counter)

    with two_cores(), few_threads() as most, another_process() as busy:
        chosen = training_threads(trainer, min(most, CORES))
        return {threads: compared(threads) for threads in dict.fromkeys((chosen, CORES))}
