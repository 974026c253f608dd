"""Standardised observations: around zero, of unit size, and back."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import tyro

from latentrl.data_collection import storage
from latentrl.metrics.held_out import held_out_figures, motion_figures
from latentrl.models import MODELS, ModelEntry, build
from latentrl.models.ekvae import EKVAE
from latentrl.models.over_data import smooth
from latentrl.models.spec import DataSpec
from latentrl.networks.standardisation import Standardisation, own_units, suggested_standardisation
from latentrl.runs.folder import load_model
from latentrl.support.errors import UserError
from latentrl.train import train
from latentrl.training.options import TrainOptions, arguments_of
from latentrl.training.situation import measure
from latentrl.types import Sequences, Trajectory
from tests.toys.model import ToyModel, ToySettings


def _pictures() -> torch.Tensor:
    """A bright page ``[200, 6, 5, 1]`` uint8 on which one dark pixel moves along a row."""
    pictures = torch.full((200, 6, 5, 1), 250, dtype=torch.uint8)
    pictures[torch.arange(200), 2, torch.arange(200) % 5] = 50
    return pictures


def _model(standardise: bool) -> EKVAE:
    torch.manual_seed(0)
    model = build("ekvae", DataSpec((6, 5, 1), "uint8", 1, (1.0,)), {"standardise": standardise})
    assert isinstance(model, EKVAE)
    return model


def _standard(model: EKVAE) -> Standardisation:
    assert isinstance(model.standard, Standardisation)
    return model.standard


def test_it_is_the_identity_before_it_is_fitted() -> None:
    observations = torch.randn(4, 3)
    standard = Standardisation((3,))
    torch.testing.assert_close(standard(observations), observations)
    torch.testing.assert_close(standard.undo(observations), observations)


def test_fitted_observations_have_mean_zero_and_unit_size() -> None:
    pictures = _pictures()
    standard = Standardisation((6, 5, 1))
    standard.fit(pictures)
    seen = standard(pictures.float() / 255)
    torch.testing.assert_close(seen.mean(0), torch.zeros(6, 5, 1), atol=1e-5, rtol=0)
    assert abs(float(seen.square().mean()) - 1) < 1e-4
    assert (seen[:, [0, 1, 3, 4, 5]] == 0).all(), "a pixel that never changes says nothing"
    torch.testing.assert_close(standard.undo(seen), pictures.float() / 255)


def test_a_sample_of_evenly_spread_observations_is_enough() -> None:
    pictures = _pictures()
    whole, part = Standardisation((6, 5, 1)), Standardisation((6, 5, 1))
    whole.fit(pictures)
    part.fit(pictures, sample=66)
    torch.testing.assert_close(part.mean, whole.mean, atol=0.02, rtol=0)


def test_observations_that_never_change_are_not_divided_by_zero() -> None:
    standard = Standardisation((2,))
    standard.fit(torch.full((10, 2), 3.0))
    torch.testing.assert_close(standard(torch.tensor([3.0, 4.0])), torch.tensor([0.0, 1.0]))


@torch.no_grad()
def test_a_model_sees_what_moves_however_bright_the_page_is() -> None:
    plain, model, pictures = _model(False), _model(True), _pictures()
    _standard(model).fit(pictures)
    assert model.encode(pictures).mean.std(0).min() > 3 * plain.encode(pictures).mean.std(0).max()
    # The same weights: an output of zero stands for the mean picture, and one unit for the data's deviation.
    mean, origin = (pictures.float() / 255).mean(0), torch.zeros(1, 2)
    torch.testing.assert_close(model.decode(origin), mean + _standard(model).scale * plain.decode(origin))


def test_mean_and_scale_are_saved_with_the_model() -> None:
    model, loaded = _model(True), _model(True)
    _standard(model).fit(_pictures())
    loaded.load_state_dict(model.state_dict())
    torch.testing.assert_close(_standard(loaded).mean, _standard(model).mean)
    assert float(_standard(loaded).scale) == float(_standard(model).scale)


def test_models_that_were_saved_without_it_still_fit() -> None:
    assert not [name for name in _model(False).state_dict() if "standard" in name]


def test_training_fits_it_and_bounds_the_error_by_the_data(tmp_path: Path) -> None:
    pictures = _pictures().unflatten(0, (20, 10))
    rng = np.random.default_rng(0)
    recorded = [Trajectory(x, rng.uniform(-1, 1, (9, 1)).astype(np.float32)) for x in pictures.numpy()]
    bounds = {"action_low": [-1.0], "action_high": [1.0]}
    for split in ("train", "test"):
        storage.write(tmp_path / "data", split, recorded, bounds)
    options = TrainOptions(data=tmp_path / "data", run=tmp_path / "run", steps=20, progress=False, device="cpu")
    # The plain recipe has one start, which is enough here.
    run = train(replace(options, recipe="source", standardise=True))
    model = load_model(run)
    assert isinstance(model, EKVAE)
    seen = _standard(model)(_pictures().float() / 255)
    assert abs(float(seen.square().mean()) - 1) < 1e-4
    with (run / "history.csv").open() as file:
        bound = float(next(csv.DictReader(file))["bound"])
    assert bound == pytest.approx((float(_standard(model).scale) / 6) ** 2, rel=0.02)


def test_a_model_that_does_not_know_it_is_refused_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "dks", ModelEntry(ToyModel, ToySettings))
    with pytest.raises(UserError, match="--standardise"):
        train(TrainOptions(run=tmp_path / "run", model="dks", standardise=True))


def test_colour_pictures_have_one_scale_for_all_channels() -> None:
    """As loud as it is: the red that varies most stays the largest."""
    pictures = torch.full((300, 64, 64, 3), 40, dtype=torch.uint8)
    pictures[::2, 20:30, 20:30, 0] = 240
    pictures[::2, 20:30, 20:30, 2] = 90
    standard = Standardisation((64, 64, 3))
    standard.fit(pictures)
    seen = standard(pictures[:20].float() / 255)
    assert standard.scale.shape == () and seen.shape == (20, 64, 64, 3)
    assert float(seen[..., 0].std()) == pytest.approx(4 * float(seen[..., 2].std()), rel=0.01)
    torch.testing.assert_close(standard.undo(seen), pictures[:20].float() / 255)


def _drawn(page: Any, thing: Any, noise: float = 0.0, channels: int = 1) -> Sequences:
    """A square of 3 x 3 pixels anywhere on a page of 12 x 12, in grey levels of 0 to 1."""
    generator = torch.Generator().manual_seed(0)
    pictures = torch.tensor(page).expand(40, 5, 12, 12, channels).clone()
    corners = torch.randint(0, 10, (40, 5, 2), generator=generator)
    for n in range(40):
        for t in range(5):
            row, column = corners[n, t].tolist()
            pictures[n, t, row : row + 3, column : column + 3] = torch.tensor(thing)
    pictures += noise * torch.randn(pictures.shape, generator=generator)
    return Sequences((255 * pictures.clamp(0, 1)).round().to(torch.uint8), torch.zeros(40, 4, 1))


def _read(mean: float, deviation: float) -> Sequences:
    draw = torch.randn(40, 5, 3, generator=torch.Generator().manual_seed(0))
    return Sequences(mean + deviation * draw, torch.zeros(40, 4, 1))


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (_drawn(1.0, 0.0), True),
        (_drawn(0.0, 1.0), False),
        (_drawn(0.05, 0.9, noise=0.01), False),
        (_drawn(0.5, 0.4, noise=0.02), True),
        (_drawn([1.0, 0.9, 0.2], [0.1, 0.1, 0.8], channels=3), True),
        (_drawn([0.0, 0.0, 0.0], [0.9, 0.2, 0.1], channels=3), False),
        (_drawn(0.5, 0.5, noise=0.5), False),
        (_drawn(0.0, 0.0), False),
        (_read(0.1, 1.8), False),
        (_read(0.0, 100.0), True),
        (_read(0.0, 0.01), True),
        (_read(20.0, 1.0), True),
    ],
    ids=[
        "dark on white",
        "bright on black",
        "bright on noisy black",
        "grey on grey",
        "colours on a bright page",
        "a colour on black",
        "noise alone",
        "nothing",
        "angles",
        "large unit",
        "small unit",
        "far origin",
    ],
)
def test_what_stands_still_or_is_in_an_unusual_unit_is_standardised(data: Sequences, wanted: bool) -> None:
    assert suggested_standardisation(data).standardise is wanted


def test_the_share_of_what_stands_still_is_said() -> None:
    """Half of the readings are 1, half 4: their mean is 2.5 and they deviate by 1.5."""
    readings = torch.tensor([1.0, 4.0]).repeat(20)[:, None, None].expand(40, 5, 2)
    found = suggested_standardisation(Sequences(readings, torch.zeros(40, 4, 1)))
    assert found == (False, "the mean reading is 1.7 times what varies, at most 2")


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ([], None),
        (["--standardise"], True),
        (["--no-standardise"], False),
        (["--standardise", "auto"], None),
        (["--standardise", "yes"], True),
        (["--standardise", "no"], False),
        (["--standardise", "--steps", "3"], True),
    ],
    ids=str,
)
def test_the_flag_is_a_choice_and_alone_a_yes(words: list[str], wanted: bool | None) -> None:
    assert tyro.cli(TrainOptions, args=arguments_of(words)).standardise is wanted


# Sensors in units of their own


def _turning(units: list[float], noise: int | None = None, sequences: int = 60) -> Sequences:
    """Readings ``[60, 20, len(units)]`` that turn slowly, each in its unit and about as far from zero; the number
    ``noise`` is a dead sensor's."""
    generator = torch.Generator().manual_seed(0)
    phase = 6.3 * torch.rand(sequences, 1, len(units), generator=generator)
    readings = (phase + 0.4 * torch.arange(20).view(1, -1, 1)).sin()
    if noise is not None:
        readings[..., noise] = torch.randn(sequences, 20, generator=generator)
    return Sequences((readings + 2) * torch.tensor(units), torch.zeros(sequences, 19, 1))


