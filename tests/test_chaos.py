"""Killed at any moment, a verb can be gone on with and gives what it would have given: some kills of tools/chaos.py."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.skipif(not hasattr(os, "fork") or sys.platform != "linux", reason="kills forked processes")
def test_collections_survive_kills(tmp_path: Path) -> None:
    kills = ["--kills", "12", "--seed", "3", "--stages", "collect", "--work", str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "chaos.py"), *kills],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    killed = re.search(r"(\d+) killed .*; 0 lost, 0 different", done.stdout)
    assert killed is not None and int(killed[1]) >= 6
