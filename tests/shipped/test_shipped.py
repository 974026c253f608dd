"""The runs that come with the package: whole, small, as good as they say; and ``zoo:NAME`` where a run is asked for."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from latentrl.__main__ import main
from latentrl.evaluation.loading import load_agent
from latentrl.runs.folder import MODEL, load_model, load_settings
from latentrl.runs.tensors import read_tensors, write_tensors
from latentrl.shipped.copies import COPIES, copy, is_copy, readable, writable
from latentrl.shipped.entries import (
    ENTRY,
    HOME,
    LARGEST,
    PREFIX,
    checked,
    entry_of,
    names,
    outcome,
    told,
    within,
)
from latentrl.support.errors import UserError
from latentrl.support.files import read_json
from tools.make_zoo import halve

LONG = {"cartpole", "point-mass", "reacher-pixels"}
"""Whose pictures are rendered one by one, 20 to 40 seconds of a core each: `make zoo-check` evaluates them again."""


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_least_that_is_shipped() -> None:
    assert {"mountain-car", "pendulum", "pendulum-rod", "reacher"} <= set(names()) and set(names()) >= LONG


@pytest.mark.parametrize("name", names())
def test_an_entry_is_whole_small_and_says_how_it_was_made(name: str) -> None:
    entry = entry_of(name)
    assert entry.size <= LARGEST and {path.name for path in entry.folder.iterdir()} == {*entry.files, ENTRY}
    for file, digest in entry.files.items():
        checked(entry.folder, file, digest)
    settings = load_settings(entry.folder)
    assert settings["options"]["seed"] == entry.seed and re.fullmatch("[0-9a-f]{40}|unknown", entry.commit)
    assert settings["environment"]["git"] == entry.commit
    assert load_model(entry.folder).spec.action_size == settings["model"]["spec"]["action_size"]
    assert entry.evaluation["command"].startswith(f"latentrl evaluate --run {PREFIX}{name} ")
    for path in entry.folder.glob("*.json"):
        assert not re.search(r'"/|/tmp|/home|/root', path.read_text()), f"{path.name} names a place of some machine"


def test_what_is_large_is_shipped_in_half_precision(tmp_path: Path) -> None:
    path, generator = tmp_path / MODEL, torch.Generator().manual_seed(0)
    large, small = torch.randn(64, 64, generator=generator), torch.randn(64, 63, generator=generator)
    write_tensors(path, {"large": large, "small": small, "double": large.double()}, {"made": "here"})
    halve(path)
    found, notes = read_tensors(path, "")
    assert torch.equal(found["large"], large.half()) and notes == {"made": "here"}
    assert torch.equal(found["small"], small) and torch.equal(found["double"], large.double())
    # Who loads them has single precision.
    layer = torch.nn.Linear(64, 64, bias=False)
    layer.load_state_dict({"weight": found["large"]})
    assert layer.weight.dtype == torch.float32


@pytest.mark.parametrize("name", [name for name in names() if name not in LONG])
def test_an_entry_is_as_good_as_it_says(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry = entry_of(name)
    for module in entry.needs.values():
        pytest.importorskip(module)
    copy(entry, tmp_path / "run")
    words = shlex.split(entry.evaluation["command"].replace(PREFIX + name, str(tmp_path / "run")))
    main(words[1:])
    (figures,) = (tmp_path / "run").glob("evaluation_*.json")
    found = outcome(read_json(figures, ""))
    assert found["episodes"] == 50
    assert within(entry.evaluation["outcome"], found), f"{told(found)}, but {told(entry.evaluation['outcome'])}"


SUMMARY: dict[str, Any] = {"agent": "policy", "task": "t", "description": "d", "episodes": 50}


def test_an_outcome_is_within_an_interval_or_not() -> None:
    counted = {**SUMMARY, "successes": 50, "wilson_95": [0.929, 1.0]}
    stored = outcome(counted)
    assert within(stored, outcome({**counted, "successes": 47}))
    assert not within(stored, outcome({**counted, "successes": 46}))
    averaged = {**SUMMARY, "successes": None, "overall": {"return_mean": 9.0, "return_low": 8.0, "return_high": 10.0}}
    assert within(outcome(averaged), outcome({**averaged, "overall": {**averaged["overall"], "return_mean": 8.5}}))
    assert not within(outcome(averaged), outcome({**averaged, "overall": {**averaged["overall"], "return_mean": 7.5}}))
    assert not within(stored, outcome(averaged))
    with pytest.raises(ValueError, match="neither"):
        outcome({**averaged, "overall": {}})


def test_every_verb_takes_a_name_and_writes_into_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = contents(HOME / "pendulum")
    run = ["--run", "zoo:pendulum"]
    main(["evaluate", *run, "--episodes", "2", "--steps", "3", "--no-video"])
    said = capsys.readouterr().out
    place = COPIES / "pendulum"
    assert f"zoo:pendulum: copied to {place}" in said and f"next: python -m latentrl.evaluate --run {place} " in said
    main(["imagine", *run, "--sequences", "2", "--length", "3"])
    main(["learn", *run, "--updates", "1", "--horizon", "2", "--name", "short"])
    main(["compare", *run, "--episodes", "2", "--steps", "2", "--agents", "random", "policy", "--tasks", "swing-up"])
    said = capsys.readouterr().out
    assert "copied" not in said and said.count(f"zoo:pendulum: its copy in {place}\n") == 3
    main(["learn", *run, "--updates", "1", "--horizon", "2"])
    said = capsys.readouterr().out
    assert f"{place / 'policy.safetensors'}: replaces the policy that is there; --name NAME keeps both" in said
    assert f"{place / 'evaluation_policy.json'}: of the policy that is replaced" in said
    assert "quickstart" not in said, "the goal is where it lies here, not where it lay for whoever made the run"
    writable("zoo:pendulum")
    assert "policy.json, policy.safetensors: no longer as shipped (zoo get pendulum" in capsys.readouterr().out
    made = {"imagined.png", "policy-short.safetensors", "compare.md"}
    assert made <= {path.name for path in place.iterdir()} and any(place.glob("evaluation_*.json"))
    assert contents(HOME / "pendulum") == shipped
    assert not list(COPIES.glob(".*")), "something is left of the copying"


@pytest.mark.parametrize("more", [(), ("--resume",), ("--overwrite",)])
def test_a_shipped_run_is_not_copied_to_be_trained(
    more: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(["train", "--run", "zoo:pendulum", *more])
    said = " ".join(capsys.readouterr().err.split())
    assert stopped.value.code == 2 and "zoo:pendulum: is trained already; give a folder of your own" in said
    assert not list(tmp_path.iterdir())


def test_an_agent_is_loaded_by_name_and_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for agent in ("policy", "cem"):
        action = load_agent("zoo:pendulum", agent=agent).act(np.zeros((16, 16, 1), np.uint8))
        assert action.shape == (1,) and np.isfinite(action).all()
    assert not list(tmp_path.iterdir())


def test_the_list_fits_80_columns_and_says_what_each_reached(capsys: pytest.CaptureFixture[str]) -> None:
    main(["zoo", "list"])
    said = capsys.readouterr().out
    for name in names():
        entry = entry_of(name)
        assert " ".join(entry.title.split()) in " ".join(said.split()) and told(entry.evaluation["outcome"]) in said
        assert any(line.startswith(f"{name} ") for line in said.splitlines())
    assert max(map(len, said.splitlines())) <= 80
    assert said.splitlines()[-1] == "next: python -m latentrl.evaluate --run zoo:pendulum", "it needs nothing more"


@pytest.mark.parametrize("name", names())
def test_of_each_it_is_shown_how_it_was_made(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["zoo", "show", name])
    said, entry = capsys.readouterr().out.splitlines(), entry_of(name)
    assert said[0].startswith(f"{name}: {entry.title}") and entry.commit[:12] in said[2]
    assert {f"    {command}" for command in (*entry.commands, entry.evaluation["command"])} <= set(said)
    assert said[-1] == f"next: python -m latentrl.evaluate --run zoo:{name}"


def test_a_run_is_copied_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    main(["zoo", "get", "pendulum", "--out", "mine"])
    assert contents(Path("mine")) == contents(HOME / "pendulum")
    main(["zoo", "get", "zoo:pendulum", "--out", "mine"])
    assert "is there already" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["get"], "which one"),
        (["get", "nothing"], "zoo:nothing: there is no such run; choose one of cartpole, mountain-car"),
        (["get", "../pendulum"], "no such run"),
        (["list", "pendulum"], "list takes nothing"),
        (["show"], "which one"),
        (["show", "nothing"], "zoo:nothing: there is no such run"),
        (["show", "pendulum", "--out", "mine"], "it copies nothing"),
    ],
)
def test_what_is_not_there_is_named(words: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["zoo", *words])
    assert stopped.value.code == 2 and problem in capsys.readouterr().err


def test_an_unknown_name_is_told_where_a_run_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["evaluate", "--run", "zoo:nothing"])
    assert stopped.value.code == 2 and "zoo:nothing" in capsys.readouterr().err
    with pytest.raises(UserError, match="zoo:nothing: there is no such run"):
        readable("zoo:nothing")


def test_another_run_in_the_copys_place_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    place = COPIES / "pendulum"
    place.mkdir(parents=True)
    assert writable("zoo:pendulum") == place  # an empty folder is nobody's
    (place / "model.safetensors").write_bytes(b"another")
    with pytest.raises(UserError, match="holds something else than zoo:pendulum"):
        writable("zoo:pendulum")
    assert (place / "model.safetensors").read_bytes() == b"another"
    assert writable(place) == place


def test_a_link_in_the_copys_place_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    COPIES.mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (COPIES / "pendulum").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="is a link"):
        writable("zoo:pendulum")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_damaged_entry_is_not_copied(tmp_path: Path) -> None:
    copy(entry_of("pendulum"), tmp_path / "home" / "bent")
    (tmp_path / "home" / "bent" / "metrics.json").write_text("{}")
    with pytest.raises(UserError, match=r"metrics\.json is damaged"):
        copy(entry_of("bent", tmp_path / "home"), tmp_path / "copy")
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    path = tmp_path / "home" / "bent" / ENTRY
    path.write_text(json.dumps({**json.loads(path.read_text()), "seed": "0"}))
    with pytest.raises(UserError, match=r"entry\.json is damaged \(seed"):
        entry_of("bent", tmp_path / "home")


def test_whoever_comes_second_takes_the_firsts_copy(tmp_path: Path) -> None:
    entry = entry_of("pendulum")
    copy(entry, tmp_path / "run")
    (tmp_path / "run" / "policy-mine.json").write_text("{}")
    copy(entry, tmp_path / "run")
    assert (tmp_path / "run" / "policy-mine.json").exists() and is_copy(tmp_path / "run", entry)
    with pytest.raises((UserError, OSError)):
        copy(replace(entry, folder=HOME / "reacher", files=entry_of("reacher").files), tmp_path / "run")
