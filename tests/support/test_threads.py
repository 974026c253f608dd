"""How many threads a model is given, that they are given back, and that those that wait leave others alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import torch

from latentrl.support.threads import CHOSEN_BY, GAIN, few_threads, threads_that_gain


@pytest.fixture(autouse=True)
def four_threads() -> Iterator[None]:
    """As on a machine with four cores; nothing is computed on them."""
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("chosen", "within"), [(None, 1), ("2", 4)])
def test_there_is_one_thread_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, chosen: str | None, within: int
) -> None:
    monkeypatch.delenv(CHOSEN_BY, raising=False)
    if chosen is not None:
        monkeypatch.setenv(CHOSEN_BY, chosen)  # PyTorch has read it when it was loaded
    with pytest.raises(ValueError, match="stop"), few_threads() as most:
        assert (torch.get_num_threads(), most) == (within, 4)
        raise ValueError("stop")
    assert torch.get_num_threads() == 4


def clock(cost: Callable[[int], float]) -> tuple[Callable[[], object], Callable[[], float]]:
    """Work that takes ``cost`` of its threads, and the clock that it is seen on."""
    now = 0.0

    def work() -> None:
        nonlocal now
        now += cost(torch.get_num_threads())

    return work, lambda: now


@pytest.mark.parametrize(
    ("cost", "most", "count"),
    [
        (lambda threads: 1 / threads, 4, 4),
        (lambda threads: 1 / threads, 3, 2),
        (lambda threads: 1 / min(threads, 2), 16, 2),
        (lambda threads: 1.0, 4, 1),
        (lambda threads: float(threads), 4, 1),
        (lambda threads: {1: GAIN + 0.01, 2: 1.0}.get(threads, 1.0), 4, 2),
        (lambda threads: {1: GAIN - 0.01, 2: 1.0}.get(threads, 1.0), 4, 1),
    ],
    ids=["linear", "three cores", "two are enough", "no gain", "they wait", "enough", "not enough"],
)
def test_threads_are_doubled_as_long_as_it_pays(cost: Callable[[int], float], most: int, count: int) -> None:
    work, seconds = clock(cost)
    assert threads_that_gain(work, most, seconds=seconds) == count
    assert torch.get_num_threads() == 4


def test_one_slow_turn_decides_nothing() -> None:
    """A process that comes and goes: the first turn, which loads and compiles, and one of three are disturbed."""
    turns = iter([5.0, 1.0, 1.0, 0.5, 1.0, 30.0, 1.0, 0.5])
    work, seconds = clock(lambda threads: next(turns))
    assert threads_that_gain(work, 2, seconds=seconds) == 2


@pytest.mark.parametrize(("given", "kept"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_do_not_spin_while_they_wait_unless_told_to(given: str | None, kept: str) -> None:
    """Said before PyTorch is loaded, which reads it only then."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    if given is not None:
        environment["OMP_WAIT_POLICY"] = given
    code = "import latentrl, os, sys; print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [kept, "False"]
