"""`latentrl suite` as it is typed: one system all the way at tiny size, again, and what is refused."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import tyro

import latentrl.suite
from latentrl.studies.launchers import local
from latentrl.studies.systems import SYSTEMS
from latentrl.suite import SuiteOptions, chains_of, main, suite
from latentrl.support.errors import UserError
from tools.chaos import ForkedSubprocess

ROOT = Path(__file__).resolve().parent.parent


def test_a_system_goes_through_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The recorded log needs no renderer, and has every kind of step but a policy's."""
    monkeypatch.chdir(ROOT)  # its recordings are those of the tests
    if sys.platform == "linux":
        # Each step is a process of its own all the same, and need not import everything anew.
        monkeypatch.setattr(local, "subprocess", ForkedSubprocess)
    log = replace(SYSTEMS["ball-log"], agents=("cem", "random"))
    monkeypatch.setattr(latentrl.suite, "SYSTEMS", {**SYSTEMS, "ball-log": log})
    arguments = ["--quick", "--only", "ball-log", "--out", str(tmp_path / "suite")]
    main([*arguments, "--list"])
    listed = capsys.readouterr().out
    assert "0 of 5 steps are done" in listed and "python -m latentrl.import_recordings" in listed
    assert not (tmp_path / "suite").exists()
    main(arguments)
    said = capsys.readouterr().out
    assert "failed" not in said, said
    stored = json.loads((tmp_path / "suite" / "systems.json").read_text())
    (seed,) = stored["systems"]["ball-log"]
    assert {step["state"] for step in seed["steps"].values()} == {"finished"}
    assert set(seed["r2"]) == {"across", "down", "across_velocity", "down_velocity"}
    assert len(seed["evaluations"]["middle"]["cem"]["return"]) == 2
    text = (tmp_path / "suite" / "systems.md").read_text()
    assert "No result" in text and "not run yet" in text
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.log")}
    assert len(times) == 5
    main(arguments)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.log")} == times


@pytest.mark.parametrize("state", ["finished", "failed", "blocked"])
def test_the_exit_code_tells_that_a_step_failed(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = {"train": {"state": state, "reason": "it broke"}}
    found = {"systems": {"ball-log": [{"seed": 0, "steps": steps}]}}
    monkeypatch.setattr(latentrl.suite, "suite", lambda options: found)
    if state != "failed":
        main([])
        return
    with pytest.raises(SystemExit) as stopped:
        main([])
    assert stopped.value.code == 3


def test_a_seed_of_every_system_comes_before_the_next() -> None:
    seeds = [chain.seed for chain in chains_of(SuiteOptions())]
    assert seeds == sorted(seeds) and seeds.count(0) == len(SYSTEMS)
    assert {chain.seed for chain in chains_of(SuiteOptions(only=("cartpole",), seeds=2))} == {0, 1}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (SuiteOptions(only=("cart",)), "--only cart: there is no such system; there are pendulum-v1"),
        (SuiteOptions(seeds=0), "--seeds 0"),
        (SuiteOptions(jobs=0), "--jobs 0"),
        (SuiteOptions(quick=True, publish=Path("docs")), "--publish: what --quick makes is no result"),
    ],
    ids=["only", "seeds", "jobs", "publish"],
)
def test_what_is_refused(options: SuiteOptions, told: str) -> None:
    with pytest.raises(UserError, match=told):
        suite(options)


def test_a_chain_is_a_task_of_an_array(tmp_path: Path) -> None:
    options = SuiteOptions(out=tmp_path, only=("ball-log",), seeds=2, quick=True, on="slurm")
    assert suite(options) is None
    lines = (tmp_path / "slurm" / "runs.txt").read_text().splitlines()
    called = [chains_of(tyro.cli(SuiteOptions, args=shlex.split(line)[3:])) for line in lines]
    assert [[chain.name for chain in chains] for chains in called] == [["ball-log/seed0"], ["ball-log/seed1"]]
    assert [chain for chains in called for chain in chains] == chains_of(options)


def test_a_report_of_nothing_says_so(tmp_path: Path) -> None:
    found = suite(SuiteOptions(out=tmp_path, report=True, publish=tmp_path / "docs"))
    assert found is not None and found["systems"] == {}
    assert (tmp_path / "docs" / "systems.md").read_text().count("not run yet") == sum(
        len(system.evaluations) for system in SYSTEMS.values()
    )
