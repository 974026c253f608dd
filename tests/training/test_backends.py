"""A run says which backend it was trained with, goes on with it, and is read without."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from latentrl.collect import CollectOptions, collect
from latentrl.data_collection.storage import load_sequences
from latentrl.inference.backends import BACKENDS, backend_named, choose, is_installed
from latentrl.runs.folder import MODEL, SETTINGS, load_model, load_settings
from latentrl.support.compiling import can_compile
from latentrl.support.errors import UserError
from latentrl.support.options import options_to_json
from latentrl.train import train
from latentrl.training.building import build_trainer
from latentrl.training.options import TrainOptions, options_from_json
from latentrl.training.recipes import choose as choose_recipe
from latentrl.training.situation import measure
from latentrl.training.trainer import Trainer
from latentrl.types import RateDistortion

needs_numba = pytest.mark.skipif(not is_installed("numba"), reason="pip install 'latentrl[fast]'")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "pendulum"
    return collect(CollectOptions(out=folder, sequences=20, test_sequences=10, length=6, num_envs=5))


def options(data: Path, run: Path, **changes: object) -> TrainOptions:
    common = {"data": data, "run": run, "steps": 6, "batch": 4, "progress": False, "device": "cpu", "recipe": "source"}
    return TrainOptions(**{**common, **changes})  # type: ignore[arg-type]


def backend_of(run: Path) -> str:
    found = load_settings(run)["options"]["backend"]
    assert isinstance(found, str)
    return found


@pytest.fixture
def without_numba(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """From its call on, nothing finds numba, nor what was made of it."""

    def hide() -> None:
        monkeypatch.setitem(sys.modules, "numba", None)
        for name in [name for name in sys.modules if "numba_kernels" in name]:
            monkeypatch.setitem(sys.modules, name, None)
        backend_named.cache_clear()
        can_compile.cache_clear()

    yield hide
    can_compile.cache_clear()


@pytest.fixture
def stops(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Whether every training is interrupted at its third step."""
    advance = Trainer.advance

    def stopping(trainer: Trainer) -> RateDistortion:
        if trainer.step == 3:
            raise KeyboardInterrupt
        return advance(trainer)

    return lambda stop: monkeypatch.setattr(Trainer, "advance", stopping if stop else advance)


