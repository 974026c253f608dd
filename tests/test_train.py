"""The verb: from a data folder to a run folder, through interruption, and its clear errors."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from latentrl.collect import CollectOptions, collect
from latentrl.data_collection import storage
from latentrl.data_collection.storage import load_sequences
from latentrl.models.base import WorldModel
from latentrl.models.over_data import smooth, spread_sample
from latentrl.networks import NETWORKS
from latentrl.networks.standardisation import data_deviation
from latentrl.objectives.annealing import Annealing
from latentrl.runs.folder import CHECKPOINT, MODEL, SETTINGS, is_finished, load_model, load_settings
from latentrl.runs.tensors import read_tensors, write_tensors
from latentrl.support.compiling import compiled
from latentrl.support.errors import UserError
from latentrl.support.options import options_to_json
from latentrl.train import main, run_stages, train
from latentrl.training.building import build_objective, build_trainer, build_training
from latentrl.training.explaining import explained
from latentrl.training.kept_target import CHART
from latentrl.training.options import TrainOptions, choose_device, options_from_json
from latentrl.training.recipes import Recipe, choose
from latentrl.training.rehearsal import rehearse
from latentrl.training.situation import measure
from latentrl.training.stages import STAGES
from latentrl.training.stages.best_start import best_start
from latentrl.training.stages.gauge import VelocityCoordinates
from latentrl.training.stages.transition_em import fit_transition_by_em
from latentrl.training.trainer import DivergedError, Trainer
from latentrl.training.training import Training
from latentrl.types import Belief, RateDistortion, Sequences, Trajectory
from tests.arms import wander


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "pendulum"
    return collect(CollectOptions(out=folder, sequences=20, test_sequences=10, length=6, num_envs=5))


def options(data: Path, run: Path, **changes: object) -> TrainOptions:
    common = {"data": data, "run": run, "steps": 10, "batch": 4, "progress": False, "device": "cpu"}
    return TrainOptions(**{**common, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of `options` as they are, which nobody changes: whoever writes takes a copy."""
    return train(options(data, tmp_path_factory.mktemp("finished") / "run"))


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of `finished`, to go on with, to change or to damage."""
    return shutil.copytree(finished, tmp_path / "run")


def test_a_run_folder_holds_what_later_verbs_need(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(options(data, tmp_path / "run"))
    assert not (run / CHECKPOINT).exists() and not list(run.glob("*.partial"))
    settings = json.loads((run / SETTINGS).read_text())
    assert settings["options"]["seed"] == 0
    assert "Pendulum-v0" in json.dumps(settings["data"])
    assert settings["environment"]["torch"] == torch.__version__
    assert settings["threads"] == 1
    figures = json.loads((run / "metrics.json").read_text())
    assert {"r2_angle", "mse_predict_mean", "mse_mean_image", "train_seconds"} <= figures.keys()
    assert list(run.glob("events.out.tfevents.*"))
    model = load_model(run)
    assert not model.training and model.spec.observation_shape == (16, 16, 1)
    assert f"next: python -m latentrl.learn --run {run}" in capsys.readouterr().out


def test_what_a_training_failed_at_is_said_and_with_strict_it_is_the_exit_code(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bound that ten steps cannot meet, and figures that say no motion was learned."""
    monkeypatch.setattr("latentrl.train.evaluate_model", lambda *_, **__: {"told_displacement": 0.1})
    with pytest.raises(SystemExit) as ended:
        train(options(data, tmp_path / "strict", kappa=1e-4, strict=True))
    assert ended.value.code == 3
    said = capsys.readouterr().out
    assert "warning: the constraint was never met" in said and "warning: the motion is hardly learned" in said
    assert "next: " in said, "the model may be looked at all the same"
    assert is_finished(tmp_path / "strict")
    warnings = json.loads((tmp_path / "strict" / "metrics.json").read_text())["warnings"]
    assert [warning[:14] for warning in warnings] == ["the constraint", "the motion is "]
    assert train(options(data, tmp_path / "not", kappa=1e-4)) == tmp_path / "not"
    assert "strict" not in json.loads((tmp_path / "strict" / SETTINGS).read_text())["options"]


