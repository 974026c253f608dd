"""One contract for every world model: whatever stands in ``MODELS`` is held to it.

Where models may differ, ``EXPECTATIONS`` says for each what is asked of it; a model without a line there may be either.
"""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pytest
import torch

from latentrl.agents.planners import PLANNERS
from latentrl.inference.backends import AUTO, backend_named, choose
from latentrl.models import MODELS, build
from latentrl.models.base import WorldModel
from latentrl.models.capabilities import FrameEncoder, RunsBackend
from latentrl.models.spec import DataSpec
from latentrl.numerics.slopes import slopes
from latentrl.objectives import OBJECTIVES
from latentrl.objectives.base import ObjectiveSettings
from latentrl.objectives.elbo import ELBO
from latentrl.priors import PRIORS
from latentrl.rewards.position import PositionReward
from latentrl.runs.folder import load_model, model_settings
from latentrl.runs.tensors import write_tensors
from latentrl.support.files import write_json
from latentrl.training.building import trainer_for
from latentrl.training.settings import TrainSettings
from latentrl.types import Belief, Dynamics, Filter, Sequences, SmoothDynamics
from tests.conformance.planners import with_horizon


@dataclass(frozen=True)
class Expectation:
    """What the contract asks of one model where models may differ.

    Attributes:
        filter_is_last_smoothed: the online filter and the smoother are one posterior, so that the last smoothed belief
            *equals* the filtered one. Where not, they are two approximations of the same posterior, and must agree
            after training: see ``test_filter_and_smoother_agree_after_training``. None: either will do.
        predicts_at_the_mean: without a frame, the next mean is the transition's at the last mean, as in the extended
            Kalman filter. Where not, it is the transition's average over the belief. None: either will do.
        tells_velocity: leading dimensions are the position and the others the velocity, so there are velocity goals.
        learning_steps: gradient steps of the little training.
        learning_frames: of its sequences; of fewer, sequence models learn too slowly.
    """

    filter_is_last_smoothed: bool | None = True
    predicts_at_the_mean: bool | None = True
    tells_velocity: bool = True
    learning_steps: int = 400
    learning_frames: int = 6


RECURRENT = Expectation(filter_is_last_smoothed=False, tells_velocity=False, learning_steps=600)
# Filtered online in the learned model, not by the recognition network that smooths.
DEEP_KALMAN = replace(RECURRENT, predicts_at_the_mean=False, learning_steps=1000, learning_frames=8)
DEEP_BAYES = replace(DEEP_KALMAN, learning_steps=500)
EXPECTATIONS: dict[str, Expectation] = {
    "ekvae": Expectation(),
    "dks": DEEP_KALMAN,
    "dkf": replace(DEEP_KALMAN, learning_steps=1600),
    "dvbs": DEEP_BAYES,
    "dvbf": replace(DEEP_BAYES, learning_frames=6),
    "kvae": Expectation(learning_steps=600),
    "rssm": RECURRENT,
}


def expectation(name: str) -> Expectation:
    """That of a model; of one that is not named above, what it says of itself."""
    model = make_model(name)
    splits = model.position_size < model.latent_size
    return EXPECTATIONS.get(name, Expectation(None, None, tells_velocity=splits, learning_steps=800, learning_frames=8))


SHAPE, ACTIONS = (8, 8, 1), 2
SPEC = DataSpec(SHAPE, "uint8", ACTIONS, (2.0, 3.0))


def make_model(name: str, seed: int = 0, **changes: object) -> WorldModel:
    torch.manual_seed(seed)
    known = {setting: value for setting, value in changes.items() if MODELS[name].has_setting(setting)}
    return build(name, SPEC, {**asdict(MODELS[name].settings()), **known})


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


def test_the_models_of_this_package_have_their_expectations() -> None:
    assert EXPECTATIONS.keys() <= MODELS.keys()
    assert all(MODELS[name].has_setting("prior") for name in EXPECTATIONS)


@pytest.mark.parametrize(("count", "length"), [(1, 1), (1, 2), (4, 6), (2, 17)])
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


@pytest.mark.parametrize("prior", PRIORS)
def test_gradients_reach_every_parameter(name: str, prior: str) -> None:
    model = make_model(name, prior=prior)
    terms = model.rate_distortion(make_batch(), torch.Generator().manual_seed(0))
    ELBO().loss(terms).backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all() and parameter.grad.abs().sum() > 0, parameter_name


def test_the_priors_bound_has_the_samples_that_the_settings_say(name: str) -> None:
    """Each of four is drawn anew, and the bound of their weights is what the rate is made of."""
    if not MODELS[name].has_setting("samples"):
        pytest.skip("knows no samples of its prior's bound")
    model, batch = make_model(name, samples=4), make_batch()
    terms = [model.rate_distortion(batch, torch.Generator().manual_seed(0)).rate]
    bound = model.initial_distribution.bound
    found: list[torch.Tensor] = []

    def spied(state: torch.Tensor, generator: torch.Generator | None = None, samples: int = 1) -> torch.Tensor:
        found.extend((bound(state, generator, 4), torch.tensor(samples)))
        return found[0] + 100.0

    model.initial_distribution.bound = spied  # type: ignore[method-assign]
    terms.append(model.rate_distortion(batch, torch.Generator().manual_seed(0)).rate)
    assert found[1] == 4
    torch.testing.assert_close(terms[0] - terms[1], torch.full((4,), 100.0), rtol=0, atol=1e-2)


