"""Standardised observations: around zero, of unit size, and back."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from latentrl.data_collection import storage
from latentrl.models import build
from latentrl.models.ekvae import EKVAE
from latentrl.models.spec import DataSpec
from latentrl.networks.standardisation import Standardisation
from latentrl.runs.folder import load_model
from latentrl.support.errors import UserError
from latentrl.train import train
from latentrl.training.options import TrainOptions
from latentrl.types import Trajectory


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


def test_only_the_ekvae_takes_it(tmp_path: Path) -> None:
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
