"""Ctrl-C and requests to terminate, in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from latentrl.__main__ import VERBS
from latentrl.support.commands import MODULES
from latentrl.support.interrupts import ctrl_c_on_termination, is_a_verb

BEGUN = "the libraries are being imported"
SLOW = f"""
import sys, time
class Slow:
    # Asked for every module that is imported: the first heavy one takes a while.
    def find_spec(self, name, path=None, target=None):
        if name == "numpy":
            print("{BEGUN}", flush=True)
            for _ in range(300):
                try:
                    time.sleep(0.1)
                except BaseException as error:
                    raise ImportError("taken for an error of the library's own") from error
sys.meta_path.insert(0, Slow())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("start", ["-m module", "-m latentrl", "script"])
@pytest.mark.parametrize("verb", ["train", "import"])
def test_ctrl_c_while_libraries_are_imported_is_one_line(tmp_path: Path, start: str, verb: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(SLOW)
    script = tmp_path / "latentrl"
    script.write_text("from latentrl.__main__ import main\nmain()\n")
    words = {
        "-m module": ["-m", f"latentrl.{MODULES.get(verb, verb)}"],
        "-m latentrl": ["-m", "latentrl", verb],
        "script": [str(script), verb],
    }[start]
    path = os.pathsep.join([str(tmp_path), *sys.path])
    process = subprocess.Popen(
        [sys.executable, *words, "--help"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert process.stdout is not None and process.stdout.readline().strip() == BEGUN
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said.strip()) == (130, "interrupted")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["python", "-m", "latentrl.train", "--run", "x"], True),
        (["python", "-X", "dev", "-m", "latentrl", "train"], True),
        (["/usr/bin/python", "/home/me/.venv/bin/latentrl", "train"], True),
        (["python", "-m", "pytest", "latentrl"], False),
        (["python", "-m", "pytest", "-m", "latentrl"], False),
        (["python", "-m", "latentrl_tools"], False),
        (["python", "my_script.py", "latentrl"], False),
        (["python", "-c", "import latentrl"], False),
        ([], False),
    ],
)
def test_a_library_is_no_verb(command: list[str], expected: bool) -> None:
    assert is_a_verb(command, "latentrl") is expected


def test_every_verb_begins_by_taking_ctrl_c_as_an_exception_again(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    monkeypatch.setattr("latentrl.support.errors.raise_again", lambda: begun.append("again"))
    for verb in VERBS.values():
        with pytest.raises(SystemExit):
            verb.run(["--help"])
    assert len(begun) == len(VERBS)


def test_a_request_to_terminate_counts_as_ctrl_c_within_the_block() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), ctrl_c_on_termination():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
    assert signal.getsignal(signal.SIGTERM) is before
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with ctrl_c_on_termination():
            os.kill(os.getpid(), signal.SIGTERM)  # whoever started this wants it ignored
    finally:
        signal.signal(signal.SIGTERM, before)
