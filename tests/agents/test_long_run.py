"""How a policy fares in the model in the long run."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from latentrl.agents.learning import how_it_lasts
from latentrl.agents.policies import AnalyticGradient, AnalyticGradientOptions
from latentrl.numerics.distributions import DiagonalGaussian

BOUND = torch.tensor([1.0])


class Decaying:
    """A state that halves at every step, whatever is done, without noise."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
        return DiagonalGaussian(self.factor * state + 0 * action, torch.zeros_like(state))


def squared(state: Tensor, action: Tensor) -> Tensor:
    return -state.square().sum(-1)


def normal_starts(count: int, generator: torch.Generator) -> Tensor:
    return torch.randn(count, 1, generator=generator)


@pytest.mark.parametrize("factor", [1.0, 0.9, 1.01])
def test_the_long_run_is_its_closed_form(factor: float) -> None:
    """Eight horizons of a linear decay: the squares of the second half are a geometric series."""
    options = AnalyticGradientOptions(updates=1, horizon=2, batch=4, sample=False)

    learner = AnalyticGradient(Decaying(factor), squared, normal_starts, -BOUND, BOUND, options)
    expected = sum(factor ** (2 * step) for step in range(9, 17)) / 8
    assert learner.fares_in_the_long_run() == pytest.approx(expected, rel=1e-5)


def test_there_is_none_of_a_reward_that_is_no_distance() -> None:
    options = AnalyticGradientOptions(updates=1, horizon=2, batch=4, sample=False)
    learner = AnalyticGradient(
        Decaying(0.9), lambda state, action: 10 + squared(state, action), normal_starts, -BOUND, BOUND, options
    )
    assert math.isnan(learner.fares_in_the_long_run())


def test_it_is_asked_for_where_learning_is_watched_and_nowhere_else() -> None:
    def learned(rounds: int) -> float:
        options = AnalyticGradientOptions(updates=1, rounds=rounds, horizon=2, batch=4)
        learner = AnalyticGradient(Decaying(0.5), squared, normal_starts, -BOUND, BOUND, options)
        learner.learn()
        return learner.long_run

    assert math.isnan(learned(1)) and 0 < learned(2) < 1e-4


@pytest.mark.parametrize(("long_run", "warns"), [(0.0, False), (0.3, False), (0.9, True), (math.inf, True)])
def test_a_policy_that_does_not_arrive_in_the_model_is_warned_of(long_run: float, warns: bool) -> None:
    assert how_it_lasts(long_run).startswith("warning: ") is warns