def test_alignment_pulls_on_the_encoder(model: WorldModel) -> None:
    if not isinstance(model, FrameEncoder):
        pytest.skip("encodes whole sequences, and is not aligned")
    batch = make_batch(3, 5)
    positions = model.encode(batch.observations).mean
    assert positions.shape[:2] == (3, 5) and positions.dtype == torch.float32
    positions.square().sum().backward()
    pulled = [p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameter_groups()["encoder"]]
    assert any(pulled)


@pytest.mark.parametrize(("objective", "prior"), list(itertools.product(OBJECTIVES, PRIORS)))
def test_every_objective_trains_with_every_prior(name: str, objective: str, prior: str) -> None:
    """The second step moves encoder and decoder; what the objective freezes stays, and the rest moves too."""
    weighing = OBJECTIVES[objective](ObjectiveSettings(bound=1e-4, annealing_steps=10))
    settings = TrainSettings(steps=10, batch=2, sigma_hold=0, alignment=0.0)
    trainer = trainer_for(make_model(name, prior=prior), weighing, make_batch(), settings, seed=0)
    trainer.advance()
    before = {key: [p.clone() for p in group] for key, group in trainer.model.parameter_groups().items()}
    terms = trainer.advance()
    assert all(term.isfinite().all() for term in terms)
    for key, group in trainer.model.parameter_groups().items():
        moved = [not torch.equal(p, old) for p, old in zip(group, before[key], strict=True)]
        assert not any(moved) if key in weighing.frozen() else all(moved), key


def test_parameter_groups_hold_every_parameter_once(model: WorldModel) -> None:
    grouped = [id(p) for group in model.parameter_groups().values() for p in group]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters())
    assert model.parameter_groups().keys() <= TrainSettings().learning_rates.keys()


def filtered(model: WorldModel, batch: Sequences) -> Belief:
    belief = model.initial_belief(batch.observations[:, 0])
    for t in range(1, batch.length):
        belief = model.filter(belief, batch.actions[:, t - 1], batch.observations[:, t])
    return belief


