"""Of many processes in one folder of a study or a suite one is at work, and the others are told."""

from __future__ import annotations

import os
from collections.abc import Callable
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from typing import Any

import pytest

from latentrl.studies import STUDIES
from latentrl.studies.lock import beside_others, exclusive
from latentrl.studies.running import run_study
from latentrl.studies.suite.running import run_suite
from latentrl.studies.systems import SYSTEMS
from latentrl.support.errors import UserError
from latentrl.support.locks import HAS_LOCKS
from tests.crowd import crowd


class Done(Exception):
    """The winner has seen enough."""


class Work:
    """A cell of a study, or a chain of a suite, that holds the folder until all have spoken."""

    system = SYSTEMS["ball-log"]

    def __init__(self, told: SimpleQueue[str], end: Event) -> None:
        self.told, self.end = told, end

    def check(self) -> None:
        self.told.put("held")
        self.end.wait(60)
        raise Done


def _study(out: Path, work: Any) -> None:
    run_study(next(iter(STUDIES.values())), out, [work], 1)


def _suite(out: Path, work: Any) -> None:
    run_suite([work], out, 1)


def _try(run: Callable[[Path, Any], None], out: Path, start: Barrier, told: SimpleQueue[str], end: Event) -> None:
    start.wait(60)
    try:
        run(out, Work(told, end))
    except UserError as error:
        told.put(str(error))
    except Done:
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="started by forking")
@pytest.mark.parametrize(("run", "name"), [(_study, "study"), (_suite, "suite")], ids=["study", "suite"])
def test_of_ten_processes_one_wins_and_nine_are_told(
    tmp_path: Path, run: Callable[[Path, Any], None], name: str
) -> None:
    lines, processes = crowd(_try, run, tmp_path / "out")
    assert sorted(lines).count("held") == 1
    refused = [line for line in lines if line != "held"]
    assert all(line.startswith(f"{tmp_path / 'out'}: another {name} is at work there") for line in refused)
    assert all(one.exitcode == 0 for one in processes)


@pytest.mark.skipif(not HAS_LOCKS, reason="nothing is locked")
def test_single_runs_are_beside_each_other_and_beside_no_whole(tmp_path: Path) -> None:
    one, other = (tmp_path / "row" / f"seed{seed}" for seed in range(2))
    with beside_others(tmp_path, "study", [one]):
        with beside_others(tmp_path, "study", [other]) as held:
            assert len(held) == 2
        with pytest.raises(UserError, match=f"{one}: another study is at work on it"):
            with beside_others(tmp_path, "study", [other, one]):
                pass
        with pytest.raises(UserError, match=f"{tmp_path}: another study is at work there"):
            with exclusive(tmp_path, "study"):
                pass
    with exclusive(tmp_path, "study"), pytest.raises(UserError, match="at work on all of it"):
        with beside_others(tmp_path, "study", [one]):
            pass
