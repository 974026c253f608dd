"""The verb: from rows to a report, through failures, interruptions and second calls.

One study trains for real, a few steps long; the others run a stand-in for the trainer, which takes milliseconds.
"""

from __future__ import annotations

import csv
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import pytest

import latentrl.studies.running as running
import latentrl.study as module
import latentrl.train  # noqa: F401 - what forked trainings would import anew
from latentrl.collect import CollectOptions, collect
from latentrl.studies.launchers import local
from latentrl.studies.lock import exclusive
from latentrl.study import StudyOptions, main, study
from latentrl.support.errors import UserError
from tests.clusters.stand_in import StandIn
from tools import chaos

TRAINER = """
import json, pathlib, signal, sys, time
arguments = sys.argv[2:]
value = lambda flag: arguments[arguments.index(flag) + 1]
run = pathlib.Path(value("--run"))
with open({calls!r}, "a") as file:
    file.write(" ".join(arguments) + "\\n")
run.mkdir(parents=True, exist_ok=True)
fresh = "--resume" not in arguments
if fresh:
    parts = {{"options": {{"model": value("--model"), "seed": value("--seed")}}, "training": {{"batch": 50}}}}
    rest = {{"model": {{"settings": {{}}}}, "environment": {{"git": "0123abcd"}}}}
    (run / "settings.json").write_text(json.dumps(parts | rest))
print("a line of the log")
if "broken" in str(run):
    print("error: the gradient is nan at step 7")
    sys.exit(2)
if "slow" in str(run) and fresh:
    (run / "checkpoint.safetensors").touch()
    def stop(*_):
        sys.exit(130)
    signal.signal(signal.SIGINT, stop)
    (run / "ready").touch()
    time.sleep(60)
seed = int(run.name[4:])
(run / "metrics.json").write_text(json.dumps({{"score": seed + ("good" in str(run))}}))
(run / "model.safetensors").touch()
(run / "checkpoint.safetensors").unlink(missing_ok=True)
"""


