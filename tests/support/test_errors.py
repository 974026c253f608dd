"""What a verb prints into a pipe that nobody reads."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading

import pytest

from latentrl.support.errors import UNREAD, reported

MUCH = "from latentrl.support.errors import reported\nwith reported():\n    for n in range(10**6):\n        print(n)"


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
@pytest.mark.parametrize("words", [["-c", MUCH], ["-m", "latentrl", "--help"]], ids=["while", "at the end"])
def test_a_pipe_that_nobody_reads_ends_a_verb_quietly(words: list[str]) -> None:
    """As in ``| head``: while it prints, or when the little that it printed is written at its end."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, *words], stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (UNREAD, b"")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
def test_a_pipe_to_another_process_is_no_business_of_a_reader() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(BrokenPipeError), reported():
        os.write(writing, b"to a worker")
    os.close(writing)


@pytest.mark.parametrize(
    ("error", "told"), [(OSError(errno.ENOSPC, "No space left on device"), False), (ValueError("wrong"), True)]
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_full_disk_that_a_thread_meets_is_told_by_the_verb_alone(
    error: Exception, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(threading, "excepthook", lambda met: seen.append(met.exc_value))

    def fail() -> None:
        raise error

    with reported():
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    assert seen == ([error] if told else [])
