"""A model that is wrong in one corner: a few imagined episodes explode there, and must not drown the others."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from latentrl.agents.imagination import Imagination
from latentrl.agents.learning import DIVERGED, how_many_diverge
from latentrl.agents.policies import AnalyticGradient, AnalyticGradientOptions
from latentrl.numerics.distributions import DiagonalGaussian

BOUND = torch.tensor([1.0])
CORNER = 1.9
"""Of a standard normal number, 3% are beyond."""


class WrongInACorner:
    """``[position, corner, memory]``: the action moves the position, which grows twentyfold a step in the corner."""

    def __init__(self, corner: float = CORNER) -> None:
        self.corner = corner

    def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
        position, corner, memory = state.unbind(-1)
        moved = torch.where(corner > self.corner, 20 * position, position + 0.3 * action[..., 0])
        following = torch.stack((moved, corner, 0.5 * memory + 0.1 * action[..., 0]), -1)
        return DiagonalGaussian(following, torch.full_like(following, 1e-6))


def starts(count: int, generator: torch.Generator) -> Tensor:
    """The memory begins empty, so that states are followed for a while to see how far they lie apart."""
    return torch.cat((torch.randn(count, 2, generator=generator), torch.zeros(count, 1)), 1)


def squared(state: Tensor, action: Tensor) -> Tensor:
    return -state[..., 0].square()


def learned(corner: float, updates: int = 60, rounds: int = 2) -> AnalyticGradient:
    options = AnalyticGradientOptions(updates=updates, rounds=rounds, horizon=10, batch=64, hidden=(16,))
    learner = AnalyticGradient(WrongInACorner(corner), squared, starts, -BOUND, BOUND, options)
    learner.learn()
    return learner


def test_typical_states_are_those_of_the_episodes_that_do_not_explode() -> None:
    generator = torch.Generator().manual_seed(0)
    states = Imagination(WrongInACorner(), starts).typical_states(1024, -BOUND, BOUND, generator)
    assert states.shape == (1024, 3)
    assert states.std(0)[0] < 2
    assert states[:, 1].max() <= CORNER


def test_a_policy_is_learned_from_the_others() -> None:
    wrong, right = learned(CORNER), learned(math.inf)
    assert right.diverged == 0
    assert 0.01 < wrong.diverged < 0.06
    # Episodes that exploded count as if they had stayed where they began, a mean square of 1.
    assert wrong.returns[-1] > right.returns[-1] - 3 * wrong.diverged
    assert wrong.long_run < 0.1


def test_it_is_counted_where_no_rounds_are_watched_too() -> None:
    assert 0.01 < learned(CORNER, updates=2, rounds=1).diverged < 0.06


@pytest.mark.parametrize("share", [0.02, 1.0])
def test_it_is_said(share: float) -> None:
    assert share > DIVERGED
    assert how_many_diverge(share).startswith(f"warning: {share:.1%} of imagined episodes ")
