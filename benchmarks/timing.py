"""Timing two ways of doing the same thing on one thread, in turn, so that both meet the same machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Comparison:
    """Processor seconds of the yardstick and of the subject, one entry a repeat, in the order they were measured."""

    yardstick: list[float]
    subject: list[float]

    def ratios(self) -> list[float]:
        """How many times faster the subject is, repeat by repeat."""
        return [slow / fast for slow, fast in zip(self.yardstick, self.subject, strict=True)]

    def summary(self) -> dict[str, float]:
        """The median ratio with its quartiles and extremes, and both medians in seconds."""
        ratios = self.ratios()
        lower, median, upper = statistics.quantiles(ratios, n=4, method="inclusive")
        return {
            "ratio": median,
            "ratio_lower_quartile": lower,
            "ratio_upper_quartile": upper,
            "ratio_min": min(ratios),
            "ratio_max": max(ratios),
            "yardstick_seconds": statistics.median(self.yardstick),
            "subject_seconds": statistics.median(self.subject),
        }


def compare(
    yardstick: Callable[[], object],
    subject: Callable[[], object],
    repeats: int,
    warm_up: int = 1,
    seconds: Callable[[], float] = time.process_time,
) -> Comparison:
    """Call both in turn, ``repeats`` times each after ``warm_up`` calls that do not count.

    The clock is the processor's: what else runs on the machine takes wall time from both, but not processor time.

    Args:
        yardstick: what is compared with.
        subject: what is judged.
        repeats: two or more.
        warm_up: calls of each before the first that counts.
        seconds: the clock.

    Raises:
        ValueError: fewer than two repeats.
    """
    if repeats < 2:
        raise ValueError(f"repeats={repeats}: give two or more, a spread needs them")
    times: tuple[list[float], list[float]] = ([], [])
    for repeat in range(warm_up + repeats):
        for action, record in zip((yardstick, subject), times, strict=True):
            start = seconds()
            action()
            elapsed = seconds() - start
            if repeat >= warm_up:
                record.append(elapsed)
    return Comparison(*times)


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch on one thread, until the end of this or another choice in it; then on as many as before."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
