"""What every stage must hold, whoever wrote it: one battery for all of `STAGES`.

The hardest of it: a training that is stopped in any stage, however suddenly, ends as if nothing had happened.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from latentrl.models.capabilities import CAPABILITIES
from latentrl.runs.folder import CHECKPOINT, MODEL
from latentrl.runs.tensors import read_tensors, write_tensors
from latentrl.train import train
from latentrl.training import situation as situation_module
from latentrl.training.options import TrainOptions
from latentrl.training.recipes import choose
from latentrl.training.settings import TrainSettings
from latentrl.training.situation import Situation
from latentrl.training.stages import STAGES, Stage, chart_start
from latentrl.training.training import Training
from tests.conformance.recorded import options_for, situation_of, true_chart, write_arms, write_sensors


class Killed(BaseException):
    """What no stage and no verb expects: the process is gone."""


def ctrl_c() -> None:
    """Takes effect after the step, where a stage saves what it has done, or at once."""
    signal.raise_signal(signal.SIGINT)


def ctrl_c_twice() -> None:
    """Takes effect at once, within a step."""
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)


def kill() -> None:
    """Nobody is asked."""
    raise Killed


STOPS: dict[Callable[[], None], type[BaseException]] = {ctrl_c: SystemExit, ctrl_c_twice: SystemExit, kill: Killed}
"""How a training is stopped, and what comes of that."""


class Stopping(Stage):
    """A stage that is stopped in its second gradient step; without any, when all is done but for the checkpoint."""

    def __init__(self, stage: Stage, stop: Callable[[], None]) -> None:
        self.stage, self.stop = stage, stop

    def why(self, situation: Situation, settings: TrainSettings) -> str | None:
        return self.stage.why(situation, settings)

    def run(self, training: Training) -> None:
        step, calls, stop = torch.optim.Adam.step, 0, self.stop

        def counted(optimiser: torch.optim.Adam, *arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == 2:
                stop()
            return step(optimiser, *arguments)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(torch.optim.Adam, "step", counted)
            self.stage.run(training)
        stop()


class Copying(Stage):
    """A stage before which the run folder is copied."""

    def __init__(self, stage: Stage, to: Path) -> None:
        self.stage, self.to = stage, to

    def why(self, situation: Situation, settings: TrainSettings) -> str | None:
        return self.stage.why(situation, settings)

    def run(self, training: Training) -> None:
        shutil.copytree(training.folder, self.to)
        self.stage.run(training)


class Recorded(NamedTuple):
    """A training that nothing stopped: its run folder, copies of that before each stage, and its situation."""

    run: Path
    before: dict[str, Path]
    situation: Situation


def in_short(patched: pytest.MonkeyPatch) -> None:
    """Leave out what a start on a chart does besides the steps it is told, and the chart: too much for a test."""
    patched.setattr(chart_start, "MOTION_STEPS", 3)
    patched.setattr(chart_start, "moving_frame", lambda chart, size: torch.zeros(chart.shape[-1], size, 4))
    patched.setattr(situation_module, "read_chart", true_chart)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Recorded]:
    """A training on sensors and one that begins on a chart of pictures: together they have all stages."""
    found = {}
    folder = tmp_path_factory.mktemp("stages")
    for data in (write_sensors(folder / "sensors"), write_arms(folder / "arms")):
        with pytest.MonkeyPatch.context() as patched:
            in_short(patched)
            situation, run = situation_of(data), folder / "runs" / data.name
            before = {name: folder / "before" / data.name / name for name in choose(situation).stages}
            for name, copy in before.items():
                patched.setitem(STAGES, name, Copying(STAGES[name], copy))
            train(options_for(data, run=run))
        found[data.name] = Recorded(run, before, situation)
    return found


def same(run: Path, other: Path) -> bool:
    first, second = (read_tensors(folder / MODEL, "")[0] for folder in (run, other))
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def resume(run: Path) -> None:
    torch.manual_seed(77)
    train(TrainOptions(run=run, resume=True, progress=False, device="cpu"))


def check_needs_are_capabilities(stage: Stage) -> None:
    """So that a recipe can tell which models can be trained so."""
    assert set(stage.needs) <= set(CAPABILITIES)


def check_a_model_that_lacks_something_is_trained_without_it(name: str, situation: Situation) -> None:
    """For every capability that it needs; and the recipe says so."""
    recipe = choose(situation)
    for need in STAGES[name].needs if name in recipe.stages else ():
        poorer = replace(situation, capabilities=situation.capabilities - {need})
        found = choose(poorer, recipe.settings)
        assert name not in found.stages


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_says_what_it_needs_and_why(name: str, recorded: dict[str, Recorded]) -> None:
    check_needs_are_capabilities(STAGES[name])
    for one in recorded.values():
        why = STAGES[name].why(one.situation, choose(one.situation).settings)
        assert why is None or (why.strip() and "\n" not in why)
        check_a_model_that_lacks_something_is_trained_without_it(name, one.situation)


def test_every_stage_is_run_by_one_of_the_recipes_here(recorded: dict[str, Recorded]) -> None:
    """Else the battery would pass it over: switch it on in ``tests/conformance/recorded.py``, ``options_for``."""
    assert set(STAGES) == {name for one in recorded.values() for name in one.before}


@pytest.mark.parametrize("stop", STOPS, ids=lambda stop: stop.__name__)
@pytest.mark.parametrize("name", STAGES)
def test_a_training_stopped_in_any_stage_ends_as_if_nothing_had_happened(
    name: str,
    stop: Callable[[], None],
    recorded: dict[str, Recorded],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if stop is ctrl_c_twice and not STAGES[name].continues:
        pytest.skip("where nothing waits for the end of a step, once is as much")
    one = next(one for one in recorded.values() if name in one.before)
    in_short(monkeypatch)
    run = shutil.copytree(one.before[name], tmp_path / "run")
    if (run / CHECKPOINT).is_file():
        monkeypatch.setattr(situation_module, "read_chart", None)  # a model that has started needs no other
    with monkeypatch.context() as patched, pytest.raises(STOPS[stop]):
        patched.setitem(STAGES, name, Stopping(STAGES[name], stop))
        resume(run)
    assert not (run / MODEL).exists()
    said = capsys.readouterr().out
    assert (STOPS[stop] is SystemExit) == (f"'{name}'" in said and f"--run {run} --resume" in said)
    resume(run)
    assert same(run, one.run)
    left = {CHECKPOINT, *(file for stage in STAGES.values() for file in stage.leaves)}
    assert not left & {path.name for path in run.iterdir()}


@pytest.mark.parametrize("name", ["gradient to half-way", "gradient"])
def test_a_run_from_before_stages_were_remembered_goes_on(
    name: str, recorded: dict[str, Recorded], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its checkpoints name no stages: which are done is told by the step, before and after the half-way one."""
    one = recorded["arms"]
    in_short(monkeypatch)
    run = shutil.copytree(one.before[name], tmp_path / "run")
    with monkeypatch.context() as patched, pytest.raises(SystemExit):
        patched.setitem(STAGES, name, Stopping(STAGES[name], ctrl_c))
        resume(run)
    tensors, metadata = read_tensors(run / CHECKPOINT, "")
    write_tensors(run / CHECKPOINT, tensors, {"training": metadata["training"]})
    resume(run)
    assert same(run, one.run)


def test_a_stage_that_is_another_the_second_time_is_found_out(
    recorded: dict[str, Recorded], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The battery can fail."""

    class Counting(Stage):
        def why(self, situation: Situation, settings: TrainSettings) -> str:
            return "adds what a file counts"

        def run(self, training: Training) -> None:
            path = training.folder / "count"
            path.write_text("x" + (path.read_text() if path.is_file() else ""))
            with torch.no_grad():
                next(training.model.parameters()).add_(len(path.read_text()))

    monkeypatch.setitem(STAGES, "counting", Counting())
    copy = recorded["sensors"].before["velocity coordinates"]
    whole, parts = (shutil.copytree(copy, tmp_path / name) for name in ("whole", "parts"))
    resume(whole)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setitem(STAGES, "counting", Stopping(Counting(), kill))
        resume(parts)
    resume(parts)
    assert not same(whole, parts)


def test_a_prior_that_cannot_begin_afresh_is_not_said_to(recorded: dict[str, Recorded]) -> None:
    situation = recorded["arms"].situation
    plain = replace(situation, options=replace(situation.options, prior="normal"))
    assert "prior" in choose(situation).stages and "prior" not in choose(plain).stages