def test_units_are_told_apart_where_a_reading_would_be_lost() -> None:
    assert own_units(_turning([1.0, 1.0, 3.0])) is None, "a third of the largest is a half of the root mean square"
    found = own_units(_turning([1.0, 0.05, 2000.0]))
    assert found is not None
    torch.testing.assert_close(found, 0.5**0.5 * torch.tensor([1.0, 0.05, 2000.0]), rtol=0.05, atol=0)
    wanted, why = suggested_standardisation(_turning([1.0, 0.05, 2000.0]))
    assert wanted and why == "readings deviate by 0.035 to 1.4e+03: each counts by its own deviation"
    assert own_units(_drawn(0.0, 1.0)) is None


def test_the_noise_of_a_dead_sensor_is_not_made_as_large_as_what_moves() -> None:
    assert own_units(_turning([1.0, 0.001, 1.0], noise=1)) is None
    found = own_units(_turning([1.0, 0.001, 500.0], noise=1))
    assert found is not None and float(found[1]) > 100 and float(found[0]) < 1
    still = _turning([1.0, 1.0, 500.0])
    still.observations[..., 1] = 7.0
    found = own_units(still)
    assert found is not None and torch.isfinite(1 / found).all()
    assert own_units(Sequences(torch.ones(5, 4, 2), torch.zeros(5, 3, 1))) is None


