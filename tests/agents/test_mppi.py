"""What is particular to MPPI; what every planner promises is in conformance/test_planners.py."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from latentrl.agents.planners import MPPI, MPPIOptions
from latentrl.agents.planners.mppi import path_weights
from latentrl.numerics.distributions import DiagonalGaussian

LOW, HIGH = torch.tensor([-1.0]), torch.tensor([1.0])


class Integrator:
    """z' = z + u."""

    def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
        return DiagonalGaussian(state + action, torch.ones(1))


def to_zero(state: Tensor, action: Tensor) -> Tensor:
    return -state.square().sum(-1)


def plan(options: MPPIOptions, state: Tensor, scale: float = 1.0, warm_start: Tensor | None = None) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return MPPI(LOW, HIGH, options).plan(Integrator(), lambda z, u: scale * to_zero(z, u), state, warm_start, generator)


def test_weights_are_exponential_in_the_return() -> None:
    """Best 4, median 2: lambda = 0.5 x 2 = 1."""
    weights = path_weights(torch.tensor([[4.0, 3.0, 2.0, 1.0, -torch.inf]]), 0.5)
    expected = torch.tensor([[1.0, math.exp(-1), math.exp(-2), math.exp(-3), 0.0]])
    torch.testing.assert_close(weights, expected / expected.sum())


@pytest.mark.parametrize("row", [[1.0, 1.0, 1.0], [2.0, 2.0, -torch.inf], [5.0, -torch.inf, -torch.inf]])
def test_the_best_share_the_weight_where_nothing_tells_returns_apart(row: list[float]) -> None:
    best = torch.tensor([row]) == max(row)
    torch.testing.assert_close(path_weights(torch.tensor([row]), 0.3), best / best.sum())


def test_nothing_has_a_weight_where_all_broke() -> None:
    assert torch.equal(path_weights(torch.full((2, 3), -torch.inf), 0.3), torch.zeros(2, 3))


def test_one_disaster_does_not_flatten_the_weights() -> None:
    calm, wild = torch.tensor([[4.0, 3.0, 2.0, 1.0, 0.0]]), torch.tensor([[4.0, 3.0, 2.0, 1.0, -1e30]])
    torch.testing.assert_close(path_weights(wild, 0.3)[:, :4], path_weights(calm, 0.3)[:, :4], atol=2e-3, rtol=0)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_unit_of_the_reward_does_not_matter(scale: float) -> None:
    state = torch.linspace(-2, 2, 5)[:, None]
    options = MPPIOptions(horizon=4, samples=32, iterations=2)
    torch.testing.assert_close(plan(options, state, scale), plan(options, state), rtol=1e-3, atol=1e-3)


def test_more_iterations_come_closer() -> None:
    state = torch.linspace(-2, 2, 8)[:, None]
    returns = []
    for iterations in (1, 4, 12):
        actions = plan(MPPIOptions(6, 64, iterations), state)
        returns.append(-(state + actions.cumsum(1).squeeze(-1)).square().sum().item())
    assert returns == sorted(returns)


def test_the_warm_start_itself_is_a_candidate() -> None:
    """Cold, the best sample has all the weight: around the optimum that is the unperturbed warm start."""
    optimum = torch.tensor([[[-0.5], [0.0], [0.0]]])
    options = MPPIOptions(horizon=3, samples=32, iterations=2, temperature=1e-6)
    torch.testing.assert_close(plan(options, torch.tensor([[0.5]]), warm_start=optimum), optimum)


@pytest.mark.parametrize(
    "wrong",
    [
        {"horizon": 0},
        {"samples": 0},
        {"iterations": 0},
        {"temperature": 0.0},
        {"temperature": math.nan},
        {"initial_std": -1.0},
        {"noise_beta": -1.0},
    ],
    ids=str,
)
def test_options_that_cannot_work_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MPPIOptions(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("high", [LOW, torch.tensor([math.inf]), torch.tensor([math.nan]), torch.ones(2)], ids=str)
def test_bounds_that_cannot_work_are_refused(high: Tensor) -> None:
    with pytest.raises(ValueError, match="low < high"):
        MPPI(LOW, high)
