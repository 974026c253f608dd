"""Work in a process of its own: what it says, and when it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from latentrl.support.processes import Beside, usable_cores

PATIENCE_SECONDS = 60.0
ORPHAN = """
import sys, time
from functools import partial
from pathlib import Path
from latentrl.support.processes import Beside
from tests.support.test_processes import note_and_wait

if __name__ == "__main__":
    with Beside(partial(note_and_wait, Path(sys.argv[1]))) as beside:
        beside.said()
"""


def note_and_wait(note: Path) -> None:
    """Say in a file which process this is, and go on for ever."""
    note.with_suffix(".partial").write_text(str(os.getpid()))
    note.with_suffix(".partial").rename(note)
    while True:
        time.sleep(0.05)


def _fail() -> None:
    print("something")
    raise ValueError("no")


def _noted(note: Path) -> int:
    """The process that has left a note."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not note.exists():
        assert time.monotonic() < end, "the process never began"
        time.sleep(0.02)
    return int(note.read_text())


def _ends(process: int) -> bool:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        status = Path(f"/proc/{process}/stat")
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        if status.exists() and status.read_text().rsplit(")")[-1].split()[0] == "Z":
            return True
        time.sleep(0.02)
    return False


def test_counts_cores() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)


def test_what_is_printed_comes_back(capfd: pytest.CaptureFixture[str]) -> None:
    with Beside(partial(print, "a line")) as beside:
        assert beside.said() == "a line\n"
    assert capfd.readouterr().out == ""


def test_work_that_fails_has_no_answer() -> None:
    with Beside(_fail) as beside:
        assert beside.said() is None


def test_leaving_ends_the_work_and_ctrl_c_does_not(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    with Beside(partial(note_and_wait, tmp_path / "note")) as beside:
        process = _noted(tmp_path / "note")
        os.kill(process, signal.SIGINT)
        time.sleep(0.2)
        assert beside._process.is_alive()
    assert _ends(process)
    assert signal.getsignal(signal.SIGINT) is before


def test_it_does_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    script, note = tmp_path / "orphan.py", tmp_path / "note"
    script.write_text(ORPHAN)
    parent = subprocess.Popen([sys.executable, str(script), str(note)])
    try:
        process = _noted(note)
    finally:
        parent.kill()
        parent.wait()
    assert _ends(process)