def _sensors(units: list[float], data: Sequences) -> EKVAE:
    torch.manual_seed(0)
    settings = {"standardise": True, "each_reading": True, "hidden": [8]}
    kind = str(data.observations.dtype).removeprefix("torch.")
    model = build("ekvae", DataSpec((len(units),), kind, 1, (1.0,)), settings)
    assert isinstance(model, EKVAE)
    model.prepare(data)
    return model


def test_a_model_of_each_reading_does_not_know_its_unit() -> None:
    """The same weights and readings in other units: the same positions, drawings, shares of error and gradients."""
    shares, gradients = [], []
    for units in ([1.0, 1.0, 1.0], [1.0, 0.05, 2000.0]):
        data = _turning(units)
        model = _sensors(units, data)
        positions = model.encode(data.observations).mean
        error = model.squared_error(positions, data.observations)
        share = error.mean() / model.error_unit().square()
        share.backward()
        shares.append((positions.detach(), (model.decode(positions) / torch.tensor(units)).detach(), share.detach()))
        gradients.append([one.grad for one in model.decoder.parameters()])
        # Nothing drawn is an error as large as the data's deviation, whatever the units.
        weights = _standard(model).weights
        assert weights is not None
        squared = (data.observations - data.observations.mean((0, 1))) / weights
        assert float(squared.square().mean().sqrt()) == pytest.approx(float(model.error_unit()), rel=0.02)
    for one, other in zip(*shares, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)
    for grad, like in zip(*gradients, strict=True):
        torch.testing.assert_close(grad, like, rtol=1e-3, atol=1e-4)


