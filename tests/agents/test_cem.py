"""What is particular to the cross-entropy method; what every planner promises is in conformance/test_planners.py."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from latentrl.agents.planners import CEM, CEMOptions
from latentrl.numerics.distributions import DiagonalGaussian

LOW, HIGH = torch.tensor([-1.0]), torch.tensor([1.0])


class Integrator:
    """z' = z + u."""

    def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
        return DiagonalGaussian(state + action, torch.ones(1))


def to_zero(state: Tensor, action: Tensor) -> Tensor:
    return -state.square().sum(-1)


def plan(options: CEMOptions, state: Tensor, warm_start: Tensor | None = None) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return CEM(LOW, HIGH, options).plan(Integrator(), to_zero, state, warm_start, generator)


def test_the_model_is_asked_once_per_time_step_and_iteration_for_everything() -> None:
    shapes = []

    class Counting(Integrator):
        def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
            shapes.append((tuple(state.shape), tuple(action.shape)))
            return super().transition(state, action)

    CEM(LOW, HIGH, CEMOptions(horizon=5, samples=16, iterations=3, elites=4)).plan(
        Counting(), to_zero, torch.zeros(7, 1)
    )
    assert shapes == [((7 * 16, 1), (7 * 16, 1))] * 15


def test_more_iterations_come_closer() -> None:
    state = torch.linspace(-2, 2, 8)[:, None]
    returns = []
    for iterations in (1, 4, 12):
        actions = plan(CEMOptions(6, 64, iterations, 8), state)
        returns.append(-(state + actions.cumsum(1).squeeze(-1)).square().sum().item())
    assert returns == sorted(returns)


def test_the_warm_start_itself_is_a_candidate() -> None:
    """A single elite out of candidates around the optimum must be the optimum: the unperturbed warm start."""
    state = torch.tensor([[0.5]])
    optimum = torch.tensor([[[-0.5], [0.0], [0.0]]])
    assert torch.equal(plan(CEMOptions(3, 32, 2, 1), state, optimum), optimum)


def test_a_warm_start_outside_the_bounds_is_brought_inside() -> None:
    actions = plan(CEMOptions(3, 16, 1, 4), torch.tensor([[0.5]]), torch.full((1, 3, 1), 50.0))
    assert (actions.abs() <= 1).all()


def test_a_plan_that_is_given_is_searched_around_closely_by_one_half_and_boldly_by_the_other() -> None:
    drawn = []

    class Seeing(Integrator):
        def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
            drawn.append(action)
            return super().transition(state, action)

    options = CEMOptions(horizon=1, samples=4000, iterations=1, initial_std=0.1, warm_std=0.02, bold=0.5)
    for warm_start in (None, torch.full((1, 1, 1), 0.25)):
        CEM(LOW, HIGH, options).plan(Seeing(), to_zero, torch.zeros(1, 1), warm_start, torch.Generator().manual_seed(0))
    cold, warm = torch.cat(drawn).chunk(2)
    near, bold = warm.chunk(2)
    assert float(cold.std()) == pytest.approx(0.1 * 2, rel=0.05)
    assert float(near.std()) == pytest.approx(0.02 * 2, rel=0.05)
    assert float(bold.std()) == pytest.approx(0.1 * 2, rel=0.05)
    assert float(near.mean()) == pytest.approx(0.25, abs=0.01)
    assert float(bold.mean()) == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize(
    "wrong",
    [
        {"horizon": 0},
        {"samples": 0},
        {"iterations": 0},
        {"elites": 0},
        {"samples": 64, "elites": 65},
        {"initial_std": 0.0},
        {"warm_std": 0.0},
        {"bold": -0.1},
        {"bold": 1.1},
        {"bold_beta": -0.1},
    ],
    ids=str,
)
def test_options_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(reversed(wrong))):
        CEMOptions(**wrong)


def test_bounds_that_cannot_work_are_refused() -> None:
    with pytest.raises(ValueError, match="low < high"):
        CEM(HIGH, LOW)


@pytest.mark.parametrize("horizon", [20, 30])
def test_a_plan_that_leads_nowhere_is_left_and_a_good_one_is_kept(horizon: int) -> None:
    state = torch.full((4, 1), 5.0)
    overtaken, best = torch.zeros(4, horizon, 1), torch.zeros(4, horizon, 1)
    best[:, :5] = -1.0  # five steps at full speed reach the goal

    def missed(warm_start: Tensor, bold: float) -> float:
        found = plan(CEMOptions(horizon, 64, 3, 8, bold=bold, bold_beta=0.0), state, warm_start)
        return float((state + found.cumsum(1).squeeze(-1)).square().sum(1).mean())

    least = 4.0**2 + 3.0**2 + 2.0**2 + 1.0
    assert missed(overtaken, 0.5) < 0.7 * missed(overtaken, 0.0)
    assert missed(best, 0.5) < 1.05 * least < missed(best, 1.0)


def test_coloured_samples_find_what_takes_a_long_push() -> None:
    """Far from the goal every step counts: white noise stays where it is."""
    state = torch.full((4, 1), 50.0)

    def moved(colour: float) -> float:
        found = plan(CEMOptions(20, 64, 1, 8, bold_beta=colour), state)
        return float(-found.sum(1).mean())

    assert moved(1.0) > 1.3 * moved(0.0) > 0
