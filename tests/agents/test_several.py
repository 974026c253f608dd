"""The best of several policies, and how a policy fares in the long run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import pytest
import torch
from torch import Tensor

from latentrl.agents.learning import how_it_lasts
from latentrl.agents.policies import AnalyticGradient, AnalyticGradientOptions, BestOf
from latentrl.agents.policies.progress import OnProgress
from latentrl.agents.policies.several import STRIDE
from latentrl.numerics.distributions import DiagonalGaussian

BOUND = torch.tensor([1.0])
FARES = {7: 0.4, 7 + STRIDE: 0.1, 7 + 2 * STRIDE: 0.2, 7 + 3 * STRIDE: 0.005}


@dataclass
class Told:
    """A learner that fares as it is told."""

    seed: int
    done: int = 0
    budget: int = 3
    returns: list[float] = field(default_factory=list)
    stop_at: int = 0

    @property
    def policy(self) -> int:
        return self.seed

    def learn(self, on_progress: OnProgress | None) -> int:
        for now in range(1, 4):
            self.done = now
            if on_progress is not None:
                on_progress(now, {})
        return self.seed

    def fares_in_the_long_run(self, seed: int) -> float:
        assert seed == 7, "all are judged from the same start states"
        return FARES[self.seed]


def told(tries: int) -> BestOf:
    return BestOf(lambda seed: cast(AnalyticGradient, Told(seed)), tries, 7)


@pytest.mark.parametrize(("tries", "best", "finished"), [(1, 0, 1), (3, 1, 3), (4, 3, 4), (9, 3, 4)])
def test_the_best_is_kept_and_one_that_is_near_enough_ends_it(tries: int, best: int, finished: int) -> None:
    learner, counted = told(tries), []
    assert learner.learn(lambda now, figures: counted.append(now)) == 7 + best * STRIDE == learner.policy
    assert list(learner.long_run) == list(FARES.values())[:finished]
    assert counted == list(range(1, 3 * finished + 1)) and learner.budget == 3 * tries


def test_what_is_stopped_in_a_later_try_has_the_best_of_those_before() -> None:
    learner = told(4)

    def stop(now: int, figures: object) -> None:
        if now == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learner.learn(stop)
    assert learner.policy == 7 + STRIDE


def test_without_a_try_there_is_none() -> None:
    with pytest.raises(ValueError, match="tries must be at least 1, not 0"):
        told(0)


class Decaying:
    """A state that halves at every step, whatever is done, without noise."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
        return DiagonalGaussian(self.factor * state + 0 * action, torch.zeros_like(state))


def squared(state: Tensor, action: Tensor) -> Tensor:
    return -state.square().sum(-1)


@pytest.mark.parametrize("factor", [1.0, 0.9, 1.01])
def test_the_long_run_is_its_closed_form(factor: float) -> None:
    """Eight horizons of a linear decay: the squares of the second half are a geometric series."""
    options = AnalyticGradientOptions(updates=1, horizon=2, batch=4, sample=False)

    def starts(count: int, generator: torch.Generator) -> Tensor:
        return torch.randn(count, 1, generator=generator)

    learner = AnalyticGradient(Decaying(factor), squared, starts, -BOUND, BOUND, options)
    expected = sum(factor ** (2 * step) for step in range(9, 17)) / 8
    assert learner.fares_in_the_long_run(0) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("long_run", "warns"), [([0.3], False), ([0.9, 0.2], False), ([0.9, 1.2], True)])
def test_a_policy_that_does_not_arrive_in_the_model_is_warned_of(long_run: list[float], warns: bool) -> None:
    said = how_it_lasts(long_run)
    assert said.startswith("warning: ") is warns
    assert ("the best of 2: " in said) is (len(long_run) == 2)