def test_errors_of_its_predictions_can_be_counted_without_the_unit() -> None:
    found = []
    for units in ([1.0, 1.0, 1.0], [1.0, 0.05, 2000.0]):
        data = _turning(units)
        model, deviation = _sensors(units, data), data.observations.flatten(0, 1).std(0)
        found.append(motion_figures(model, data, smooth(model, data), deviation))
    one, other = found
    scaled = [name for name in one if name.startswith("scaled_")]
    assert len(scaled) == 3 and all(other[name] == pytest.approx(one[name], rel=1e-2) for name in scaled)
    assert one["scaled_mean_near"] == pytest.approx(1, rel=0.05)
    assert other["mse_predict_near"] > 1e5 * one["mse_predict_near"]
    assert not any(name.startswith("scaled_") for name in motion_figures(model, data, smooth(model, data)))


@torch.no_grad()
def test_its_distortion_is_the_likelihood_of_what_it_draws() -> None:
    units = [1.0, 0.05, 2000.0]
    data = _turning(units)
    model = _sensors(units, data)
    positions = model.encode(data.observations).mean
    state = torch.cat((positions, torch.zeros(*positions.shape[:2], 1)), -1)
    expected = -model.emission(state).log_prob(data.observations)
    torch.testing.assert_close(model.distortion(model.squared_error(positions, data.observations)), expected)
    assert model.emission(state).sigma.shape == (3,)


@torch.no_grad()
def test_whole_numbers_from_0_to_255_are_counted_in_the_unit_interval_as_pictures_are() -> None:
    data = _turning([50.0, 2.0])
    whole = replace(data, observations=data.observations.round().to(torch.uint8))
    model = _sensors([50.0, 2.0], whole)
    assert own_units(whole) is not None
    positions = model.encode(whole.observations).mean
    error = model.squared_error(positions, whole.observations)
    torch.testing.assert_close(error, model.squared_error(positions, whole.observations.float() / 255))
    # What is drawn here is about the mean reading, so that next to nothing or all that varies is left out.
    assert held_out_figures(model, whole, {}, ())["undrawn_share"] > 0.5


def test_a_run_counts_its_readings_to_the_end_as_it_was_begun(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    readings = _turning([1.0, 0.05, 2000.0]).observations.numpy()
    recorded = [Trajectory(x, rng.uniform(-1, 1, (19, 1)).astype(np.float32)) for x in readings]
    bounds = {"action_low": [-1.0], "action_high": [1.0]}
    for split in ("train", "test"):
        storage.write(tmp_path / "data", split, recorded, bounds)
    options = TrainOptions(
        data=tmp_path / "data", run=tmp_path / "run", steps=4, batch=4, progress=False, device="cpu", kappa=1.0
    )
    model = load_model(train(options))
    assert isinstance(model, EKVAE) and model.settings.each_reading and _standard(model).scale.shape == (3,)
    begun = replace(options, resume=True)
    data = _turning([1.0, 1.0, 1.0])
    assert measure(begun, data).each_reading and not measure(replace(options, standardise=True), data).each_reading
