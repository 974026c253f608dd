"""Killed at any moment, a verb can be gone on with and gives what it would have given: some kills of tools/chaos.py."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


KILLS = {"collect": 10, "import": 10, "train": 6, "learn": 18, "study": 3, "quickstart": 3}
"""Of 50, most where a kill costs least."""


def _kill(work: Path, stages: Mapping[str, int], seed: int) -> str:
    words = [f"{name}={count}" for name, count in stages.items()]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [
            sys.executable,
            str(ROOT / "tools" / "chaos.py"),
            "--seed",
            str(seed),
            "--work",
            str(work),
            "--stages",
            *words,
        ],
        capture_output=True,
        text=True,
        env=environment,
        cwd=work,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(not hasattr(os, "fork") or sys.platform != "linux", reason="kills forked processes")
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