def test_strict_says_nothing_of_a_training_that_went_well(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("latentrl.train.evaluate_model", lambda *_, **__: {"told_displacement": 0.99})
    train(options(data, tmp_path / "run", objective="elbo", strict=True))
    assert "warning" not in capsys.readouterr().out
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["warnings"] == []


@pytest.mark.parametrize("model", ["dks", "dvbs"])
def test_a_recurrent_posterior_gets_a_position_of_its_own_and_short_sequences_unless_the_recipe_is_the_source_s(
    data: Path, tmp_path: Path, model: str
) -> None:
    situation = measure(options(data, tmp_path / "run", model=model), load_sequences(data, "train"))
    recipe = choose(situation)
    assert recipe.model["position_size"] == 2 and recipe.model["shortest"] == 3
    assert "velocity coordinates" in recipe.stages
    text = "\n".join(explained(situation, recipe))
    assert "penalty      position" in text and "penalty      velocity" in text
    of_frames = choose(measure(options(data, tmp_path / "run"), load_sequences(data, "train")))
    assert recipe.settings.velocity_alignment > of_frames.settings.velocity_alignment, "it can hide the velocity"
    of_sensors = choose(replace(situation, images=False)).settings
    assert of_sensors.velocity_alignment == recipe.settings.velocity_alignment, "of joints that are pushed, too"
    plain = measure(options(data, tmp_path / "run", model=model, recipe="source"), load_sequences(data, "train"))
    recipe = choose(plain)
    assert recipe.model["position_size"] is None and recipe.model["shortest"] == 0
    assert "velocity coordinates" not in recipe.stages
    assert "penalty" not in "\n".join(explained(plain, recipe))


def test_sigma_that_its_floor_held_is_set_to_the_error_that_is_left(data: Path, tmp_path: Path) -> None:
    situation = measure(options(data, tmp_path / "run"), load_sequences(data, "train"))
    recipe = choose(situation)
    assert recipe.settings.sigma_floor == pytest.approx(0.3 * situation.kappa)
    assert (
        choose(replace(situation, options=options(data, tmp_path / "run", recipe="source"))).settings.sigma_floor == 0
    )
    held = replace(recipe, settings=replace(recipe.settings, sigma_floor=0.9))
    training = build_training(situation, held, tmp_path / "run")
    STAGES["gradient"].run(training)
    states = smooth(training.model, training.data).mean.float()
    left = (training.model.emission(states).mean - training.data.observations / 255).square().mean()
    assert (
        float(training.model.state_dict()["log_sigma"].exp())
        == pytest.approx(float(left.detach()) ** 0.5, rel=1e-3)
        != 0.9
    )


def test_the_same_seed_gives_the_same_weights_and_another_does_not(data: Path, finished: Path, tmp_path: Path) -> None:
    runs = [train(options(data, tmp_path / name, seed=seed)) for name, seed in (("same", 0), ("other", 2))]
    a, b, c = (read_tensors(run / MODEL, "")[0] for run in (finished, *runs))
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert not torch.equal(a["log_sigma"], c["log_sigma"]) or not torch.equal(
        a["dynamics.state_matrices"], c["dynamics.state_matrices"]
    )


@pytest.mark.parametrize("recipe", ["latentrl", "source"])
def test_resume_after_ctrl_c_ends_as_if_nothing_had_happened(
    data: Path,
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    recipe: str,
) -> None:
    """With several starts the interruption falls into the first of them, with one into the training itself."""
    ours = options(data, finished).recipe == recipe
    whole = finished if ours else train(options(data, tmp_path / "whole", recipe=recipe))
    advance, steps = Trainer.advance, 0

    def interrupt(self: Trainer) -> RateDistortion:
        nonlocal steps
        steps += 1
        if steps == 8:
            raise KeyboardInterrupt
        return advance(self)

    monkeypatch.setattr(Trainer, "advance", interrupt)
    with pytest.raises(SystemExit) as stopped:
        train(options(data, tmp_path / "parts", recipe=recipe))
    assert stopped.value.code == 130
    assert f"--run {tmp_path / 'parts'} --resume" in capsys.readouterr().out
    monkeypatch.undo()
    torch.manual_seed(77)
    train(TrainOptions(run=tmp_path / "parts", resume=True, progress=False, device="cpu"))
    first, second = (read_tensors(folder / MODEL, "")[0] for folder in (whole, tmp_path / "parts"))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_resuming_a_finished_run_changes_nothing(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (run / MODEL).stat().st_mtime_ns
    assert train(TrainOptions(run=run, resume=True)) == run
    assert (run / MODEL).stat().st_mtime_ns == before
    assert "finished already" in capsys.readouterr().out


def test_what_a_finished_run_is_resumed_with_counts_or_is_refused(
    data: Path, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = (run / MODEL).read_bytes()
    for changes, said in (
        ({"model": "dks"}, "--model dks: .*was begun with ekvae, and with --resume only --data, --device"),
        ({"steps": 60}, "--steps 60: .*a finished run cannot be lengthened"),
        ({"data": tmp_path}, "is no data folder"),
        ({"overwrite": True}, "give one of the two"),
    ):
        with pytest.raises(UserError, match=said):
            train(TrainOptions(run=run, resume=True, **changes))
    train(options(data, run, resume=True))
    assert "finished already" in capsys.readouterr().out
    # What the message about damaged weights says to do does what it says.
    (run / MODEL).write_bytes(weights[: len(weights) // 2])
    with pytest.raises(UserError, match=rf"is damaged .*to the same weights, with python .* --run {run} --resume"):
        load_model(run)
    train(TrainOptions(run=run, resume=True, device="cpu", progress=False))
    assert "once more" in capsys.readouterr().out and (run / MODEL).read_bytes() == weights
    settings = json.loads((run / SETTINGS).read_text())
    (run / SETTINGS).write_text(json.dumps({**settings, "data_sha256": "0"}))
    (run / MODEL).unlink()
    with pytest.raises(
        UserError, match=r"holds other sequences \(SHA-256 \w{12}\) than those that .* was begun with \(0, in"
    ):
        train(TrainOptions(run=run, resume=True, device="cpu"))


def test_data_that_is_recorded_anew_while_a_model_is_trained_does_not_measure_it(
    data: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, run = tmp_path / "data", tmp_path / "run"
    shutil.copytree(data, mine)

    def stages(recipe: Recipe, training: Training) -> None:
        run_stages(recipe, training)
        how = CollectOptions(out=mine, overwrite=True, sequences=20, test_sequences=10, length=6, num_envs=5, seed=9)
        collect(how)

    with monkeypatch.context() as patched:
        patched.setattr("latentrl.train.run_stages", stages)
        with pytest.raises(UserError, match=r"data: holds other test sequences .*put them back"):
            train(options(mine, run))
    assert not (run / "metrics.json").exists()
    with pytest.raises(UserError, match="other sequences"):
        train(options(mine, run, resume=True))
    train(options(data, run, resume=True))
    assert (run / MODEL).read_bytes() == (finished / MODEL).read_bytes()
    own, expected = (json.loads((one / "metrics.json").read_text()) for one in (run, finished))
    assert {**own, "train_seconds": 0} == {**expected, "train_seconds": 0}


def test_data_that_moved_is_gone_on_with_and_other_data_is_refused_by_its_digest(
    data: Path, finished: Path, tmp_path: Path
) -> None:
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    shutil.copytree(data, first)
    whole = (finished / MODEL).read_bytes()
    run = train(options(first, tmp_path / "run"))
    # A finished run whose weights are gone is trained once more: that reads the data.
    (run / MODEL).unlink()
    first.rename(second)
    with pytest.raises(UserError, match=r"first: the data that .*run was begun with is not there: .* say with --data"):
        train(TrainOptions(run=run, resume=True, device="cpu", progress=False))
    train(options(second, run, resume=True, steps=None, batch=None))
    assert (run / MODEL).read_bytes() == whole
    assert load_settings(run)["options"]["data"] == str(second), "later verbs look there"
    second.rename(third)
    train(options(third, run, resume=True, steps=None, batch=None))
    assert load_settings(run)["options"]["data"] == str(third), "of a finished run too"
    other = collect(
        CollectOptions(out=tmp_path / "other", sequences=20, test_sequences=10, length=6, num_envs=5, seed=1)
    )
    with pytest.raises(UserError, match=r"other: holds other sequences \(SHA-256 \w{12}\) .*\(\w{12}, in .*third\)"):
        train(options(other, run, resume=True, steps=None, batch=None))
    settings = json.loads((run / SETTINGS).read_text())
    (run / SETTINGS).write_text(json.dumps({name: value for name, value in settings.items() if name != "data_sha256"}))
    with pytest.raises(UserError, match=r"--data .*other: .*run is of an older version.*put it where it was, .*third"):
        train(options(other, run, resume=True, steps=None, batch=None))


def test_a_run_is_replaced_only_by_one_that_has_begun(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in (SETTINGS, MODEL):
        (run / name).write_text("old")

    def diverged(self: Trainer) -> RateDistortion:
        raise DivergedError("the gradient is inf")

    monkeypatch.setattr(Trainer, "advance", diverged)
    with pytest.raises(UserError, match="the gradient is inf"):
        train(options(data, run, overwrite=True))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]
    assert {path.name: path.read_text() for path in run.iterdir()} == {SETTINGS: "old", MODEL: "old"}


def test_a_full_disk_ends_in_one_line_and_the_last_checkpoint_stays(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written, run = [], tmp_path / "run"
    original = Path.write_bytes

    def full(self: Path, content: bytes) -> int:
        if self.name.startswith(CHECKPOINT):
            written.append(self)
            if len(written) > 1:
                original(self, content[:10])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))
        return original(self, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    arguments = "--steps 6 --batch 4 --no-progress --device cpu --recipe source --kappa 0.1".split()
    with pytest.raises(SystemExit) as stopped:
        main(["--data", str(data), "--run", str(run), *arguments])
    error = capsys.readouterr().err.splitlines()
    assert stopped.value.code == 2 and len(error) == 1
    assert "No space left on device: free some space" in error[0]
    assert read_tensors(run / CHECKPOINT, "")[1] and not list(run.glob("*.partial"))


def test_kernels_are_compiled_before_the_clock_starts(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("numba")
    from latentrl.inference.backends.numba_kernels import caching, functions

    situation = measure(options(data, tmp_path, backend="numba"), load_sequences(data, "train"))
    trainer = build_trainer(situation, choose(situation), 0)[0]
    asked: list[str] = []

    def noted(function: Callable[..., None], arguments: tuple[Any, ...]) -> Any:
        asked.append(function.__name__)
        return compiled(function, arguments)

    monkeypatch.setattr(caching, "compiled", noted)
    for kernel in vars(functions).values():
        if isinstance(kernel, caching.Kernel):
            monkeypatch.setattr(kernel, "_compiled", None)
    before = {name: tensor.clone() for name, tensor in trainer.state()[0].items()}
    rehearse(trainer)
    after = trainer.state()[0]
    assert before.keys() == after.keys() and all(torch.equal(after[name], value) for name, value in before.items())
    assert trainer.seconds == 0 and len(asked) == 2, "a kernel and its adjoint"
    trainer.advance()
    assert len(asked) == 2


@pytest.mark.parametrize("killed_at", [1, 4, 11])
def test_starts_go_on_from_where_they_were(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: int, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("latentrl.training.stages.best_start.SAVED_EVERY", 2)
    sequences = load_sequences(data, "train")
    situation = measure(options(data, tmp_path), sequences)
    recipe = choose(situation)
    settings = replace(recipe.settings, starts=3, start_steps=5, log_every=2)
    recipe = replace(recipe, settings=settings)

    def make(start: int) -> Trainer:
        return build_trainer(situation, recipe, start)[0]

    whole, steps = best_start(make, settings, progress=False), 0
    advance, so_far = Trainer.advance, tmp_path / "starts.safetensors"

    def counted(self: Trainer) -> RateDistortion:
        nonlocal steps
        steps += 1
        if steps == killed_at:
            raise KeyboardInterrupt  # within a step: what there is of it is not to be saved
        return advance(self)

    monkeypatch.setattr(Trainer, "advance", counted)
    with pytest.raises(KeyboardInterrupt):
        best_start(make, settings, False, so_far)
    done = steps
    found = best_start(make, settings, False, so_far)
    assert "start 3 of 3: step 4 of 5 (14 of 20 in all), rate" in capsys.readouterr().out
    assert steps - done <= 15 - max(0, killed_at - 3), "at most two steps are done again"
    first, second = whole.state(), found.state()
    assert all(torch.equal(first[0][key], value) for key, value in second[0].items())
    assert [row["rate"] for row in whole.history] == [row["rate"] for row in found.history] and found.seconds > 0
    (numbers, again) = (json.loads(notes["training"]) for notes in (first[1], second[1]))
    assert {**numbers, "seconds": 0} == {**again, "seconds": 0}


def test_an_existing_run_is_not_touched(data: Path, run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--resume"):
        train(options(data, run))
    with pytest.raises(UserError, match="no data folder"):
        train(options(tmp_path / "nowhere", run, overwrite=True))
    assert (run / MODEL).is_file(), "a mistake in another option must not cost the old run"
    strange = tmp_path / "home"
    strange.mkdir()
    (strange / "letter.txt").write_text("dear")
    with pytest.raises(UserError, match=r"is no run folder.*letter\.txt"):
        train(options(data, strange, overwrite=True))
    assert [path.name for path in strange.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("steps", 0),
        ("batch", 0),
        ("kappa", 0.0),
        ("kappa", 1e30),
        ("position_size", 4),
        ("position_size", 0),
        ("blur", -1.0),
    ],
)
def test_numbers_out_of_range_name_their_flag(data: Path, tmp_path: Path, flag: str, value: float) -> None:
    changed = {**vars(options(data, tmp_path / "run")), flag: value}
    with pytest.raises(UserError, match=re.escape(f"--{flag.replace('_', '-')} {value}")):
        train(TrainOptions(**changed))
    assert not (tmp_path / "run").exists()


def test_a_model_that_does_not_exist_is_named_with_those_that_do(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--model ekave: .*ekvae"):
        train(options(data, tmp_path / "run", model="ekave"))
    assert not (tmp_path / "run").exists()


def test_devices() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type in ("cpu", "cuda")
    with pytest.raises(UserError, match="--device abacus"):
        choose_device("abacus")


def test_a_missing_data_folder_is_one_line_and_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--data", str(tmp_path / "nowhere"), "--run", str(tmp_path / "run")])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert str(tmp_path / "nowhere") in error and "latentrl.collect" in error and "Traceback" not in error


def test_a_damaged_model_is_named(run: Path) -> None:
    (run / MODEL).write_bytes(b"half")
    with pytest.raises(UserError, match=r"model\.safetensors is damaged"):
        load_model(run)
    (run / MODEL).unlink()
    with pytest.raises(UserError, match="--resume"):
        load_model(run)


def test_other_priors_objectives_and_versions_train(data: Path, tmp_path: Path) -> None:
    run = train(options(data, tmp_path / "run", prior="normal", objective="elbo", version="filter", blur=0.1))
    model = load_model(run)
    assert model.settings.version == "filter" and model.settings.prior == "normal"


def test_data_that_is_mapped_gives_the_same_run(
    data: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(data, tmp_path / "data")
    assert not list(copy.rglob("mapped")), "the other one was not in memory"
    monkeypatch.setattr(storage, "MAPPED_FROM", 100)
    runs = [finished, train(options(copy, tmp_path / "mapped"))]
    assert (copy / "train-v0" / "mapped").is_dir() and (copy / "test-v0" / "mapped").is_dir()
    assert (runs[0] / MODEL).read_bytes() == (runs[1] / MODEL).read_bytes()
    figures = [json.loads((run / name).read_text()) for name in ("metrics.json", "velocity.json") for run in runs]
    for found in figures[:2]:
        del found["train_seconds"]
    assert figures[0] == figures[1] and figures[2] == figures[3]


def test_the_gauge_is_fixed_on_a_sample_of_many_sequences(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []

    def counted(model: WorldModel, chosen: Sequences) -> Belief:
        found.append(len(chosen))
        return smooth(model, chosen)

    monkeypatch.setattr("latentrl.training.stages.gauge.smooth", counted)
    monkeypatch.setattr("latentrl.training.stages.gauge.spread_sample", partial(spread_sample, count=5))
    train(options(data, tmp_path / "run"))
    assert found == [5], "and they are smoothed once"


@pytest.mark.parametrize(
    ("model", "objective", "prior"),
    [("dks", "geco", "vamp"), ("dvbf", "annealing", "vhp"), ("dvbs", "rewo", "normal")],
)
def test_other_models_train_by_other_objectives(
    data: Path, tmp_path: Path, model: str, objective: str, prior: str
) -> None:
    run = train(options(data, tmp_path / "run", model=model, objective=objective, prior=prior))
    loaded = load_model(run)
    assert loaded.settings.prior == prior and (loaded.position_size, loaded.state_size) == (2, 3)
    assert loaded.settings.version == ("filter" if model == "dvbf" else "smoother")


def test_annealing_takes_half_of_the_steps_unless_told_otherwise(data: Path, tmp_path: Path) -> None:
    sequences = load_sequences(data, "train")
    for name, changes, steps in (("a", {}, 50), ("b", {"annealing_steps": 7}, 7)):
        chosen = options(data, tmp_path / name, objective="annealing", **changes, steps=100, recipe="source")
        situation = measure(chosen, sequences)
        objective = build_objective(situation, choose(situation).settings)
        assert isinstance(objective, Annealing) and objective.steps == steps


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"annealing_steps": 5}, "--annealing-steps 5"),
        ({"annealing_steps": 0, "objective": "annealing"}, "--annealing-steps 0"),
        ({"version": "joint", "model": "dks"}, "--version joint"),
        ({"samples": 4, "prior": "vamp"}, "--samples 4: vamp has no such bound; leave it out, or take --prior vhp"),
    ],
)
def test_flags_that_do_not_fit_together_are_refused(
    data: Path, tmp_path: Path, changes: dict[str, object], named: str
) -> None:
    with pytest.raises(UserError, match=named):
        train(options(data, tmp_path / "run", **changes))
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A little data set of colour pictures that are not small: a square that moves along a row."""
    folder = tmp_path_factory.mktemp("data") / "square"
    frames = np.full((6, 5, 36, 48, 3), 30, np.uint8)
    for sequence, step in np.ndindex(6, 5):
        start = 5 * sequence + 2 * step
        frames[sequence, step, 10:18, start : start + 8] = (240, 160, 60)
    actions = np.linspace(-1, 1, 6 * 4, dtype=np.float32).reshape(6, 4, 1)
    for split in ("train", "test"):
        recorded = [Trajectory(*pair) for pair in zip(frames, actions, strict=True)]
        storage.write(folder, split, recorded, {"action_low": [-1.0], "action_high": [1.0]})
    return folder


@pytest.mark.parametrize(("model", "network"), [("ekvae", "auto"), ("ekvae", "conv"), ("kvae", "lean")])
def test_larger_colour_pictures_train_by_a_network_for_images(
    pictures: Path, tmp_path: Path, model: str, network: str
) -> None:
    standardise = model == "ekvae"
    run = train(options(pictures, tmp_path / "run", steps=4, model=model, network=network, standardise=standardise))
    expected = "lean" if network == "auto" else network
    assert json.loads((run / SETTINGS).read_text())["options"]["network"] == expected
    loaded = load_model(run)
    assert loaded.settings.network == expected and loaded.settings.hidden == NETWORKS[expected].hidden  # type: ignore[index]
    assert loaded.spec.observation_shape == (36, 48, 3)


def test_small_images_and_other_models_keep_their_dense_networks(finished: Path) -> None:
    assert json.loads((finished / SETTINGS).read_text())["options"]["network"] == "dense"
    assert load_model(finished).settings.hidden == (128, 128, 128)


def test_a_run_from_before_the_choice_of_networks_goes_on_as_dense(data: Path, tmp_path: Path) -> None:
    stored = options_to_json(options(data, tmp_path / "run"))
    del stored["network"]
    assert options_from_json(stored).network == "dense"


def test_networks_that_do_not_fit_are_refused(data: Path, pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--network conv: of the models only ekvae and kvae"):
        train(options(pictures, tmp_path / "run", model="rssm", network="conv"))
    sensors = tmp_path / "sensors"
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        recorded = [
            Trajectory(rng.normal(size=(5, 2)).astype(np.float32), rng.uniform(-1, 1, (4, 1)).astype(np.float32))
            for _ in range(3)
        ]
        storage.write(sensors, split, recorded, {"action_low": [-1.0], "action_high": [1.0]})
    with pytest.raises(UserError, match=r"--network lean: .*sensors holds no images but \(2,\)"):
        train(options(sensors, tmp_path / "run", network="lean"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("recipe", "steps"), [("latentrl", [72]), ("source", [])])
def test_a_transition_of_sensors_is_fitted_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str, steps: list[int]
) -> None:
    sensors, fitted = write_walks(tmp_path / "sensors"), []

    def fit(model: WorldModel, data: Sequences, count: int, spread: float, seed: int, progress: bool) -> float:
        fitted.append(count)
        return fit_transition_by_em(model, data, count, spread, seed, progress)

    monkeypatch.setattr("latentrl.training.stages.transition_em.fit_transition_by_em", fit)
    run = train(options(sensors, tmp_path / "run", steps=12, recipe=recipe, state_size=4, position_size=2))
    assert fitted == steps
    assert load_model(run).settings.gate_hidden == (64, 64)


def write_walks(folder: Path) -> Path:
    """Readings of two random walks."""
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        walks = rng.normal(size=(8, 6, 2)).cumsum(1).astype(np.float32)
        recorded = [Trajectory(walk, rng.uniform(-1, 1, (5, 1)).astype(np.float32)) for walk in walks]
        storage.write(folder, split, recorded, {"action_low": [-1.0], "action_high": [1.0]})
    return folder


@pytest.fixture(scope="module")
def arms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of a drawn arm, whose wrist no blurred picture tells."""
    folder = tmp_path_factory.mktemp("data") / "arms"
    for seed, (split, count) in enumerate((("train", 400), ("test", 4))):
        data, _ = wander(count, 6, seed, size=24)
        pairs = zip(data.observations.numpy(), data.actions.numpy(), strict=True)
        limits = {"action_low": [-9.0, -9.0], "action_high": [9.0, 9.0]}
        storage.write(folder, split, [Trajectory(*pair) for pair in pairs], limits)
    return folder


def arm_options(data: Path, run: Path, **changes: object) -> TrainOptions:
    return options(data, run, state_size=5, position_size=3, standardise=True, steps=30, batch=None, **changes)


def test_a_model_of_an_arm_starts_on_a_chart_and_ends_with_the_error_s_sigma(
    arms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("latentrl.training.stages.chart_start.MOTION_STEPS", 100)
    run = train(arm_options(arms, tmp_path / "run"))
    settings = json.loads((run / SETTINGS).read_text())["training"]
    assert settings["warm_start"] == settings["sigma_hold"] == 30 and settings["batch"] == 16
    assert settings["blur"]["width"] == 0
    assert not (run / CHART).exists()
    history = np.genfromtxt(run / "history.csv", delimiter=",", names=True)
    data = load_sequences(arms, "train")
    deviation = data_deviation(data)
    np.testing.assert_allclose(history["sigma"], 2 * deviation * (24 * 24 / 256) ** 0.5, rtol=1e-3)
    assert history["bound"].item() > (deviation / 6) ** 2, "loosened to what the networks reach"
    model = load_model(run)
    with torch.no_grad():
        error = model.squared_error(model.encode(data.observations).mean, data.observations).mean()  # type: ignore[operator]
        sigma = float(model.log_sigma.exp())  # type: ignore[operator]
    assert sigma == pytest.approx(float(error) ** 0.5, rel=0.1)


def test_pictures_without_a_chart_are_trained_from_anywhere(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(options(pictures, tmp_path / "run", state_size=5, position_size=3, steps=4))
    assert "30 frames are too few for a chart" in capsys.readouterr().out
    assert json.loads((run / SETTINGS).read_text())["training"]["warm_start"] == 0


def test_explain_names_every_stage_with_why_and_writes_nothing(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    train(options(data, run, explain=True))
    told = capsys.readouterr().out
    assert not run.exists()
    situation = measure(options(data, run), load_sequences(data, "train"))
    recipe = choose(situation)
    for name, why in recipe.stages.items():
        assert name in told and why in told
    # With one velocity for two positions there is no penalty of the velocity.
    assert "penalty      position" in told and "velocity:" not in told
    assert "40 gradient steps in all: 4 starts of 10, the best is kept" in told
    assert "the lowest rate of 4 starts" in told and f"kappa {situation.kappa:.3g}" in told
    train(options(data, run, explain=True, recipe="source", kappa=0.1))
    plainly = capsys.readouterr().out
    assert (
        "starts" not in plainly
        and "penalty" not in plainly
        and "kappa 0.1 (given)" in plainly
        and "smoother" in plainly
    )
    assert not run.exists()


def test_explain_may_be_asked_of_a_run_that_is_there(data: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.iterdir()}
    train(options(data, run, explain=True))
    assert "stages" in capsys.readouterr().out
    assert before == {path: path.stat().st_mtime_ns for path in run.iterdir()}
    assert "explain" not in json.loads((run / SETTINGS).read_text())["options"]


def test_a_model_that_lacks_a_capability_is_trained_without_its_stages_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sensors = write_walks(tmp_path / "sensors")
    train(options(sensors, tmp_path / "rssm", model="rssm"))
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("rssm: trained without")]
    assert len(told) == 1 and "transition by EM" in told[0] and "PathSampler" not in told[0]
    assert "no encoder of single frames, no transition mixed from matrices, no draws of smoothed" in told[0]
    train(options(sensors, tmp_path / "ekvae"))
    assert "trained without" not in capsys.readouterr().out


def test_settings_are_read_once_when_a_run_goes_on(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Path] = []

    def counted(folder: Path) -> dict[str, object]:
        reads.append(folder)
        return load_settings(folder)

    monkeypatch.setattr("latentrl.training.resuming.load_settings", counted)
    train(TrainOptions(run=run, resume=True))
    assert reads == [run]
    stored = json.loads((run / SETTINGS).read_text())
    (run / SETTINGS).write_text(json.dumps({**stored, "training": {"steps": 3}}))
    with pytest.raises(UserError, match=r"settings\.json is damaged \(training\.aggressive_steps is missing"):
        train(TrainOptions(run=run, resume=True))
    (run / SETTINGS).write_text(json.dumps({**stored, "training": {"steps": 3}, "schema": 0}))
    with pytest.raises(UserError, match=r"settings\.json is damaged \(KeyError\('blur'\)\): start afresh"):
        train(TrainOptions(run=run, resume=True))


def test_ctrl_c_while_the_model_is_measured_loses_nothing(
    data: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"

    def interrupted(*arguments: object, **more: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(SystemExit) as stopped:
        patched.setattr("latentrl.train.evaluate_model", interrupted)
        train(options(data, run))
    assert stopped.value.code == 130
    assert f"it is trained\nnext: python -m latentrl.train --run {run} --resume" in capsys.readouterr().out
    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "advance", None)  # nothing is left to train
        train(TrainOptions(run=run, resume=True, progress=False, device="cpu"))
    assert (run / MODEL).read_bytes() == (finished / MODEL).read_bytes()
    figures = [json.loads((folder / "metrics.json").read_text()) for folder in (finished, run)]
    assert {k: v for k, v in figures[0].items() if k != "train_seconds"} == {
        k: v for k, v in figures[1].items() if k != "train_seconds"
    }


def test_data_without_a_held_out_split_is_refused_before_the_first_step(tmp_path: Path) -> None:
    sensors = tmp_path / "sensors"
    recorded = [Trajectory(np.full((5, 2), n, np.float32), np.full((4, 1), n, np.float32)) for n in range(2)]
    storage.write(sensors, "train", recorded, {"action_low": [-1.0], "action_high": [1.0]})
    with pytest.raises(UserError, match=r"sensors has no split 'test' but train: .* write one too"):
        train(options(sensors, tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_ctrl_c_before_there_is_anything_to_keep_is_one_line(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("latentrl.train.load_sequences", interrupted)
    with pytest.raises(SystemExit) as stopped:
        main(["--data", str(data), "--run", str(tmp_path / "run")])
    assert stopped.value.code == 130 and capsys.readouterr().err == "\ninterrupted\n"


def test_coordinates_that_the_data_does_not_hold_are_refused_before_the_first_step(data: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(data, tmp_path / "data")
    metadata = json.loads((copy / storage.METADATA).read_text())
    angle = {"name": "a", "kind": "angle", "key": "angle", "index": 4}
    for wrong, named in (
        ([angle], r"coordinate a: 'angle' holds \(10, 6\), not at least 5 numbers .* metadata\.json"),
        ([{**angle, "kind": "turn"}], r"data/metadata\.json"),
        (3, r"data/metadata\.json"),
    ):
        (copy / storage.METADATA).write_text(json.dumps({**metadata, "coordinates": wrong}))
        with pytest.raises(UserError, match=named):
            train(options(copy, tmp_path / "run"))
    (copy / storage.METADATA).write_text("{")
    with pytest.raises(UserError, match=r"metadata\.json is damaged"):
        train(options(copy, tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def interrupted_run(data: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that was stopped after its sixth step, before the first row of its history."""
    advance = Trainer.advance

    def stopping(trainer: Trainer) -> RateDistortion:
        if trainer.step == 5:
            signal.raise_signal(signal.SIGINT)
        return advance(trainer)

    with monkeypatch.context() as patched, pytest.raises(SystemExit):
        patched.setattr(Trainer, "advance", stopping)
        train(options(data, run, recipe="source"))
    return run


def test_a_run_that_goes_on_with_other_versions_says_so(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = interrupted_run(data, tmp_path / "run", monkeypatch)
    train(TrainOptions(run=shutil.copytree(run, tmp_path / "same"), resume=True, progress=False))
    assert "begun with" not in capsys.readouterr().out
    settings = json.loads((run / SETTINGS).read_text())
    settings["environment"]["torch"] = "1.0"
    (run / SETTINGS).write_text(json.dumps(settings))
    train(TrainOptions(run=run, resume=True, progress=False))
    assert "note: begun with torch 1.0, goes on with torch 2" in capsys.readouterr().out


@pytest.mark.parametrize("kept", [3, None])
def test_a_run_goes_on_with_as_many_threads_as_it_was_begun_with(
    kept: int | None, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it does not say, nothing is asked for; the process has its own number back at the end."""
    run = interrupted_run(data, tmp_path / "run", monkeypatch)
    settings = json.loads((run / SETTINGS).read_text())
    (run / SETTINGS).write_text(json.dumps({**settings, "threads": kept}))
    asked, during = [], []

    def threads(trainer: Trainer, most: int, before: object) -> int:
        asked.append(before)
        return 2

    def advance(trainer: Trainer) -> RateDistortion:
        during.append(torch.get_num_threads())
        raise KeyboardInterrupt

    monkeypatch.setattr("latentrl.train.training_threads", threads)
    monkeypatch.setattr(Trainer, "advance", advance)
    before = torch.get_num_threads()
    with pytest.raises(SystemExit):
        train(TrainOptions(run=run, resume=True, progress=False))
    assert (asked, during, torch.get_num_threads()) == ([kept], [2], before)


def test_what_is_damaged_in_an_interrupted_run_is_named_with_its_cure(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = interrupted_run(data, tmp_path / "run", monkeypatch)
    settings, history = (run / SETTINGS).read_text(), (run / "history.csv").read_text()
    stored = json.loads(settings)
    for wrong in ({"steps": "x"}, {"blur": None}, {"learning_rates": 3}):
        (run / SETTINGS).write_text(json.dumps({**stored, "training": {**stored["training"], **wrong}}))
        with pytest.raises(UserError, match=r"settings\.json is damaged .* --overwrite"):
            train(TrainOptions(run=run, resume=True, progress=False))
    (run / SETTINGS).write_text(settings)
    tensors, notes = read_tensors(run / CHECKPOINT, "")
    for key, wrong_note in (
        ("steps", '{"finished": "gradient", "seconds": {}}'),
        ("steps", '{"finished": ["foo"], "seconds": {}}'),
        ("steps", '{"finished": [], "seconds": {"a": "x"}}'),
        ("training", "[]"),
    ):
        write_tensors(run / CHECKPOINT, tensors, {**notes, key: wrong_note})
        with pytest.raises(UserError, match="--overwrite"):
            train(TrainOptions(run=run, resume=True, progress=False))
    write_tensors(run / CHECKPOINT, tensors, {**notes, "training": notes["training"].replace('"step": 6', '"step": 9')})
    (run / "history.csv").write_text("rubbish\n1\n")
    with pytest.raises(UserError, match=r"history\.csv is damaged .* remove it"):
        train(TrainOptions(run=run, resume=True, progress=False))
    (run / "history.csv").write_text(history)


def test_explain_marks_what_a_run_has_finished_and_writes_nothing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(stage: VelocityCoordinates, training: Training) -> None:
        raise KeyboardInterrupt

    run = tmp_path / "run"
    with monkeypatch.context() as patched, pytest.raises(SystemExit):
        patched.setattr(VelocityCoordinates, "run", interrupted)
        train(options(data, run))
    capsys.readouterr()
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    train(TrainOptions(run=run, resume=True, explain=True))
    told = [line.split("  ")[1] for line in capsys.readouterr().out.splitlines() if "(done)" in line]
    assert told == ["1. best start", "2. gradient"]
    assert before == {path.name: path.read_bytes() for path in run.iterdir()}