def test_online_filter_ends_where_the_smoother_ends(name: str, model: WorldModel) -> None:
    """The last smoothed belief has seen what the filter has seen: nothing lies in its future."""
    assert isinstance(model, Filter)
    batch = make_batch()
    belief = filtered(model, batch)
    assert torch.linalg.eigvalsh(belief.covariance).min() > -1e-9
    if not expectation(name).filter_is_last_smoothed:
        assert belief.mean.isfinite().all() and belief.mean.shape == (len(batch), model.state_size)
        return
    smoothed = model.smooth(batch.observations, batch.actions)
    torch.testing.assert_close(belief.mean, smoothed.mean[:, -1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(belief.covariance, smoothed.covariance[:, -1], rtol=1e-4, atol=1e-6)


def test_a_missing_frame_leaves_the_prediction(name: str, model: WorldModel) -> None:
    batch = make_batch()
    belief = model.initial_belief(batch.observations[:, 0])
    blind = model.filter(belief, batch.actions[:, 0], None)
    seeing = model.filter(belief, batch.actions[:, 0], batch.observations[:, 1])
    predicted, expected = model.transition(belief.mean.float(), batch.actions[:, 0]).mean, expectation(name)
    at_the_mean = torch.allclose(blind.mean.float(), predicted, rtol=1e-3, atol=1e-4)
    if expected.predicts_at_the_mean or (expected.predicts_at_the_mean is None and at_the_mean):
        torch.testing.assert_close(blind.mean.float(), predicted, rtol=1e-3, atol=1e-4)
    else:
        many = Belief(belief.mean.expand(2000, -1, -1), belief.covariance.expand(2000, -1, -1, -1))
        sampled = many.sample(torch.Generator().manual_seed(0)).float()
        states = model.transition(sampled, batch.actions[:, 0].expand(2000, -1, -1)).mean
        gap = (blind.mean - states.mean(0)).abs() / states.std(0)
        assert (gap < 0.12).all(), "within sampling error (four times 1 / sqrt(2000)) and what cubature leaves out"
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


@pytest.mark.parametrize("largest", [1.0, 4.0], ids=["as recorded", "beyond"])
@pytest.mark.parametrize("shape", [(), (2, 3)])
def test_slopes_that_dynamics_know_are_those_of_their_transition(
    model: WorldModel, shape: tuple[int, ...], largest: float
) -> None:
    g = torch.Generator().manual_seed(0)
    state = torch.randn(*shape, model.state_size, generator=g)
    action = largest * 2.0 * (2 * torch.rand(*shape, ACTIONS, generator=g) - 1)
    for dynamics in (model, model.requires_grad_(False).frozen()):
        if not isinstance(dynamics, SmoothDynamics):
            continue
        with torch.inference_mode():
            by_state, by_action = dynamics.jacobians(state, action)
        expected = slopes(lambda *inputs, of=dynamics: of.transition(*inputs).mean, state, action)
        torch.testing.assert_close((by_state, by_action), expected, rtol=1e-4, atol=1e-5)
        assert not by_state.requires_grad and not by_action.requires_grad


LOW, HIGH = torch.tensor([-2.0, -3.0]), torch.tensor([2.0, 3.0])


@pytest.mark.parametrize("planner", PLANNERS)
def test_every_planner_plans_with_it(model: WorldModel, planner: str) -> None:
    """From a filtered belief to a goal picture: a memory travels in the state, and no planner needs to know."""
    batch = make_batch(2, 3)
    reward = PositionReward(model.encode_goal(batch.observations[0, 0]))
    state, frozen = filtered(model, batch).mean.float(), model.requires_grad_(False).frozen()
    plan = with_horizon(planner, LOW, HIGH, 3).plan(frozen, reward, state, generator=torch.Generator().manual_seed(0))
    assert plan.shape == (2, 3, ACTIONS) and (plan >= LOW).all() and (plan <= HIGH).all()
    assert plan.std() > 0


def test_goals_are_a_position_or_a_velocity(name: str, model: WorldModel) -> None:
    batch = make_batch()
    assert model.encode_goal(batch.observations[0, 0]).shape == (model.position_size,)
    if expectation(name).tells_velocity:
        velocity = model.encode_goal(batch.observations[0], batch.actions[0])
        assert velocity.shape == (model.latent_size - model.position_size,) != (0,)
    else:
        assert model.position_size == model.latent_size, "a goal is a whole state"
        with pytest.raises(ValueError, match="velocity"):
            model.encode_goal(batch.observations[0], batch.actions[0])


def test_agents_go_beyond_recorded_actions_in_models_without_a_memory_alone(model: WorldModel) -> None:
    remembers = model.latent_size < model.state_size
    assert model.largest_actions == (SPEC.action_scale if remembers else None)


def test_initial_states_come_from_the_prior(model: WorldModel) -> None:
    first, second = (model.initial_states(7, torch.Generator().manual_seed(0)) for _ in range(2))
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


@pytest.fixture(scope="module")
def trained() -> dict[str, WorldModel]:
    """Models after a little training on the moving dot, filled in as tests ask for them."""
    return {}


def little_training(name: str, trained: dict[str, WorldModel]) -> WorldModel:
    if name not in trained:
        steps = expectation(name).learning_steps
        settings = TrainSettings(steps=steps, batch=32, sigma_hold=0, decay_from=1.0)
        model = make_model(name, seed=1)
        if isinstance(model, RunsBackend):
            # As in a run: the fastest, which gives the reference's numbers (conformance/test_backends.py).
            model.use_backend(backend_named(choose(AUTO, "cpu", model.latent_size)))
        data = moving_dot(200, expectation(name).learning_frames, seed=0)
        trainer = trainer_for(model, ELBO(), data, settings, seed=0)
        with torch.enable_grad():
            for _ in range(steps):
                trainer.advance()
        trained[name] = model
    return trained[name]


@torch.no_grad()
def error_ahead(model: WorldModel, state: torch.Tensor, test: Sequences) -> float:
    """Mean squared error of the last frame predicted from ``state`` at the fifth, as a share of standing still."""
    state = state.float()
    for t in range(4, 7):
        state = model.transition(state, test.actions[:, t]).mean
    truth, still = (test.observations[:, t].float() / 255 for t in (7, 4))
    return float((model.emission(state).mean - truth).square().mean() / (still - truth).square().mean())


def test_a_little_training_predicts_better_than_standing_still(name: str, trained: dict[str, WorldModel]) -> None:
    model, test = little_training(name, trained), moving_dot(100, 8, seed=1)
    seen = test.truncate(5)
    assert error_ahead(model, model.smooth(seen.observations, seen.actions).mean[:, -1], test) < 0.25


@torch.no_grad()
def test_filter_and_smoother_agree_after_training(name: str, trained: dict[str, WorldModel]) -> None:
    """Filter and smoother have seen the same five frames: what they predict must be about as good.

    As shares of standing still: the ratio of two small errors says little (of twelve DKFs, alike but for their seeds,
    it is 0.3 to 2.1).
    """
    model, test = little_training(name, trained), moving_dot(100, 8, seed=1)
    seen = test.truncate(5)
    online = error_ahead(model, filtered(model, seen).mean, test)
    assert online < 0.1 + error_ahead(model, model.smooth(seen.observations, seen.actions).mean[:, -1], test)
