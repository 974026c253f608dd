"""How fast work goes, and how long it will still take."""

from __future__ import annotations

import math
from collections import deque

WINDOW = 30.0
"""Seconds that a speed is the mean of."""


class Pace:
    """The speed of the last ``WINDOW`` seconds: what was before tells nothing of a machine that is busy now."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque()

    def see(self, now: float, done: float) -> None:
        """So much is ``done`` at ``now``, in seconds."""
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[1][0] >= WINDOW:
            self._seen.popleft()

    @property
    def per_second(self) -> float:
        """NaN before there is anything to tell it by."""
        if len(self._seen) < 2:
            return math.nan
        (before, first), (now, last) = self._seen[0], self._seen[-1]
        return (last - first) / (now - before) if now > before and last > first else math.nan


def clock(seconds: float) -> str:
    """``seconds`` as ``1:23`` or ``1:02:03``; ``?`` where they are not finite."""
    if not math.isfinite(seconds):
        return "?"
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def speed(per_second: float, unit: str) -> str:
    """``12.3 steps/s``, or ``4.5 s a step`` of what is slow: ``unit`` is in the singular."""
    if not math.isfinite(per_second):
        return f"? {unit}s/s"
    return f"{per_second:.3g} {unit}s/s" if per_second >= 1 else f"{1 / per_second:.3g} s a {unit}"
