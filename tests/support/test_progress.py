"""Bars on a terminal, lines elsewhere."""

from __future__ import annotations

import io
import sys

import pytest

from latentrl.support import progress as module
from latentrl.support.progress import line, progress


class Terminal(io.StringIO):
    """What says that it is one."""

    def isatty(self) -> bool:
        return True


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time that lines are written by."""
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_a_line_says_what_is_left() -> None:
    assert line("learn", 300, 1200, "update", 60.0, 0) == "learn: 300 of 1,200 updates, 01:00 so far, about 03:00 left"
    # Of 900 steps 600 were done before the clock began.
    assert line("", 700, 900, "step", 10.0, 600, "C 0.1") == "700 of 900 steps, 00:10 so far, about 00:20 left, C 0.1"
    assert line("collect: ", 0, 9, "frame", 3.0, 0) == "collect: 0 of 9 frames, 00:03 so far, about ? left"
    # More than there was said to be.
    assert line("", 8, 5, "step", 8.0, 0) == "8 of 5 steps, 00:08 so far, about 00:00 left"


def test_a_log_gets_few_whole_lines(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    with progress(100, "step", "learn") as bar:
        for _ in range(100):
            clock.now += 1.0
            bar.set_postfix_str("C 0.1")
            bar.update()
    written = stream.getvalue()
    assert "\r" not in written
    told = written.splitlines()
    assert len(told) == 3
    assert all(one.startswith("learn: ") and one.endswith("C 0.1") for one in told)
    assert " of 100 steps, " in told[0]


def test_what_is_quickly_done_writes_nothing(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    with progress(100, "step") as bar:
        bar.update(100)
    assert stream.getvalue() == ""


def test_a_terminal_has_its_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    with progress(10, "step", "learn") as bar:
        bar.update(10)
    assert "learn: 100%" in stream.getvalue()


@pytest.mark.parametrize("kind", [io.StringIO, Terminal])
def test_nothing_is_shown_where_nothing_is_to_be(kind: type[io.StringIO], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream := kind())
    with progress(10, "step", shown=False) as bar:
        bar.update(10)
    assert stream.getvalue() == ""


def test_a_program_without_standard_error_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with progress(10, "step") as bar:
        bar.update(10)
    assert bar.disable


def test_who_reads_may_leave(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """As in ``2>&1 | head``: the work goes on, and is not told of any more."""

    class Pipe(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Pipe())
    done = 0
    with progress(5, "step", "learn") as bar:
        for _ in range(5):
            clock.now += 100.0
            bar.update()
            done += 1
    assert done == 5
    assert bar.disable


def test_a_stand_in_for_standard_error_only_has_to_write(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    written: list[str] = []

    class StandIn:
        def write(self, text: str) -> None:
            written.append(text)

    monkeypatch.setattr(sys, "stderr", StandIn())
    with progress(2, "step", "learn") as bar:
        clock.now += 100.0
        bar.refresh()
    assert written[0].startswith("learn: 0 of 2 steps")


def test_standard_error_may_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    with progress(10, "step") as bar:
        bar.update(10)
    assert bar.disable
