"""Compiled kernels are kept for the next process, and done without where nothing can be kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba", reason="pip install 'latentrl[fast]'")

from numba import config

from latentrl.inference.backends.numba_kernels.caching import Kernel
from latentrl.support import compiling


def doubled(numbers: np.ndarray, out: np.ndarray) -> None:
    for i in range(len(numbers)):
        out[i] = 2 * numbers[i]


def run() -> Kernel:
    kernel, numbers = Kernel(doubled), np.arange(3.0)
    out = np.empty_like(numbers)
    kernel(numbers, out)
    assert np.array_equal(out, 2 * numbers)
    return kernel


def test_a_kernel_is_compiled_once_and_then_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "folder", lambda *given: str(tmp_path))
    before = config.CACHE_DIR, config.OPT
    run()
    (kept,) = tmp_path.rglob("*doubled*.nbc")
    assert kept.stat().st_size
    # A dispatcher of its own, as in another process.
    again = run()._compiled
    assert sum(again.stats.cache_hits.values()) == 1 and not again.stats.cache_misses
    assert before == (config.CACHE_DIR, config.OPT)


def nowhere(*given: object) -> str:
    raise RuntimeError("Could not determine home directory.")


@pytest.mark.parametrize("why", ["a file in its place", "no home", "cut off"])
def test_where_nothing_can_be_kept_it_is_compiled_anew(
    why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "cache"
    monkeypatch.setattr(compiling, "folder", nowhere if why == "no home" else lambda *given: str(place))
    if why == "a file in its place":
        place.touch()
    if why == "cut off":
        run()
        for kept in place.rglob("*.nb*"):
            kept.write_bytes(kept.read_bytes()[:20])
    run()


def test_the_folder_follows_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "CACHE_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Path(compiling.folder(tmp_path, config.CACHE_DIR)).parent == tmp_path / "latentrl"
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "own"))
    assert Path(compiling.folder(tmp_path, config.CACHE_DIR)).parent == tmp_path / "own"