@pytest.mark.parametrize("name", ["auto", *BACKENDS])
def test_settings_summary_and_explanation_name_it(
    name: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if name != "auto" and not is_installed(name):
        pytest.skip(f"{name} is not installed")
    expected = ("numba" if is_installed("numba") else "reference") if name == "auto" else name
    train(options(data, tmp_path / "run", backend=name, explain=True))
    assert f"\n  backend      {expected}" in capsys.readouterr().out
    run = train(options(data, tmp_path / "run", backend=name))
    assert f" s ({expected}); on held-out" in capsys.readouterr().out
    assert backend_of(run) == expected


def test_without_numba_all_goes_on_as_before(
    data: Path, tmp_path: Path, without_numba: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    before = train(options(data, tmp_path / "before", backend="reference"))
    without_numba()
    run = train(options(data, tmp_path / "run"))
    assert backend_of(run) == "reference" and (run / MODEL).read_bytes() == (before / MODEL).read_bytes()
    train(options(data, tmp_path / "third", explain=True))
    assert "backend      reference (faster: pip install 'latentrl[fast]')" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"--backend numba: numba is not installed; pip install 'latentrl\[fast\]'"):
        train(options(data, tmp_path / "third", backend="numba"))
    assert not (tmp_path / "third").exists()


def test_what_is_impossible_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--backend abacus: there is no such backend; give auto or one of reference"):
        train(options(data, tmp_path / "run", backend="abacus"))
    if is_installed("numba"):
        with pytest.raises(UserError, match="--backend numba: of the models only ekvae, dvbs, dvbf and kvae have it"):
            train(options(data, tmp_path / "run", backend="numba", model="dks"))
        with pytest.raises(UserError, match=r"--backend numba: .* not on cuda"):
            choose("numba", "cuda")
    assert choose("auto", "cuda") == choose("auto", "cpu", size=33) == "reference"
    assert backend_of(train(options(data, tmp_path / "run", model="dks"))) == "reference"


@pytest.mark.parametrize("name", BACKENDS)
def test_a_run_goes_on_with_its_own_bit_for_bit(
    name: str, data: Path, tmp_path: Path, stops: Callable[[bool], None]
) -> None:
    if not is_installed(name):
        pytest.skip(f"{name} is not installed")
    whole = train(options(data, tmp_path / "whole", backend=name))
    stops(True)
    with pytest.raises(SystemExit):
        train(options(data, tmp_path / "run", backend=name))
    stops(False)
    run = train(TrainOptions(run=tmp_path / "run", resume=True, progress=False, device="cpu"))
    assert backend_of(run) == name and (run / MODEL).read_bytes() == (whole / MODEL).read_bytes()


@needs_numba
def test_where_numba_is_gone_that_is_said_and_the_reference_goes_on(
    data: Path,
    tmp_path: Path,
    stops: Callable[[bool], None],
    without_numba: Callable[[], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    stops(True)
    with pytest.raises(SystemExit):
        train(options(data, run, backend="numba"))
    stops(False)
    without_numba()
    again = TrainOptions(run=run, resume=True, progress=False, device="cpu")
    with pytest.raises(UserError, match=r"numba is not installed; pip install 'latentrl\[fast\]', or give --ba"):
        train(again)
    assert backend_of(run) == "numba"
    capsys.readouterr()
    train(replace(again, backend="reference"))
    assert "goes on with --backend reference, where it was numba" in capsys.readouterr().out
    assert backend_of(run) == "reference"


@needs_numba
def test_a_finished_run_needs_no_numba(
    data: Path, tmp_path: Path, without_numba: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(options(data, tmp_path / "run", backend="numba"))
    without_numba()
    train(TrainOptions(run=run, resume=True))
    assert "finished already" in capsys.readouterr().out
    model = load_model(run)
    belief = model.smooth(torch.zeros(1, 3, 16, 16, 1, dtype=torch.uint8), torch.zeros(1, 2, 1))
    assert belief.mean.isfinite().all()


def test_a_run_from_before_there_were_backends_goes_on_with_the_reference(data: Path, tmp_path: Path) -> None:
    stored = options_to_json(options(data, tmp_path / "run"))
    del stored["backend"]
    assert options_from_json(stored).backend == "reference"
    run = train(options(data, tmp_path / "run", backend="reference"))
    weights = (run / MODEL).read_bytes()
    settings = json.loads((run / SETTINGS).read_text())
    del settings["options"]["backend"]
    settings["keys"]["options"].remove("backend")
    (run / SETTINGS).write_text(json.dumps(settings))
    (run / MODEL).unlink()
    train(TrainOptions(run=run, resume=True, progress=False, device="cpu"))
    assert (run / MODEL).read_bytes() == weights


@needs_numba
@pytest.mark.parametrize("version", ["joint", "smoother", "filter"])
def test_trainings_in_single_precision_differ_by_its_rounding(version: str, data: Path, tmp_path: Path) -> None:
    """A few steps, before what differs has grown; another seed differs a thousand times as much."""
    data_there = load_sequences(data, "train")
    trainers = []
    for backend, seed in (("reference", 0), ("numba", 0), ("reference", 1)):
        situation = measure(options(data, tmp_path, backend=backend, version=version, seed=seed), data_there)
        trainers.append(build_trainer(situation, choose_recipe(situation), 0)[0])
    start = trainers[0].model.state_dict()
    start = {name: value.clone() for name, value in start.items()}
    moved, rates = [], []
    for trainer in trainers:
        trainer.model.load_state_dict(start)
        rates.append(torch.stack([trainer.advance().rate.mean() for _ in range(5)]))
        moved.append(torch.cat([(v - start[name]).flatten() for name, v in trainer.model.state_dict().items()]))
    known, found, other = moved
    assert (found - known).norm() < 1e-3 * (other - known).norm()
    torch.testing.assert_close(rates[1], rates[0], rtol=1e-4, atol=1e-4)
