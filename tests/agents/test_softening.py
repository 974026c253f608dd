"""The bound on a state's gradient that a policy is learned with, against learners that were given it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from latentrl.agents.learning import LearningInterrupted, learn_into
from latentrl.agents.policies import (
    AnalyticGradient,
    AnalyticGradientOptions,
    MLPPolicy,
    SofteningGradient,
    Update,
    load_policy,
    softening,
)
from latentrl.numerics.distributions import DiagonalGaussian

BOUND = torch.ones(1)
OPTIONS = AnalyticGradientOptions(updates=10, horizon=5, batch=16, state_gradient=10.0, softer=(3.0, 1.0))


class Integrator:
    """z' = z + 0.1 u."""

    def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
        mean = state + 0.1 * action
        return DiagonalGaussian(mean, torch.full_like(mean, 1e-6))


def quadratic(state: Tensor, action: Tensor) -> Tensor:
    return -state.square().sum(-1)


def starts(count: int, generator: torch.Generator) -> Tensor:
    return torch.randn(count, 1, generator=generator)


@pytest.fixture(autouse=True)
def short_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(softening, "TRIAL", 4)


def learn(options: AnalyticGradientOptions) -> tuple[MLPPolicy, list[int], list[float]]:
    """The policy, and of every update its number and the bound that it was done with."""
    learner, counted, bounds = SofteningGradient(Integrator(), quadratic, starts, -BOUND, BOUND, options), [], []

    def on_progress(done: int, figures: object) -> None:
        counted.append(done)
        bounds.append(figures["state_gradient"])  # type: ignore[index]

    policy = learner.learn(on_progress)
    assert learner.policy is policy and counted[-1] <= learner.budget
    return policy, counted, bounds


def alone(bound: float, options: AnalyticGradientOptions = OPTIONS) -> MLPPolicy:
    own = replace(options, state_gradient=bound)
    return AnalyticGradient(Integrator(), quadratic, starts, -BOUND, BOUND, own).learn()


def same(one: MLPPolicy, other: MLPPolicy) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def judged(monkeypatch: pytest.MonkeyPatch, by: dict[float, Callable[[int], float]]) -> None:
    """Imagined returns as functions of the updates that were done, by bound."""
    monkeypatch.setattr(AnalyticGradient, "imagined_return", lambda self: by[self.options.state_gradient](self._done))


@pytest.mark.parametrize("rounds", [1, 3])
def test_a_bound_that_is_not_stuck_stays_and_nothing_else_happens(rounds: int) -> None:
    options = replace(OPTIONS, rounds=rounds)
    policy, counted, bounds = learn(options)
    assert set(bounds) == {10.0} and counted == list(range(1, len(counted) + 1))
    assert same(policy, alone(10.0, options))


def test_a_bound_that_is_stuck_gives_way_to_the_next_that_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    judged(monkeypatch, {10.0: lambda done: min(done, 2), 3.0: lambda done: done, 1.0: lambda done: 99.0})
    policy, counted, bounds = learn(OPTIONS)
    assert bounds == 4 * [10.0] + 10 * [3.0] and counted == list(range(1, 15))
    assert same(policy, alone(3.0))


def test_where_all_are_stuck_the_best_trial_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A learner that has arrived looks like one that is stuck: nothing is lost but the trials."""
    judged(monkeypatch, {10.0: lambda done: min(done, 2), 3.0: lambda done: 0.0, 1.0: lambda done: min(done, 1)})
    policy, counted, bounds = learn(OPTIONS)
    assert bounds == 4 * [10.0] + 4 * [3.0] + 4 * [1.0] + 6 * [10.0] and counted == list(range(1, 19))
    assert same(policy, alone(10.0))


@pytest.mark.parametrize(
    ("by", "stop", "bound"),
    [
        ({10.0: lambda done: min(done, 2), 3.0: lambda done: 0.0}, 3, 10.0),  # within the first trial
        ({10.0: lambda done: min(done, 2), 3.0: lambda done: 0.0}, 6, 10.0),  # within the second
        ({10.0: lambda done: min(done, 2), 3.0: lambda done: 3.0, 1.0: lambda done: 9.0}, 10, 3.0),  # within the third
    ],
    ids=["first", "second", "third"],
)
def test_ctrl_c_keeps_the_best_trial_so_far_and_says_its_bound(
    by: dict[float, Callable[[int], float]], stop: int, bound: float, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    judged(monkeypatch, by)
    done: list[int] = []
    original = AnalyticGradient.update

    def update(self: AnalyticGradient) -> Update:
        if len(done) == stop:
            raise KeyboardInterrupt
        done.append(1)
        return original(self)

    monkeypatch.setattr(AnalyticGradient, "update", update)
    learner = SofteningGradient(Integrator(), quadratic, starts, -BOUND, BOUND, OPTIONS)
    with pytest.raises(LearningInterrupted):
        learn_into(tmp_path, learner, {"learner": asdict(OPTIONS)})
    settings = json.loads((tmp_path / "policy-interrupted.json").read_text())["settings"]
    assert settings["learner"] == {**asdict(OPTIONS), "state_gradient": bound, "hidden": [64, 64], "softer": [3.0, 1.0]}
    monkeypatch.setattr(AnalyticGradient, "update", original)
    other = AnalyticGradient(Integrator(), quadratic, starts, -BOUND, BOUND, replace(OPTIONS, state_gradient=bound))
    other.advance(min(stop, 4))
    kept = load_policy(tmp_path, "policy-interrupted")
    assert isinstance(kept, MLPPolicy) and same(kept, other.policy)


def test_the_bound_that_was_chosen_is_stored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    judged(monkeypatch, {10.0: lambda done: min(done, 2), 3.0: lambda done: done})
    learner = SofteningGradient(Integrator(), quadratic, starts, -BOUND, BOUND, OPTIONS)
    path = learn_into(tmp_path, learner, {"learner": asdict(OPTIONS)})
    settings = json.loads(path.with_suffix(".json").read_text())["settings"]
    assert settings["learner"]["state_gradient"] == 3.0 and same(learner.policy, alone(3.0))


def test_a_short_learning_has_no_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    judged(monkeypatch, dict.fromkeys((10.0, 3.0, 1.0), lambda done: 0.0))
    bounds = learn(replace(OPTIONS, updates=8))[2]
    assert bounds == 8 * [10.0]


def test_bounds_that_cannot_work_are_refused() -> None:
    with pytest.raises(ValueError, match="softer"):
        AnalyticGradientOptions(softer=(3.0, 0.0))
