"""The example of a model of one's own keeps the contract of every model, and goes through the verbs."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from latentrl.agents import LatentAgent, PlannerController
from latentrl.agents.planners import PLANNERS
from latentrl.agents.planners.cem import CEMOptions
from latentrl.collect import CollectOptions, collect
from latentrl.data_collection.storage import load_sequences
from latentrl.models import MODELS, build
from latentrl.models.spec import DataSpec
from latentrl.rewards.position import PositionReward
from latentrl.runs.folder import load_model
from latentrl.support.errors import UserError
from latentrl.train import train
from latentrl.training.options import TrainOptions

ROOT = Path(__file__).parent.parent
SHAPE = (8, 8, 1)
CORE = (
    "test_sequences_of_a_batch_do_not_touch_each_other",
    "test_the_same_generator_gives_the_same_terms",
    "test_parameter_groups_hold_every_parameter_once",
    "test_online_filter_ends_where_the_smoother_ends",
    "test_a_missing_frame_leaves_the_prediction",
    "test_gradients_flow_through_the_transition_to_the_actions",
    "test_goals_are_a_position_or_a_velocity",
    "test_initial_states_come_from_the_prior",
    "test_a_wrong_observation_is_refused",
)
"""Tests of the conformance suite that take a model, or its name, and nothing else."""


def load(path: Path) -> ModuleType:
    """A file as a module of its own, run once."""
    name = f"_{path.stem}_under_test"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


example = load(ROOT / "examples" / "own_model.py")
suite = load(ROOT / "tests" / "conformance" / "test_models.py")
devices = load(ROOT / "tests" / "conformance" / "test_devices.py")


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """The example registers itself, and is forgotten again."""
    before = dict(MODELS)
    example.register()
    suite.EXPECTATIONS["linear"] = suite.Expectation()
    yield
    MODELS.clear()
    MODELS.update(before)


@pytest.mark.parametrize("test", CORE)
def test_keeps_the_contract(test: str) -> None:
    function = getattr(suite, test)
    given = {"name": "linear", "model": suite.make_model("linear")}
    function(**{key: given[key] for key in inspect.signature(function).parameters})


@pytest.mark.parametrize("shape", [(), (5,), (2, 3)])
def test_transition_and_emission_take_any_batch(shape: tuple[int, ...]) -> None:
    suite.test_transition_and_emission_take_any_batch(suite.make_model("linear"), shape)


def test_save_and_load_give_the_same_model(tmp_path: Path) -> None:
    suite.test_save_and_load_give_the_same_model("linear", suite.make_model("linear"), tmp_path)


def test_a_training_step_waits_for_nothing() -> None:
    devices.test_a_training_step_of_every_model_waits_for_nothing("linear", "sensors")


def test_the_evidence_of_the_features_is_that_of_the_joint_normal() -> None:
    """The rate against the brute-force covariance of all features of a sequence."""
    torch.manual_seed(0)
    model: Any = build("linear", DataSpec(SHAPE, "uint8", 2, (2.0, 3.0)), {"state_size": 3, "position_size": 2})
    batch, length = suite.make_batch(count=2, length=4), 4
    posterior = model.encode(batch.observations)
    features = posterior.rsample(torch.Generator().manual_seed(1)).double()
    rate = model.rate_distortion(batch, torch.Generator().manual_seed(1)).rate
    transition, control = model.state_matrix.double(), model.control_matrix.double()
    noise, seen = model.log_process_noise.double().exp().diag(), model.log_feature_noise.double().exp().diag()
    means = [torch.zeros(2, 3, dtype=torch.float64)]
    for action in batch.actions.double().unbind(1):
        means.append(means[-1] @ transition.T + action @ control.T)
    marginals = [torch.eye(3, dtype=torch.float64)]
    for _ in range(length - 1):
        marginals.append(transition @ marginals[-1] @ transition.T + noise)
    covariance = torch.zeros(length, 2, length, 2, dtype=torch.float64)
    for late in range(length):
        for early in range(late + 1):
            block = (torch.linalg.matrix_power(transition, late - early) @ marginals[early])[:2, :2]
            covariance[late, :, early] = block + (seen if late == early else 0)
            covariance[early, :, late] = covariance[late, :, early].T
    joint = torch.distributions.MultivariateNormal(
        torch.stack(means, 1)[..., :2].flatten(1), covariance.flatten(0, 1).flatten(1)
    )
    expected = posterior.log_prob(features.float()).sum(1) - joint.log_prob(features.flatten(1))
    torch.testing.assert_close(rate.double(), expected, rtol=1e-4, atol=1e-3)


def test_a_little_training_halves_the_error_of_standing_still() -> None:
    model, test = suite.little_training("linear", {}), suite.moving_dot(100, 8, seed=1)
    seen = test.truncate(5)
    assert suite.error_ahead(model, model.smooth(seen.observations, seen.actions).mean[:, -1], test) < 0.5


def test_trains_on_the_pendulum_and_plans(tmp_path: Path) -> None:
    data = collect(CollectOptions(out=tmp_path / "data", sequences=20, test_sequences=12, length=6, num_envs=4))
    run = train(
        TrainOptions(
            data=data, run=tmp_path / "run", model="linear", steps=5, batch=4, state_size=8, position_size=4,
            progress=False, device="cpu",
        )
    )  # fmt: skip
    model = load_model(run).requires_grad_(False)
    assert isinstance(model, example.LinearModel) and model.state_size == 8
    frames = load_sequences(data, "test").observations
    bound = torch.tensor([2.0])
    planner = PLANNERS["cem"](-bound, bound, CEMOptions(horizon=5, samples=16, iterations=2, elites=4))
    agent = LatentAgent(model, PlannerController(planner, model, PositionReward(model.encode_goal(frames[0, 0]))))
    agent.reset(seed=0)
    for t in range(3):
        action = agent.act(frames[:, t].numpy())
        assert action.shape == (12, 1) and (abs(action) <= 2).all()
    MODELS.pop("linear")
    with pytest.raises(UserError, match="no model 'linear'"):
        load_model(run)
