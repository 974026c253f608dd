"""One contract for every static model: whatever stands in ``STATICS`` is held to it, with either likelihood."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from latentrl.geometry.metric import curve_length, metric_tensor
from latentrl.models import STATICS, build_any
from latentrl.models.base import WorldModel
from latentrl.models.over_data import single_frames
from latentrl.models.spec import DataSpec
from latentrl.models.statics.base import StaticModel
from latentrl.objectives import OBJECTIVES
from latentrl.objectives.base import ObjectiveSettings
from latentrl.objectives.elbo import ELBO
from latentrl.runs.folder import load_any_model, load_model, model_settings
from latentrl.runs.tensors import write_tensors
from latentrl.support.errors import UserError
from latentrl.support.files import write_json
from latentrl.training.building import trainer_for
from latentrl.training.settings import TrainSettings
from latentrl.types import Sequences

SHAPE = (4, 4, 1)
SPEC = DataSpec(SHAPE, "uint8", 2, (1.0, 1.0))
SMALL = {"hidden": (8,), "prior_hidden": (8,)}
LIKELIHOODS = ("gaussian", "bernoulli")


def make_model(name: str, **changes: object) -> StaticModel:
    torch.manual_seed(0)
    known = {key: value for key, value in {**SMALL, **changes}.items() if STATICS[name].has_setting(key)}
    model = build_any(name, SPEC, {**asdict(STATICS[name].settings()), **known})
    assert isinstance(model, StaticModel) and not isinstance(model, WorldModel)
    model.prepare(make_batch())
    return model


def make_batch(count: int = 4, length: int = 3, seed: int = 0) -> Sequences:
    g = torch.Generator().manual_seed(seed)
    observations = torch.randint(0, 256, (count, length, *SHAPE), dtype=torch.uint8, generator=g)
    return Sequences(observations, torch.randn(count, length - 1, 2, generator=g))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(params=sorted(STATICS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=LIKELIHOODS)
def model(name: str, request: pytest.FixtureRequest) -> StaticModel:
    return make_model(name, likelihood=request.param)


def test_terms_are_those_of_a_bag_of_frames(model: StaticModel) -> None:
    """Finite, from the generator alone, summed over the frames of a sequence; errors are a mean."""
    batch = make_batch()
    terms, again = (model.rate_distortion(batch, seeded(3)) for _ in range(2))
    alone = model.rate_distortion(single_frames(batch), seeded(3))
    for term, same, frames in zip(terms, again, alone, strict=True):
        assert term.shape == (4,) and term.dtype == torch.float32 and term.isfinite().all()
        assert torch.equal(term, same) and frames.shape == (12,)
    torch.testing.assert_close(terms.rate, alone.rate.view(4, 3).sum(1))
    torch.testing.assert_close(terms.distortion, alone.distortion.view(4, 3).sum(1))
    torch.testing.assert_close(terms.error, alone.error.view(4, 3).mean(1))
    assert (terms.error > 0).all()


def test_rate_and_distortion_are_minus_the_bound_of_the_weights(name: str, model: StaticModel) -> None:
    """Eq. 2.17, from samples that are drawn once more."""
    count = getattr(STATICS[name].settings(), "samples", 1)
    weighs = name == "iwae"
    terms = model.rate_distortion(single_frames(make_batch()), seeded(3))
    frames = make_batch().observations.flatten(0, 1)
    drawn = model.draw(frames, count if weighs else 1, seeded(3), 1 if weighs else count)
    bound = drawn.log_weights.exp().double().mean(0).log() if weighs else drawn.log_weights[0]
    torch.testing.assert_close(-(terms.rate + terms.distortion).double(), bound.double(), rtol=1e-4, atol=1e-3)


def test_gradients_reach_every_parameter_and_each_has_its_role(model: StaticModel) -> None:
    ELBO().loss(model.rate_distortion(make_batch(), seeded())).backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), parameter_name
        assert parameter.grad.abs().sum() > 0, parameter_name
    grouped = [id(p) for group in model.parameter_groups().values() for p in group]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters())
    assert model.parameter_groups().keys() <= TrainSettings().learning_rates.keys()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_trains_it(name: str, objective: str) -> None:
    """The second step moves encoder and decoder; what the objective freezes stays."""
    weighing = OBJECTIVES[objective](ObjectiveSettings(bound=1e-4, annealing_steps=10, frames=True))
    settings = TrainSettings(steps=10, batch=2, sigma_hold=0, alignment=0.0)
    data = single_frames(make_batch())
    trainer = trainer_for(make_model(name), weighing, data, settings, seed=0)
    trainer.advance()
    before = {key: [p.clone() for p in group] for key, group in trainer.model.parameter_groups().items()}
    assert all(term.isfinite().all() for term in trainer.advance())
    for key, group in trainer.model.parameter_groups().items():
        moved = [not torch.equal(p, old) for p, old in zip(group, before[key], strict=True)]
        assert not any(moved) if key in weighing.frozen() else any(moved), key


def test_geometry_measures_with_its_decoder_and_its_prior_is_sampled(model: StaticModel) -> None:
    nodes = model.initial_distribution.sample(5, seeded())
    assert nodes.shape == (5, 2) and torch.equal(nodes, model.initial_distribution.sample(5, seeded()))
    metric = metric_tensor(model.decode, nodes.detach())
    assert metric.shape == (5, 2, 2) and (torch.linalg.eigvalsh(metric.detach()) > -1e-6).all()
    assert float(curve_length(model.decode, nodes.detach()).detach()) > 0
    picture = model.emission(nodes.detach())
    torch.testing.assert_close(picture.mean, model.decode(nodes.detach()))
    assert picture.log_prob(picture.rsample(seeded())).shape == (5,)


def test_what_stands_for_a_frame_is_one_point_whatever_the_leading_shape(model: StaticModel) -> None:
    frames = make_batch().observations
    latents = model.latents(frames, seeded())
    assert latents.shape == (4, 3, 2) and latents.isfinite().all()
    assert torch.equal(latents.flatten(0, 1), model.latents(frames.flatten(0, 1), seeded()))
    assert model.latents(frames[0, 0], seeded()).shape == (2,)


def test_a_run_folder_gives_the_same_model_and_world_models_are_asked_for_in_vain(
    name: str, model: StaticModel, tmp_path: Path
) -> None:
    write_json(tmp_path / "settings.json", {"model": model_settings(name, model)})
    write_tensors(tmp_path / "model.safetensors", model.state_dict())
    loaded = load_any_model(tmp_path)
    first, second = (m.rate_distortion(make_batch(), seeded()) for m in (model, loaded))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    with pytest.raises(UserError, match="its model is static"):
        load_model(tmp_path)


@pytest.mark.parametrize("changes", [{"position_size": 0}, {"samples": 0}, {"components": 0}, {"likelihood": "cauchy"}])
def test_settings_that_make_no_model_are_refused(name: str, changes: dict[str, object]) -> None:
    if not all(STATICS[name].has_setting(key) for key in changes):
        pytest.skip("it has no such setting")
    with pytest.raises(ValueError, match=r"must be one or more|there are gaussian and bernoulli"):
        make_model(name, **changes)


def test_a_little_training_tells_two_pictures_apart(name: str) -> None:
    """Better than the mean picture, whose error is a quarter of the squared contrast."""
    pictures = torch.zeros(64, 1, *SHAPE, dtype=torch.uint8)
    pictures[::2, :, :2], pictures[1::2, :, 2:] = 200, 200
    data = Sequences(pictures, torch.zeros(64, 0, 2))
    model = make_model(name, initial_sigma=0.4, samples=4, components=4)
    rates = dict.fromkeys(TrainSettings().learning_rates, 1e-2)
    settings = TrainSettings(steps=150, batch=16, sigma_hold=0, alignment=0.0, learning_rates=rates)
    trainer = trainer_for(model, OBJECTIVES["rewo"](ObjectiveSettings(0.01, 10, frames=True)), data, settings, seed=0)
    for _ in range(settings.steps):
        trainer.advance()
    error = float(model.rate_distortion(data, seeded()).error.mean().detach())
    assert error < 0.1 * 0.25 * (200 / 255) ** 2 and math.isfinite(error)
