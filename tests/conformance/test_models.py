"""One contract for every world model: whatever stands in ``MODELS`` is held to it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from latentrl.models import MODELS, build
from latentrl.models.base import DataSpec, WorldModel
from latentrl.objective import ELBO
from latentrl.runs import load_model, model_settings, write_json, write_tensors
from latentrl.training import Trainer, TrainSettings
from latentrl.types import Belief, Dynamics, Filter, Sequences

SHAPE, ACTIONS = (8, 8, 1), 2
SPEC = DataSpec(SHAPE, "uint8", ACTIONS, (2.0, 3.0))


def make_model(name: str, seed: int = 0) -> WorldModel:
    torch.manual_seed(seed)
    return build(name, SPEC, asdict(MODELS[name].settings()))


def make_batch(count: int = 4, length: int = 6, seed: int = 0) -> Sequences:
    g = torch.Generator().manual_seed(seed)
    observations = torch.randint(0, 256, (count, length, *SHAPE), dtype=torch.uint8, generator=g)
    return Sequences(observations, torch.randn(count, length - 1, ACTIONS, generator=g))


@pytest.fixture(params=sorted(MODELS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def model(name: str) -> WorldModel:
    return make_model(name)


@pytest.mark.parametrize(("count", "length"), [(1, 2), (4, 6), (2, 17)])
def test_rate_distortion_for_any_batch_and_length(model: WorldModel, count: int, length: int) -> None:
    terms = model.rate_distortion(make_batch(count, length), torch.Generator().manual_seed(0))
    for term in terms:
        assert term.shape == (count,) and term.dtype == torch.float32 and term.isfinite().all()
    assert (terms.error > 0).all()


def test_sequences_of_a_batch_do_not_touch_each_other(model: WorldModel) -> None:
    batch = make_batch(3)
    whole = model.smooth(batch.observations, batch.actions).mean
    for i in range(3):
        alone = model.smooth(batch.observations[i : i + 1], batch.actions[i : i + 1]).mean
        torch.testing.assert_close(alone[0], whole[i], rtol=1e-4, atol=1e-5)


def test_the_same_generator_gives_the_same_terms(model: WorldModel) -> None:
    first, second = (model.rate_distortion(make_batch(), torch.Generator().manual_seed(3)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_gradients_reach_every_parameter(model: WorldModel) -> None:
    terms = model.rate_distortion(make_batch(), torch.Generator().manual_seed(0))
    ELBO().loss(terms).backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all() and parameter.grad.abs().sum() > 0, parameter_name


def test_parameter_groups_hold_every_parameter_once(model: WorldModel) -> None:
    grouped = [id(p) for group in model.parameter_groups().values() for p in group]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters())
    assert model.parameter_groups().keys() <= TrainSettings().learning_rates.keys()


def test_online_filter_ends_where_the_smoother_ends(model: WorldModel) -> None:
    """The last smoothed belief has seen what the filter has seen: nothing lies in its future."""
    assert isinstance(model, Filter)
    batch = make_batch()
    belief = model.initial_belief(batch.observations[:, 0])
    for t in range(1, batch.length):
        belief = model.filter(belief, batch.actions[:, t - 1], batch.observations[:, t])
    smoothed = model.smooth(batch.observations, batch.actions)
    torch.testing.assert_close(belief.mean, smoothed.mean[:, -1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(belief.covariance, smoothed.covariance[:, -1], rtol=1e-4, atol=1e-6)


def test_a_missing_frame_leaves_the_prediction(model: WorldModel) -> None:
    batch = make_batch()
    belief = model.initial_belief(batch.observations[:, 0])
    blind = model.filter(belief, batch.actions[:, 0], None)
    seeing = model.filter(belief, batch.actions[:, 0], batch.observations[:, 1])
    predicted = model.transition(belief.mean.float(), batch.actions[:, 0]).mean
    torch.testing.assert_close(blind.mean.float(), predicted, rtol=1e-3, atol=1e-4)
    spread = [b.covariance.diagonal(dim1=-2, dim2=-1).sum(-1) for b in (blind, seeing)]
    assert (spread[0] > spread[1]).all(), "an observation narrows the belief"


@pytest.mark.parametrize("shape", [(), (5,), (2, 3)])
def test_transition_and_emission_take_any_batch(model: WorldModel, shape: tuple[int, ...]) -> None:
    assert isinstance(model, Dynamics)
    g = torch.Generator().manual_seed(0)
    state = torch.randn(*shape, model.state_size, generator=g)
    step = model.transition(state, torch.randn(*shape, ACTIONS, generator=g))
    sample = step.rsample(g)
    assert step.mean.shape == sample.shape == state.shape and sample.dtype == torch.float32
    assert step.log_prob(sample).shape == torch.Size(shape)
    picture = model.emission(state)
    assert picture.mean.shape == (*shape, *SHAPE)
    assert picture.log_prob(picture.mean).shape == torch.Size(shape)


def test_gradients_flow_through_the_transition_to_the_actions(model: WorldModel) -> None:
    action = torch.zeros(4, ACTIONS, requires_grad=True)
    model.transition(torch.randn(4, model.state_size), action).mean.sum().backward()
    assert action.grad is not None and action.grad.abs().sum() > 0


def test_goals_are_a_position_or_a_velocity(model: WorldModel) -> None:
    batch = make_batch()
    assert model.encode_goal(batch.observations[0, 0]).shape == (model.position_size,)
    velocity = model.encode_goal(batch.observations[0], batch.actions[0])
    assert velocity.shape == (model.state_size - model.position_size,)


def test_initial_states_come_from_the_prior(model: WorldModel) -> None:
    first, second = (model.initial_distribution.sample(7, torch.Generator().manual_seed(0)) for _ in range(2))
    assert first.shape == (7, model.state_size) and torch.equal(first, second)


def test_save_and_load_give_the_same_model(name: str, model: WorldModel, tmp_path: Path) -> None:
    write_json(tmp_path / "settings.json", {"model": model_settings(name, model)})
    write_tensors(tmp_path / "model.safetensors", model.state_dict())
    loaded = load_model(tmp_path)
    assert model_settings(name, loaded) == model_settings(name, model)
    first, second = (m.rate_distortion(make_batch(), torch.Generator().manual_seed(0)) for m in (model, loaded))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_wrong_observation_is_refused(model: WorldModel) -> None:
    with pytest.raises(ValueError, match=r"\(8, 8, 1\)"):
        model.initial_belief(torch.zeros(3, 16, 16, 1, dtype=torch.uint8))


def moving_dot(count: int, length: int, seed: int) -> Sequences:
    """A dot that an action pushes left and right with momentum: the smallest world with a position and a velocity."""
    g = torch.Generator().manual_seed(seed)
    actions = 2 * torch.rand(count, length - 1, ACTIONS, generator=g) - 1
    place, speed = 3.5 + 4 * (torch.rand(count, generator=g) - 0.5), torch.rand(count, generator=g) - 0.5
    frames, columns = [], torch.arange(8.0)
    for t in range(length):
        frames.append((-0.5 * ((columns - place[:, None]) / 1.5).square()).exp()[:, None, :].expand(-1, 8, -1))
        if t + 1 < length:
            speed = 0.9 * speed + 0.3 * actions[:, t, 0]
            place = (place + speed).clamp(0, 7)
    return Sequences((255 * torch.stack(frames, 1)).to(torch.uint8).unsqueeze(-1), actions)


def test_a_little_training_predicts_better_than_standing_still(name: str) -> None:
    model = make_model(name, seed=1)
    trainer = Trainer(model, ELBO(), moving_dot(200, 8, seed=0), TrainSettings(steps=400, batch=32), seed=0)
    for _ in range(400):
        trainer.advance()
    test = moving_dot(100, 8, seed=1)
    with torch.no_grad():
        belief = model.smooth(test.observations[:, :5], test.actions[:, :4])
        state = Belief(belief.mean[:, -1], belief.covariance[:, -1]).mean.float()
        for t in range(4, 7):
            state = model.transition(state, test.actions[:, t]).mean
        predicted = model.emission(state).mean
    truth = test.observations[:, 7].float() / 255
    still = test.observations[:, 4].float() / 255
    assert (predicted - truth).square().mean() < 0.25 * (still - truth).square().mean()
