"""Killed at any moment, a verb can be gone on with and gives what it would have given: some kills of tools/chaos.py."""

from __future__ import annotations

import contextlib
import multiprocessing
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tools import chaos

KILLS = {"collect": 10, "import": 10, "train": 6, "learn": 18, "study": 3, "quickstart": 3}
"""Of 50, most where a kill costs least."""


def _kill(work: Path, stages: Mapping[str, int], seed: int) -> str:
    """What the campaigns say: in a process of its own, which patches what it kills."""
    words = [f"{name}={count}" for name, count in stages.items()]
    words, said = ["--seed", str(seed), "--work", str(work), "--stages", *words], work / "said.txt"
    process = multiprocessing.get_context("fork").Process(target=_campaigns, args=(words, said))
    process.start()
    process.join(400)
    process.kill()
    assert process.exitcode == 0, said.read_text()
    return said.read_text()


def _campaigns(words: Sequence[str], said: Path) -> None:
    with said.open("w") as out, contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        raise SystemExit(chaos.main(words))


@pytest.mark.skipif(sys.platform != "linux", reason="kills forked processes")
def test_verbs_survive_kills(tmp_path: Path) -> None:
    said = _kill(tmp_path, KILLS, 3)
    counted = {
        name: int(killed) + int(survived)
        for name, killed, survived in re.findall(
            r"(\w+): \d+ trials, (\d+) killed .*, (\d+) ended before .*; 0 lost, 0 different", said
        )
    }
    assert counted == KILLS and sum(KILLS.values()) == 50
    killed = sum(int(found) for found in re.findall(r"(\d+) killed", said))
    assert killed >= 30, said
