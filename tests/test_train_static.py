"""The verb trains static models too: from a data folder to a run folder, interrupted or not, and what it refuses."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import torch

from latentrl.collect import CollectOptions, collect
from latentrl.metrics.likelihood import log_likelihood
from latentrl.models import STATICS
from latentrl.runs.folder import MODEL, SETTINGS, load_any_model
from latentrl.runs.tensors import read_tensors
from latentrl.support.errors import UserError
from latentrl.train import train
from latentrl.training.options import TrainOptions
from latentrl.training.settings import TrainSettings
from latentrl.training.trainer import Trainer
from latentrl.types import RateDistortion


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "frames"
    return collect(CollectOptions(out=folder, sequences=6, test_sequences=4, length=5, num_envs=2))


@pytest.fixture(autouse=True)
def few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentrl.metrics.static.log_likelihood", partial(log_likelihood, samples=4))


def options(data: Path, run: Path, **changes: object) -> TrainOptions:
    common = {"data": data, "run": run, "model": "vhp-vae", "steps": 4, "batch": 3, "progress": False, "device": "cpu"}
    return TrainOptions(**{**common, **changes})  # type: ignore[arg-type]


def test_a_static_model_learns_single_frames_and_its_run_says_so(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(options(data, tmp_path / "run", objective="elbo"))
    figures = json.loads((run / "metrics.json").read_text())
    assert {
        "r2_angle",
        "polar_error_angle",
        "condition_number",
        "magnification_spread",
        "test_bound",
        "test_log_likelihood",
        "mse_mean_image",
    } <= figures.keys()
    assert figures["test_bound"] == pytest.approx(-figures["test_rate"] - figures["test_distortion"])
    assert not any("velocity" in name or "predict" in name for name in figures), "a frame has none"
    settings = json.loads((run / SETTINGS).read_text())
    assert settings["model"]["settings"]["hidden"] == [256] * 4 and settings["options"]["state_size"] == 2
    assert load_any_model(run).position_size == 2
    said = capsys.readouterr().out
    assert "on held-out frames" in said and "next:" not in said
    assert said.splitlines()[-1].startswith("note: ") and "no agent can act in" in said


def test_an_interrupted_training_ends_as_if_nothing_had_happened(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = partial(options, data, aggressive_steps=2)
    train(begin(tmp_path / "whole"))
    advance, steps = Trainer.advance, 0

    def interrupt(self: Trainer) -> RateDistortion:
        nonlocal steps
        steps += 1
        if steps == 3:
            raise KeyboardInterrupt
        return advance(self)

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "advance", interrupt)
        with pytest.raises(SystemExit):
            train(begin(tmp_path / "parts"))
    torch.manual_seed(77)
    train(TrainOptions(run=tmp_path / "parts", resume=True, progress=False, device="cpu"))
    first, second = (read_tensors(tmp_path / name / MODEL, "")[0] for name in ("whole", "parts"))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_what_would_be_done_is_said_in_frames(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(options(data, tmp_path / "run", model="iwae", samples=7, layers=2, explain=True))
    said = capsys.readouterr().out
    for part in ("30 single pictures (16, 16, 1)", "3 frames", "samples 7", "layers 2"):
        assert part in said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "ekvae", "likelihood": "bernoulli"}, "--likelihood bernoulli: ekvae has no such option"),
        (
            {"model": "vae", "samples": 4},
            "--samples 4: vae has no such option; it is one of vhp-vae and fm-vae and iwae",
        ),
        ({"layers": 2}, "--layers 2: vhp-vae has no such option; it is one of iwae"),
        ({"model": "iwae", "layers": 3}, "--layers 3: give 1 or 2"),
        ({"prior": "normal"}, "--prior normal: the prior of vhp-vae is vhp"),
        ({"state_size": 5}, "--state-size 5: .* give --position-size 5"),
        ({"position_size": 0}, "--position-size 0: give one or more"),
        ({"version": "joint"}, "--version joint: of the models only ekvae"),
        ({"annealing_cycles": 2}, "--annealing-cycles 2: goes with --objective annealing"),
        ({"aggressive_steps": -1}, "--aggressive-steps -1: give 0 or more"),
        ({"samples": 0}, "--samples 0: give one or more"),
        ({"flat": -1.0}, "--flat -1: give a weight from 0 to 1e\\+06"),
        ({"flat": 1e308}, "--flat 1e\\+308: give a weight from 0 to 1e\\+06"),
        ({"model": "vhp-vae", "flat_without": "mixup"}, "--flat-without mixup: there is no penalty"),
        ({"model": "fm-vae", "flat": 0.0, "flat_without": "scale"}, "--flat-without scale: there is no penalty"),
        ({"model": "dks", "flat": 1.0}, "--flat 1: dks has no such option; it is one of ekvae, "),
    ],
)
def test_options_that_say_nothing_are_refused(
    data: Path, tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        train(options(data, tmp_path / "run", **changes))
    assert not (tmp_path / "run").exists()


def test_the_priors_of_static_models_may_be_named() -> None:
    assert {name: entry.settings().prior for name, entry in STATICS.items()} == {
        "vae": "normal",
        "vhp-vae": "vhp",
        "fm-vae": "vhp",
        "vamp-vae": "vamp",
        "iwae": "normal",
    }


def test_an_aggressive_encoder_takes_ten_steps_for_each_of_all_else() -> None:
    settings = TrainSettings(aggressive_steps=22)
    alone = [step for step in range(1, 23) if settings.hurried(step, "encoder")]
    others = [step for step in range(1, 23) if settings.hurried(step, "decoder")]
    assert others == [11, 22] and sorted(alone + others) == list(range(1, 23))
    assert settings.hurried(23, "encoder") == settings.hurried(23, "prior") == 1.0
    assert TrainSettings().hurried(1, "decoder") == 1.0
