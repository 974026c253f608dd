"""Verbs that are watched: a panel and a tracker change nothing of what is trained and measured, and see all of it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from latentrl.collect import CollectOptions, collect
from latentrl.envs import TASKS
from latentrl.evaluate import evaluate
from latentrl.evaluation.options import EvaluateOptions
from latentrl.live import terminal
from latentrl.quickstart import QuickstartOptions, plan_of
from latentrl.runs.folder import HISTORY, MODEL, load_settings
from latentrl.support.errors import UserError
from latentrl.tracking import TRACKERS
from latentrl.tracking.base import Beginning, Ending, Kind
from latentrl.train import train
from latentrl.training.options import TrainOptions
from latentrl.training.trainer import Trainer
from latentrl.types import RateDistortion


class Toy:
    """A tracker that remembers."""

    def __init__(self, beginning: Beginning) -> None:
        self.beginning, self.run, self.where = beginning, beginning.run or "r1", "in here"
        self.rows: dict[int, Mapping[str, float]] = {}
        self.files: list[str] = []
        self.ending: Ending | None = None

    def log(self, figures: Mapping[str, float], step: int) -> None:
        self.rows[step] = figures

    def log_file(self, path: Path) -> None:
        self.files.append(path.name)

    def finish(self, ending: Ending) -> None:
        self.ending = ending


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> list[Toy]:
    """What was tracked by the tracker ``toy``."""
    made: list[Toy] = []

    def begin(beginning: Beginning) -> Toy:
        made.append(Toy(beginning))
        return made[-1]

    monkeypatch.setitem(TRACKERS, "toy", Kind(begin))
    return made


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """A terminal, for all panels."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=90, height=40, color_system=None, legacy_windows=False)
    monkeypatch.setattr(terminal, "Console", lambda **_: console)
    monkeypatch.setattr(terminal, "why_not", lambda *_: None)
    return file


def test_a_training_is_the_same_and_goes_on_in_its_tracked_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    toys: list[Toy],
    screen: io.StringIO,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = collect(CollectOptions(out=tmp_path / "data", sequences=12, test_sequences=10, length=5, num_envs=4))
    options = TrainOptions(data, recipe="source", kappa=0.3, steps=40, batch=2, device="cpu", backend="reference")
    plain = train(replace(options, run=tmp_path / "plain", progress=False))
    whole = Trainer.advance

    def stops(self: Trainer) -> RateDistortion:
        if self.step == 30:
            raise KeyboardInterrupt
        return whole(self)

    run = tmp_path / "run"
    with monkeypatch.context() as patched, pytest.raises(SystemExit, match="130"):
        patched.setattr(Trainer, "advance", stops)
        train(replace(options, run=run, overwrite=True, live=True, track="toy:mine"))
    assert toys[0].ending == "interrupted" and "live" not in load_settings(run)["options"]
    _next_comes_last(capsys, f"--run {run} --resume")
    train(TrainOptions(run=run, resume=True, live=True, device="cpu"))
    _next_comes_last(capsys, f"learn --run {run} ")
    first, second = toys
    assert second.beginning.run == first.run == "r1" and second.ending == "finished"
    assert first.beginning.settings["options"]["steps"] == 40 and first.beginning.project == "mine"
    with (run / HISTORY).open(newline="") as file:
        history = {int(row["step"]): float(row["rate"]) for row in csv.DictReader(file)}
    held_out = second.rows[41]
    assert history == {step: row["train/rate"] for toy in toys for step, row in toy.rows.items() if step < 41}
    assert not first.rows.keys() & second.rows.keys() and len(history) > 1
    assert held_out["held_out/r2_angle"] == json.loads((run / "metrics.json").read_text())["r2_angle"]
    drawn = screen.getvalue()
    # The last thing that each panel shows is where it ended.
    assert "gradient – until step 40" in drawn and "30 of 40 steps  75%" in drawn and "sigma" in drawn
    assert (run / MODEL).read_bytes() == (plain / MODEL).read_bytes(), "to be watched changes nothing"


def _next_comes_last(capsys: pytest.CaptureFixture[str], command: str) -> None:
    *before, tracked, last = capsys.readouterr().out.splitlines()
    assert tracked.startswith("tracked: ") or any(line.startswith("tracked: ") for line in before)
    assert last.startswith("next: ") and command in last


def test_an_evaluation_is_the_same_and_its_film_goes_along(
    pendulum_run: Path,
    monkeypatch: pytest.MonkeyPatch,
    toys: list[Toy],
    screen: io.StringIO,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, task in list(TASKS.items()):
        monkeypatch.setitem(TASKS, name, replace(task, steps=6, seconds=None, episodes=3))
    plain = evaluate(EvaluateOptions(run=pendulum_run, agent="random", video=False))
    watched = evaluate(EvaluateOptions(run=pendulum_run, agent="random", live=True, track="toy"))
    _next_comes_last(capsys, "compare")
    for name in ("success", "measures", "wilson_95", "target"):
        assert watched[name] == plain[name]
    (toy,) = toys
    assert sorted(toy.files) == ["evaluation_random.gif", "evaluation_random.json"]
    figures, interval = toy.rows[0], watched["wilson_95"]
    assert figures["evaluation/successes"] == 0 and figures["evaluation/wilson_95_high"] == interval[1]
    assert toy.beginning.part == "evaluation_random"
    assert "3 of 3 episodes; successes 0 of 3, 0%" in screen.getvalue()


def test_a_panel_that_is_hidden_is_refused_and_a_quickstart_hands_it_on(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--live: shows what --no-progress hides"):
        train(TrainOptions(run=tmp_path / "run", live=True, progress=False))
    plan = plan_of(QuickstartOptions(live=True)).shown_live(True)
    assert plan.train.live and all(one.live for one in plan.evaluations.values())
    assert not plan_of(QuickstartOptions()).train.live
