"""What is particular to the cross-entropy method; what every planner promises is in conformance/test_planners.py."""

from __future__ import annotations

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


def test_a_plan_that_is_given_is_searched_around_more_closely() -> None:
    drawn = []

    class Seeing(Integrator):
        def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
            drawn.append(action)
            return super().transition(state, action)

    options = CEMOptions(horizon=1, samples=2000, iterations=1, initial_std=0.1, warm_std=0.02)
    for warm_start in (None, torch.full((1, 1, 1), 0.25)):
        CEM(LOW, HIGH, options).plan(Seeing(), to_zero, torch.zeros(1, 1), warm_start, torch.Generator().manual_seed(0))
    cold, warm = drawn
    assert float(cold.std()) == pytest.approx(0.1 * 2, rel=0.05)
    assert float(warm.std()) == pytest.approx(0.02 * 2, rel=0.05)
    assert float(warm.mean()) == pytest.approx(0.25, abs=0.01)


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
    ],
    ids=str,
)
def test_options_that_cannot_work_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(reversed(wrong))):
        CEMOptions(**wrong)


def test_bounds_that_cannot_work_are_refused() -> None:
    with pytest.raises(ValueError, match="low < high"):
        CEM(HIGH, LOW)


def test_a_plan_that_looks_far_ahead_is_found_anew_and_a_short_one_is_kept() -> None:
    """A warm start that reality has overtaken: it does nothing, where five steps at full speed reach the goal."""
    state = torch.full((4, 1), 5.0)

    def missed(horizon: int, warm_std: float | None = None) -> float:
        found = plan(CEMOptions(horizon, 64, 3, 8, warm_std=warm_std), state, torch.zeros(4, horizon, 1))
        return float((state + found.cumsum(1).squeeze(-1)).square().sum(1).mean())

    assert missed(30) < 0.75 * missed(30, warm_std=0.1)
    assert missed(20) == missed(20, warm_std=0.1)


def test_a_good_plan_that_looks_far_ahead_is_kept_too() -> None:
    """At the goal already, where all that wide noise finds is worse: half of the samples stay near the plan."""
    start, state = torch.zeros(4, 30, 1), torch.zeros(4, 1)

    def moved(warm_std: float | None) -> float:
        return float(plan(CEMOptions(30, 256, 4, 25, warm_std=warm_std), state, start)[:, 0].abs().mean())

    narrow, both, wide = (moved(warm_std) for warm_std in (0.1, None, 0.5))
    assert max(narrow, both) < 0.5 * wide


def test_samples_take_turns_between_the_spreads() -> None:
    drawn = []

    class Seeing(Integrator):
        def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
            drawn.append(action)
            return super().transition(state, action)

    options = CEMOptions(horizon=25, samples=4000, iterations=1, initial_std=0.2)
    CEM(LOW, HIGH, options).plan(Seeing(), to_zero, torch.zeros(1, 1), torch.zeros(1, 25, 1))
    narrow, wide = (float(drawn[0][turn::2].std()) for turn in (0, 1))
    assert narrow == pytest.approx(0.1 * 2, rel=0.05) and wide == pytest.approx(0.2 * 2, rel=0.05)