class Bench:
    """A folder with a study of fake trainings, and what was called."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.calls_file = root, root / "calls"
        self.script = root / "trainer.py"
        self.script.write_text(TRAINER.format(calls=str(self.calls_file)))
        (root / "data").mkdir()
        (root / "data" / "metadata.json").write_text("{}")
        monkeypatch.setattr(running, "command", self.command)
        monkeypatch.setattr("latentrl.studies.report.pictures", lambda *_: {})

    def command(self, verb: str, arguments: tuple[str, ...]) -> tuple[str, ...]:
        return (sys.executable, "-S", "-E", str(self.script), verb, *arguments)

    def options(self, *rows: str, **changes: object) -> StudyOptions:
        path = self.root / "mine.json"
        content = {"rows": [{"name": row, "model": "ekvae"} for row in rows], "columns": ["score"], "steps": 100}
        path.write_text(json.dumps(content))
        common = {"study": str(path), "out": self.root / "out", "seeds": 2, "jobs": 2, "data_dir": self.root / "data"}
        return StudyOptions(**{**common, **changes})  # type: ignore[arg-type]

    @property
    def calls(self) -> list[str]:
        return self.calls_file.read_text().splitlines() if self.calls_file.exists() else []

    def table(self) -> str:
        return (self.root / "out" / "table_1.md").read_text()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


class FirstSpawned:
    """The first process is an interpreter of its own, as it is for everybody; the others need not import anything.

    These are given no environment: that of the tests has one thread already.
    """

    DEVNULL, STDOUT = subprocess.DEVNULL, subprocess.STDOUT

    def __init__(self) -> None:
        self.started = 0

    def Popen(self, words: Sequence[str], **more: Any) -> Any:
        self.started += 1
        return subprocess.Popen(words, **more) if self.started == 1 else chaos.Forked(words, **more)


def test_two_rows_of_the_pendulum_end_to_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real data, real trainings in processes of their own, four steps long."""
    processes = FirstSpawned()
    if sys.platform == "linux":
        chaos.preload_late()
        monkeypatch.setattr(local, "subprocess", processes)
    for seed in range(2):
        folder = tmp_path / "data" / f"seed{seed}"
        collect(CollectOptions(out=folder, sequences=6, test_sequences=20, length=6, num_envs=2, seed=seed))
    options = StudyOptions(
        study="pendulum",
        out=tmp_path / "out",
        seeds=2,
        jobs=2,
        rows=("ekvae-co", "dks-annealing"),
        data_dir=tmp_path / "data",
        steps=4,
        publish=tmp_path / "results",
    )
    results = study(options)
    assert processes.started == 4 * (sys.platform == "linux")
    assert results is not None
    assert [len(results.values(row, "r2_velocity")) for row in options.rows] == [2, 2]
    published = {path.name for path in (tmp_path / "results" / "pendulum").iterdir()}
    tables = {f"table_{number}.{kind}" for number in ("4_1", "4_3") for kind in ("md", "csv")}
    assert published == tables | {"claims.md", "settings.json", "runs.csv", "barrels_4_1.png", "predictions_4_1.png"}
    table = (tmp_path / "out" / "table_4_1.md").read_text()
    assert "Quick look: 4 gradient steps" in table and "0.991" in table and "not finished: VHP-DKS (CO)" in table
    record = json.loads((tmp_path / "out" / "settings.json").read_text())
    done = [run for run in record["runs"] if run["state"] == "finished"]
    assert {(run["row"], run["seed"]) for run in done} == {(row, seed) for row in options.rows for seed in range(2)}
    steps = {"ekvae-co": "--steps 4 ", "dks-annealing": "--steps 12 "}
    assert all(steps[run["row"]] in run["command"] and str(tmp_path) in run["command"] for run in done)
    assert record["shared_by_all_rows"]["training.batch"] == 50
    assert record["differs_between_rows"]["options.model"] == {"ekvae-co": "ekvae", "dks-annealing": "dks"}
    trained = (tmp_path / "out" / "ekvae-co" / "seed1" / "settings.json").read_text()
    assert str(tmp_path / "data" / "seed1") in json.loads(trained)["options"]["data"]
    assert "[4/4]" in capsys.readouterr().out


def test_a_finished_study_starts_nothing(bench: Bench) -> None:
    options = bench.options("good", "bad")
    study(options)
    assert len(bench.calls) == 4
    before = bench.table()
    study(options)
    assert len(bench.calls) == 4 and bench.table() == before


def test_a_run_that_outlived_its_study_is_noted_as_finished(bench: Bench) -> None:
    study(bench.options("good"))
    path = bench.root / "out" / "good" / "seed0.json"
    before = json.loads(path.read_text())
    assert before["state"] == "finished"
    # As a study leaves it that is killed while the training works on.
    path.write_text(json.dumps({**before, "state": "running", "seconds": 0.0}))
    study(bench.options("good"))
    after = json.loads(path.read_text())
    assert after["state"] == "finished" and after["reason"] is None
    trained = json.loads((path.with_suffix("") / "metrics.json").read_text()).get("train_seconds", 0.0)
    assert after["seconds"] == pytest.approx(trained, abs=0.06)


def test_more_seeds_add_only_what_is_new(bench: Bench) -> None:
    study(bench.options("good", seeds=1))
    study(bench.options("good", seeds=3))
    assert sorted(call.split("--seed ")[1][0] for call in bench.calls) == ["0", "1", "2"]


