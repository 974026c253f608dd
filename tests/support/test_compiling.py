"""Compiled kernels are kept for the next process, and done without where nothing can be kept."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="pip install 'latentrl[fast]'")

from numba import config

from latentrl.support import compiling
from latentrl.support.compiling import compiled


def doubled(numbers: np.ndarray, out: np.ndarray) -> None:
    for i in range(len(numbers)):
        out[i] = 2 * numbers[i]


def run() -> Any:
    numbers, out = np.arange(3.0), np.empty(3)
    kernel = compiled(doubled, (numbers, out))
    kernel(numbers, out)
    assert np.array_equal(out, 2 * numbers)
    return kernel


def test_a_kernel_is_compiled_once_and_then_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    before = config.CACHE_DIR, config.OPT
    run()
    (kept,) = tmp_path.rglob("*doubled*.nbc")
    assert kept.stat().st_size
    # A dispatcher of its own, as in another process.
    again = run()
    assert sum(again.stats.cache_hits.values()) == 1 and not again.stats.cache_misses
    assert before == (config.CACHE_DIR, config.OPT)


def test_a_copy_of_the_sources_elsewhere_finds_what_is_kept_and_other_sources_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "cache"))
    source, hits = (
        "def doubled(numbers, out):\n    for i in range(len(numbers)):\n        out[i] = {} * numbers[i]\n",
        [],
    )
    for name, factor in (("one", 2), ("copy", 2), ("other", 3)):
        (tmp_path / name).mkdir()
        file = tmp_path / name / "own.py"
        file.write_text(source.format(factor))
        found: dict[str, Any] = {}
        exec(compile(file.read_text(), file, "exec"), found)
        numbers, out = np.arange(3.0), np.empty(3)
        kernel = compiled(found["doubled"], (numbers, out))
        kernel(numbers, out)
        assert np.array_equal(out, factor * numbers)
        hits.append(sum(kernel.stats.cache_hits.values()))
    assert hits == [0, 1, 0]


@pytest.mark.parametrize("why", ["a file in its place", "cut off"])
def test_where_nothing_can_be_kept_it_is_compiled_anew(
    why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "cache"
    monkeypatch.setattr(config, "CACHE_DIR", str(place))
    if why == "a file in its place":
        place.touch()
    else:
        run()
        for kept in place.rglob("*.nb*"):
            kept.write_bytes(kept.read_bytes()[:20])
    run()


def test_kernels_that_nobody_reads_any_more_are_removed_when_others_are_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    compiling._say_compiling.cache_clear()
    old, half, new, other = (tmp_path / name for name in ("kernels-0", "kernels-1.7.removed", "kernels-2", "mine"))
    for folder in (old, half, new, other):
        (folder / "sub").mkdir(parents=True)
        (folder / "sub" / "kernel.nbc").write_bytes(b"code")
    long_ago = time.time() - compiling.UNUSED - 60
    for folder in (old, half, other):
        os.utime(folder, (long_ago, long_ago))
    run()
    (own,) = {path.parent for path in tmp_path.rglob("*doubled*.nbc")}
    assert set(tmp_path.iterdir()) == {new, other, own}
    assert capsys.readouterr().err == f"compiling kernels (once on a machine; kept in {tmp_path})\n"
    # What is only read is in use, and removes nothing; what is being removed may be gone already.
    os.utime(own, (long_ago, long_ago))
    os.utime(new, (long_ago, long_ago))
    run()
    assert new.exists() and own.stat().st_mtime > long_ago + 60 and capsys.readouterr().err == ""
    monkeypatch.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(FileNotFoundError()))
    compiling.remove_unused(tmp_path, time.time())
    assert new.exists()


def test_the_folder_follows_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "CACHE_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    run()
    assert list((tmp_path / "latentrl").glob("kernels-*/**/*doubled*.nbc"))


@pytest.mark.parametrize(("given", "fake"), [({"NUMBA_DISABLE_JIT": "1"}, None), ({}, "raise ImportError('NumPy')")])
def test_a_numba_that_cannot_be_used_is_done_without(given: dict[str, str], fake: str | None, tmp_path: Path) -> None:
    if fake is not None:
        (tmp_path / "numba").mkdir()
        (tmp_path / "numba" / "__init__.py").write_text(fake)
    path = os.pathsep.join((str(tmp_path), *filter(None, (os.environ.get("PYTHONPATH"),))))
    asked = "from latentrl.support.compiling import can_compile as c; from latentrl.inference.backends import choose"
    words = [sys.executable, "-c", f"{asked}; print(c(), choose('auto', 'cpu', 3))"]
    environment = {**os.environ, **given, "PYTHONPATH": path}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "False reference"
    assert ("cannot be used (NumPy)" in done.stdout) is (fake is not None)
