"""What every policy promises, checked on all kinds: bounds, files, seeds, inputs."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from latentrl.agents.goal_conditioning import GoalConditioned, attach_goal
from latentrl.agents.policies import POLICIES, Learner, Policy, load_policy, policy_kind, policy_path, save_policy
from latentrl.numerics.distributions import DiagonalGaussian
from latentrl.rewards.carried_goal import CarriedGoalReward
from latentrl.types import Belief

LOW, HIGH = torch.tensor([-2.0, 0.3]), torch.tensor([0.1, 7.7])

FEW: dict[str, Any] = {"steps": 64, "envs": 4, "length": 6, "hidden": (8, 5)}
OFF_POLICY: dict[str, Any] = {**FEW, "settings": {"learning_starts": 16, "batch_size": 16, "buffer_size": 64}}
ON_POLICY: dict[str, Any] = {**FEW, "settings": {"n_steps": 8, "batch_size": 16, "n_epochs": 2}}
QUICK: dict[str, dict[str, Any]] = {
    "analytic-gradient": {"updates": 3, "horizon": 4, "batch": 16, "hidden": (8, 5)},
    "sac": OFF_POLICY,
    "td3": OFF_POLICY,
    "ppo": ON_POLICY,
}
# Not in POLICIES, but reachable by the name of their class.
BY_NAME: dict[str, dict[str, Any]] = {"DDPG": OFF_POLICY, "A2C": {**FEW, "settings": {"n_steps": 8}}}


LITTLE: dict[str, Any] = {**FEW, "updates": 3, "horizon": 4, "batch": 16}
"""What usual settings are set to where a kind that is not named above has them."""


def few(name: str) -> dict[str, Any]:
    """Settings with which a kind learns in no time."""
    named = {**QUICK, **BY_NAME}
    if name in named:
        return named[name]
    known = {field.name for field in fields(POLICIES[name].options)}
    return {setting: value for setting, value in LITTLE.items() if setting in known}


class Tracker:
    """Three independent random walks under control, the first two seen through noise, filtered exactly."""

    control = torch.tensor([[0.1, 0.0], [0.0, 0.1], [0.05, 0.05]])
    noise = torch.tensor([0.01, 0.02, 0.03])

    def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
        return DiagonalGaussian(state + action @ self.control.T, self.noise)

    def emission(self, state: Tensor) -> DiagonalGaussian:
        return DiagonalGaussian(state, torch.full((3,), 0.1))

    def initial_belief(self, observation: Tensor) -> Belief:
        return Belief(observation, 0.1 * torch.eye(3).expand(len(observation), 3, 3))

    def filter(self, belief: Belief, action: Tensor, observation: Tensor | None) -> Belief:
        mean = belief.mean + action @ self.control.T
        variance = belief.covariance.diagonal(dim1=-2, dim2=-1) + self.noise
        if observation is not None:
            gain = variance / (variance + 0.1)
            mean, variance = mean + gain * (observation - mean), (1 - gain) * variance
        return Belief(mean, torch.diag_embed(variance))


def quadratic(state: Tensor, action: Tensor) -> Tensor:
    return -state.square().sum(-1)


def starts(count: int, generator: torch.Generator) -> Tensor:
    return torch.randn(count, 3, generator=generator)


def make(name: str, seed: int = 0, goal_size: int = 0, **changes: Any) -> Learner:
    kind = policy_kind(name)
    options = replace(kind.options, **{**few(name), **changes})
    if not goal_size:
        return kind.learner(Tracker(), quadratic, starts, LOW, HIGH, options, seed)
    carrying = GoalConditioned(Tracker(), starts, goal_size)
    reward = CarriedGoalReward(goal_size)
    return kind.learner(carrying, reward, carrying.initial_states, LOW, HIGH, options, seed)


def beliefs(count: int = 40, spread: float = 1.0) -> Belief:
    generator = torch.Generator().manual_seed(1)
    widths = torch.rand(count, 3, generator=generator) + 0.1
    return Belief(spread * torch.randn(count, 3, generator=generator), torch.diag_embed(widths))


@pytest.fixture(params=sorted({**POLICIES, **BY_NAME}))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["mean", "belief"])
def input(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_there_are_settings_for_the_kinds_of_this_package() -> None:
    assert set(QUICK) <= set(POLICIES)


def test_actions_stay_within_the_bounds_and_reach_for_them(name: str, input: str) -> None:
    learner = make(name, input=input)
    learner.learn()
    actions = learner.policy(beliefs(spread=1e4))
    assert actions.shape == (40, 2) and actions.dtype == torch.float32
    assert (actions >= LOW).all() and (actions <= HIGH).all()
    assert (actions.amax(0) > actions.amin(0)).all(), "a policy looks at what it is given"


def test_a_policy_on_means_takes_states_too_and_one_on_beliefs_minds_their_width(name: str) -> None:
    given = beliefs()
    wider = Belief(given.mean, 100 * given.covariance)
    policy = make(name).policy
    assert torch.equal(policy(given), policy(given.mean)) and torch.equal(policy(given), policy(wider))
    believer = make(name, input="belief", drop=0.3)
    believer.learn()
    assert not torch.equal(believer.policy(given), believer.policy(wider))
    with pytest.raises(TypeError, match="Belief"):
        believer.policy(given.mean)


def test_a_saved_policy_comes_back_bit_for_bit(name: str, input: str, tmp_path: Path) -> None:
    learner = make(name, input=input)
    learner.learn()
    path = save_policy(learner.policy, tmp_path, {"seed": 3}, "other")
    assert path == policy_path(tmp_path, "other") == tmp_path / "policy-other.safetensors"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["policy-other.json", "policy-other.safetensors"]
    assert json.loads(path.with_suffix(".json").read_text())["settings"] == {"seed": 3}
    for alias in ("other", "policy-other"):
        loaded = load_policy(tmp_path, alias)
        assert loaded.input == input
        assert torch.equal(loaded(beliefs()), learner.policy(beliefs()))
        same_weights(loaded.state_dict(), learner.policy.state_dict())


def test_a_policy_for_any_goal_minds_the_goal_and_comes_back_bit_for_bit(name: str, input: str, tmp_path: Path) -> None:
    learner = make(name, input=input, goal_size=2)
    learner.learn()
    save_policy(learner.policy, tmp_path)
    loaded, goals = load_policy(tmp_path), torch.randn(40, 2, generator=torch.Generator().manual_seed(2))
    assert loaded.goal_size == learner.policy.goal_size == 2 and make(name).policy.goal_size == 0
    actions = loaded(attach_goal(beliefs(), goals))
    assert (actions >= LOW).all() and (actions <= HIGH).all()
    assert torch.equal(actions, learner.policy(attach_goal(beliefs(), goals)))
    assert not torch.equal(actions, loaded(attach_goal(beliefs(), goals.flip(0))))


def test_the_same_seed_learns_the_same_policy_and_touches_no_global_randomness(name: str, input: str) -> None:
    def learned(seed: int) -> Policy:
        learner = make(name, seed, input=input)
        return learner.learn()

    def randomness() -> tuple[Any, ...]:
        return torch.random.get_rng_state().tolist(), random.getstate(), str(np.random.get_state())  # noqa: NPY002

    before = randomness()
    first, again, other = learned(1), learned(1), learned(2)
    assert randomness() == before
    same_weights(first.state_dict(), again.state_dict())
    assert not torch.equal(first(beliefs()), other(beliefs()))


def test_progress_counts_up_to_the_budget_and_an_interrupt_keeps_what_there_is(name: str) -> None:
    seen: list[int] = []

    def note(stop: float) -> Callable[[int, Mapping[str, float]], None]:
        def on_progress(done: int, figures: Mapping[str, float]) -> None:
            seen.append(done)
            assert figures
            if done >= stop:
                raise KeyboardInterrupt

        return on_progress

    learner = make(name)
    learner.learn(note(float("inf")))
    assert seen == sorted(set(seen)) and seen[-1] == learner.budget
    seen.clear()
    learner = make(name)
    with pytest.raises(KeyboardInterrupt):
        learner.learn(note(1))
    assert len(seen) == 1 and learner.policy(beliefs()).isfinite().all()


def same_weights(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> None:
    assert set(first) == set(second)
    assert all(torch.equal(tensor, second[key]) for key, tensor in first.items())