def test_a_failed_run_is_shown_and_stays_failed_until_asked(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    study(bench.options("good", "broken"))
    said = capsys.readouterr().out
    assert "failed: broken/seed0: the gradient is nan at step 7" in said and "--retry-failed" in said
    assert "**failed**: broken, seed 1: the gradient is nan at step 7" in bench.table()
    assert "0 of 2, 2 failed" in bench.table()
    with (bench.root / "out" / "runs.csv").open(newline="") as file:
        rows = {(row["row"], row["seed"]): row for row in csv.DictReader(file)}
    assert rows["broken", "0"]["state"] == "failed" and rows["broken", "0"]["score"] == ""
    study(bench.options("good", "broken"))
    assert len(bench.calls) == 4
    study(bench.options("good", "broken", retry_failed=True))
    assert len(bench.calls) == 6 and "--resume" not in bench.calls[-1]


def test_the_exit_code_tells_that_a_run_failed(bench: Bench) -> None:
    given = bench.options("good", "broken")
    words = [given.study, "--out", str(given.out), "--data-dir", str(given.data_dir), "--seeds", "1"]
    main([*words, "--rows", "good"])
    for more in ([], ["--report"]):
        with pytest.raises(SystemExit) as stopped:
            main([*words, *more])
        assert stopped.value.code == 3, more
        assert "1 failed" in bench.table()
    main([*words, "--dry-run"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_the_trainings_gently_and_the_next_call_resumes_them(bench: Bench, number: signal.Signals) -> None:
    """Termination counts as Ctrl-C; the fake trainer saves its state when it is interrupted."""
    options = bench.options("good", "slow", seeds=1)
    ready = bench.root / "out" / "slow" / "seed0" / "ready"
    record_of_the_other = bench.root / "out" / "good" / "seed0.json"

    def interrupt() -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if ready.exists() and record_of_the_other.exists() and "finished" in record_of_the_other.read_text():
                os.kill(os.getpid(), number)
                return
            time.sleep(0.02)

    sender = threading.Thread(target=interrupt)
    sender.start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        study(options)
    sender.join()
    assert time.monotonic() - started < 40, "the training was not told to stop"
    record = json.loads((bench.root / "out" / "slow" / "seed0.json").read_text())
    assert record["state"] == "interrupted" and record["seconds"] > 0
    calls = len(bench.calls)
    study(options)
    assert len(bench.calls) == calls + 1 and "--resume" in bench.calls[-1]
    assert "not finished" not in bench.table()


def test_other_options_need_another_folder(bench: Bench) -> None:
    study(bench.options("good"))
    with pytest.raises(UserError, match=r"good.seed0 was made with .*--steps 100.*--steps 50.*another --out"):
        study(bench.options("good", steps=50))
    (bench.root / "more").mkdir()
    (bench.root / "more" / "metadata.json").write_text("{}")
    with pytest.raises(UserError, match=r"on .*more.*another --out"):
        study(bench.options("good", data_dir=bench.root / "more"))
    assert len(bench.calls) == 2


def test_a_folder_of_something_else_stays(bench: Bench) -> None:
    theirs = bench.root / "out" / "good" / "seed0"
    theirs.mkdir(parents=True)
    (theirs / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="not made by this study"):
        study(bench.options("good"))
    assert (theirs / "thesis.tex").exists() and not bench.calls


def test_two_studies_cannot_share_a_folder(bench: Bench) -> None:
    with exclusive(bench.root / "out", "study"), pytest.raises(UserError, match="at work"):
        study(bench.options("good"))
    study(bench.options("good"))


def test_a_dry_run_prints_the_commands_and_the_time(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert study(bench.options("good", "bad", dry_run=True)) is None
    said = capsys.readouterr().out.splitlines()
    assert len([line for line in said if line.startswith("OMP_NUM_THREADS=1 python -m latentrl.train --data ")]) == 4
    assert said[-1].startswith("4 runs: 4 waiting; about ") and not bench.calls and not (bench.root / "out").exists()


def test_the_pendulums_dry_run_collects_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study(StudyOptions(study="pendulum", out=tmp_path / "out", seeds=3, dry_run=True, figure_4_4=True))
    said = capsys.readouterr().out
    assert said.count("latentrl.collect --env pendulum") == 3
    assert said.count("latentrl.train") == 3 * (13 + 9)
    assert "--objective annealing --annealing-steps 4000 --prior normal" in said
    assert "--annealing-steps 1000 " in said


def test_a_report_trains_nothing(bench: Bench) -> None:
    study(bench.options("good", seeds=1))
    study(bench.options("good", seeds=2, report=True))
    assert len(bench.calls) == 1 and "not finished: good, seed 1" in bench.table()


def test_a_quick_look_has_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bench: Bench) -> None:
    monkeypatch.chdir(tmp_path)
    study(bench.options("good", out=None, steps=50))
    study(bench.options("good", out=None))
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"study-mine", "study-mine-50-steps"}


def test_the_reacher_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "register", lambda: None)
    monkeypatch.delitem(gymnasium.registry, "latentrl/Reacher-v0", raising=False)
    with pytest.raises(UserError, match=r"needs data of latentrl/Reacher-v0.*--data-dir"):
        study(StudyOptions(study="reacher-angles", out=tmp_path / "out", dry_run=True))


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["pendulum", "--seeds", "0"], "--seeds 0"),
        (["pendulum", "--jobs", "0"], "--jobs 0"),
        (["pendulum", "--steps", "0"], "--steps 0"),
        (["pendulum", "--rows", "ekave"], "no such row; there are vhp-ekvae-co"),
        (["pendulum", "--data-dir", "nowhere"], "no data in nowhere/seed0"),
        (["control", "--rows", "reach"], "no such row; there are swing-up-ekvae"),
        (["control", "--data-dir", "there"], "--data-dir there: the study control makes its own data"),
        (["control", "--figure-4.4"], "--figure-4.4: the study control"),
        (["control", "--device", "cuda"], "--device cuda: the study control"),
        (["control", "--steps", "4", "--publish", "there"], "--publish: what --steps 4 makes is no result"),
        (["pendulumm"], "no study pendulumm: give pendulum, reacher-angles, static-pendulum, geometry, geometry-arm"),
    ],
)
def test_bad_options_name_flag_and_cure(
    arguments: list[str],
    problem: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit_code:
        main(arguments)
    assert exit_code.value.code == 2 and problem in capsys.readouterr().err
    assert not list(tmp_path.rglob("settings.json"))


def test_an_interrupted_verb_says_that_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "study", interrupt)
    with pytest.raises(SystemExit) as exit_code:
        main(["pendulum"])
    assert exit_code.value.code == 130 and "goes on" in capsys.readouterr().err


