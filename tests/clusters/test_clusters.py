"""What is asked of a cluster, on a stand-in that loses calls; addresses; commands that do not outlive who runs them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import latentrl.collect
from latentrl.clusters.base import RETRIES, Cluster
from latentrl.clusters.commands import put_up, run_command
from latentrl.clusters.leash import leashed
from latentrl.clusters.where import LOCAL, RAY, SLURM, Where, where
from latentrl.collect import CollectOptions, collect
from latentrl.studies.launchers.base import Ending, Job
from latentrl.studies.launchers.ray import Jobs
from latentrl.support.errors import UserError
from tests.clusters.stand_in import StandIn

PYTHON = (sys.executable, "-S", "-E", "-c")
SMALL = {"sequences": 7, "test_sequences": 2, "length": 4, "num_envs": 2, "seed": 3}
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's wish")


# -- where -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("local", Where(LOCAL)),
        ("ray", Where(RAY)),
        ("ray://head.local:10001", Where(RAY, "ray://head.local:10001")),
        ("slurm", Where(SLURM)),
    ],
)
def test_a_place_is_read(text: str, found: Where) -> None:
    assert where(text, (LOCAL, RAY, SLURM)) == found


@pytest.mark.parametrize("text", ["ray://", "ray://head", "ray://head:port", "ray://a:1/b"])
def test_a_bad_address_is_refused_with_a_good_one(text: str) -> None:
    with pytest.raises(UserError, match=rf"--on {text}: give ray://HOST:PORT"):
        where(text, (LOCAL, RAY))


@pytest.mark.parametrize("text", ["", "here", "slurm", "http://head:1", "slurm://head:1"])
def test_another_place_is_refused_with_those_that_there_are(text: str) -> None:
    with pytest.raises(UserError, match=r"there is no such place; give one of local, ray, ray://HOST:PORT$"):
        where(text, (LOCAL, RAY))


# -- rounds ------------------------------------------------------------------------------------------------------------


def _on(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def connected(address: str | None) -> Iterator[Cluster]:
        yield cluster

    monkeypatch.setattr(latentrl.collect, "ray_cluster", connected)


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_rounds_that_are_lost_are_played_again_and_the_data_stays_what_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = collect(CollectOptions(out=tmp_path / "here", **SMALL))  # type: ignore[arg-type]
    cluster = StandIn(lost={0, 3, 4}, cores=1)
    _on(cluster, monkeypatch)
    there = collect(CollectOptions(out=tmp_path / "there", on="ray", processes=1, **SMALL))  # type: ignore[arg-type]
    assert cluster.tries >= 4 + 1 + 2
    assert _content(here) == _content(there) and len(_content(here)) > 9


def test_a_round_that_is_always_lost_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _on(StandIn(lost=range(99)), monkeypatch)
    with pytest.raises(UserError, match=f"--on ray: a round was lost {RETRIES + 1} times"):
        collect(CollectOptions(out=tmp_path / "there", on="ray", **SMALL))  # type: ignore[arg-type]


def test_an_environments_refusal_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _on(StandIn(cores=1), monkeypatch)
    options: dict[str, Any] = {**SMALL, "reset_options": {"angle": "up"}}
    with pytest.raises(UserError, match="--reset-options"):
        collect(CollectOptions(out=tmp_path / "there", on="ray", **options))


def test_a_collection_is_no_array(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--on slurm: a collection is one command: give it to sbatch"):
        collect(CollectOptions(out=tmp_path / "there", on="slurm"))


# -- jobs --------------------------------------------------------------------------------------------------------------


def _job(folder: Path, name: str, code: str, again: str | None = None) -> Job:
    log = folder / f"{name}.log"
    return Job(name, (*PYTHON, code), log, None if again is None else lambda: _job(folder, name, again))


def test_a_lost_job_costs_one_try_and_goes_on_as_it_says(tmp_path: Path) -> None:
    codes = {name: f"print('begun {name}')" for name in "abc"}
    jobs = [_job(tmp_path, name, code, f"print('went on {name}')") for name, code in codes.items()]
    ended, begun = dict[str, int](), list[str]()
    run = Jobs(StandIn(lost={1}), tmp_path)
    run(jobs, 1, lambda job: begun.append(job.name), lambda job, ending: ended.update({job.name: ending.code}))
    assert ended == {"a": 0, "b": 0, "c": 0} and begun == ["a", "b", "b", "c"]
    said = "".join((tmp_path / f"{name}.log").read_text() for name in "abc")
    assert said == "begun a\nwent on b\nbegun c\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.log", "b.log", "c.log"]


def test_a_job_that_is_always_lost_has_ended_by_a_signal(tmp_path: Path) -> None:
    endings, cluster = list[Ending](), StandIn(lost=range(99))
    Jobs(cluster, tmp_path)([_job(tmp_path, "a", "")], 1, on_end=lambda job, ending: endings.append(ending))
    assert [ending.code for ending in endings] == [-9] and not endings[0].interrupted
    assert cluster.tries == RETRIES + 1


def test_a_folder_that_a_machine_cannot_see_is_told_before_anything_begins(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"--on ray: 10.0.0.2:1 cannot see {tmp_path}"):
        Jobs(StandIn(blind=True), tmp_path)([_job(tmp_path, "a", "")], 1)
    assert not list(tmp_path.iterdir())


def test_ctrl_c_lets_jobs_save_their_state_and_goes_on(tmp_path: Path) -> None:
    code = (
        "import pathlib, signal, sys, time\n"
        f"ready, saved = (pathlib.Path({str(tmp_path)!r}, name) for name in ('ready', 'saved'))\n"
        "signal.signal(signal.SIGINT, lambda *_: (saved.touch(), sys.exit(130)))\n"
        "ready.touch()\ntime.sleep(60)"
    )
    endings = list[Ending]()

    def interrupt() -> None:
        while not (tmp_path / "ready").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        Jobs(StandIn(), tmp_path)([_job(tmp_path, "a", code)], 1, on_end=lambda job, ending: endings.append(ending))
    assert (tmp_path / "saved").exists() and endings[0].code == 130 and endings[0].interrupted


def test_a_command_stops_when_another_sign_is_put_up(tmp_path: Path) -> None:
    """Who is left behind by a killed study gives way to the next."""
    with put_up(tmp_path) as old, put_up(tmp_path) as new:
        assert new.stands() and not old.stands()
        assert run_command(("false",), str(tmp_path / "log"), str(tmp_path), old, {}).stopped
        assert not (tmp_path / "log").exists()


@LINUX
def test_a_leashed_command_dies_with_who_started_it(tmp_path: Path) -> None:
    child = f"import os, pathlib, time; pathlib.Path({str(tmp_path)!r}, str(os.getpid())).touch(); time.sleep(60)"
    words = leashed((*PYTHON, child))[:2]
    parent = f"import os, subprocess; subprocess.run([*{words!r}, str(os.getpid()), *{(*PYTHON, child)!r}])"
    started = subprocess.Popen((*PYTHON, parent))
    deadline = time.monotonic() + 30
    while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.02)
    (found,) = list(tmp_path.iterdir())
    started.kill()
    started.wait()
    while _runs(int(found.name)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _runs(int(found.name))


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