# -- elsewhere ---------------------------------------------------------------------------------------------------------


def _as_called(script: Path, number: int) -> list[str]:
    """The words that a script of an array starts Python with, behind ``-m latentrl.study``, for a task's number."""
    told = script.with_name("told")
    subprocess.run(["bash", str(script)], env={"SLURM_ARRAY_TASK_ID": str(number), "TOLD": str(told)}, check=True)
    words = told.read_text().splitlines()
    assert words[:2] == ["-m", "latentrl.study"]
    return words[2:]


def test_the_tasks_of_an_array_come_to_what_one_process_does(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = bench.options("good", "broken", jobs=3, out=bench.root / "it's here")
    python = bench.root / "python 3"
    python.write_text('#!/bin/bash\nprintf "%s\\n" "$@" > "$TOLD"\n')
    python.chmod(0o755)
    folder = bench.root / "it's here" / "slurm"
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", str(python))
        assert study(replace(options, on="slurm")) is None
    assert not bench.calls
    said = capsys.readouterr().out
    assert "4 tasks in runs.txt; nothing is submitted yet" in said and "--dependency=afterany:$runs" in said
    script = (folder / "runs.sh").read_text()
    assert "#SBATCH --array=1-4%3\n" in script and "#SBATCH --requeue\n" in script
    for name in ("runs", "report", "submit"):
        subprocess.run(["bash", "-n", str(folder / f"{name}.sh")], check=True)
    for number in (1, 2, 3, 4, 1, 2):  # two are requeued after their end
        words = _as_called(folder / "runs.sh", number)
        with pytest.raises(SystemExit) if number % 2 == 0 else nullcontext():
            main(words)
    assert len(bench.calls) == 4 and not (bench.root / "it's here" / "table_1.md").exists()
    with pytest.raises(SystemExit):
        main(_as_called(folder / "report.sh", 0))
    study(replace(options, out=bench.root / "out"))
    assert (bench.root / "it's here" / "table_1.md").read_text() == bench.table()


def test_data_comes_before_the_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = StudyOptions("pendulum", out=tmp_path / "out", seeds=2, rows=("ekvae-co",), on="slurm")
    assert study(options) is None
    submit = (tmp_path / "out" / "slurm" / "submit.sh").read_text()
    assert submit.index("first.sh") < submit.index("--dependency=afterok:$first") < submit.index("afterany:$runs")
    first = shlex.split((tmp_path / "out" / "slurm" / "first.sh").read_text().splitlines()[-1])
    make = "import pathlib, sys; out = pathlib.Path(sys.argv[sys.argv.index('--out') + 1]); out.mkdir(parents=True)"
    code = f"{make}; (out / 'metadata.json').touch()"
    monkeypatch.setattr(running, "command", lambda verb, words: (sys.executable, "-S", "-E", "-c", code, verb, *words))
    main(first[4:])
    assert sorted(path.parent.name for path in tmp_path.rglob("metadata.json")) == ["seed0", "seed1"]
    assert study(options) is None and "afterok" not in (tmp_path / "out" / "slurm" / "submit.sh").read_text()


def test_names_that_a_script_cannot_hold_are_refused_and_slurm_s_own_signs_are_not_read_in_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = StudyOptions("pendulum", out=tmp_path / "a\n$(touch b)", seeds=1, rows=("ekvae-co",), on="slurm")
    with pytest.raises(UserError, match="has a line break or the like"):
        study(options)
    assert not list(tmp_path.rglob("*.sh"))
    assert study(replace(options, out=tmp_path / "a%j")) is None
    runs = (tmp_path / "a%j" / "slurm" / "runs.sh").read_text()
    assert "/a%%j/slurm/%x-%A_%a.log" in runs and "/a%j/slurm/runs.txt" in runs


def test_a_study_on_a_cluster_loses_a_try_and_no_result(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def connected(address: str | None) -> Iterator[StandIn]:
        assert address == "ray://head:10001"
        yield StandIn(lost={1})

    monkeypatch.setattr("latentrl.studies.launchers.ray.ray_cluster", connected)
    there = study(bench.options("good", "other", on="ray://head:10001", jobs=None, out=bench.root / "there"))
    assert len(bench.calls) == 4
    here = study(bench.options("good", "other"))
    assert here is not None and there is not None
    assert [there.values(row, "score") for row in ("good", "other")] == [{0: 1.0, 1: 2.0}, {0: 0.0, 1: 1.0}]
    assert (bench.root / "there" / "table_1.md").read_text() == bench.table()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"on": "cloud"}, "--on cloud: there is no such place; give one of local, ray, ray://HOST:PORT, slurm"),
        ({"on": "ray://head"}, "--on ray://head: give ray://HOST:PORT"),
        ({"rows": ("good", "good/seed0")}, "--rows good: give single runs alone, NAME/seedK, or none"),
        ({"rows": ("good/seed2",)}, "--rows good/seed2: there are 2 seeds, from 0; give --seeds 3 or more"),
        ({"rows": ("god/seed0",)}, "--rows god: there is no such row"),
    ],
    ids=["place", "address", "mixed", "seed", "row"],
)
def test_places_and_runs_that_there_are_not(bench: Bench, changes: dict[str, object], told: str) -> None:
    with pytest.raises(UserError, match=told):
        study(bench.options("good", **changes))
