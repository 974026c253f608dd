"""What every planner promises, checked on all of them: the dynamics here are exact, so the answers are known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from latentrl.agents.planners import CEM, ILQR, MPPI, PLANNERS, CEMOptions, ILQROptions, MPPIOptions
from latentrl.numerics.distributions import DiagonalGaussian
from latentrl.types import Planner
from tests.conformance.planners import with_horizon

LOW, HIGH = torch.tensor([-2.0, -1.0]), torch.tensor([2.0, 3.0])
HORIZON = 8

# What these find depends on what they draw, for certain; others may do either.
SAMPLERS = {"cem", "mppi"}
# Settings with which each planner is asked to solve the linear-quadratic problem to 5%.
THOROUGH: dict[str, Callable[[Tensor, Tensor], Planner]] = {
    "cem": lambda low, high: CEM(low, high, CEMOptions(HORIZON, 400, 12, 40, 0.3)),
    "ilqr": lambda low, high: ILQR(low, high, ILQROptions(HORIZON, 10)),
    "mppi": lambda low, high: MPPI(low, high, MPPIOptions(HORIZON, 400, 12)),
}
QUICK: dict[str, Callable[[Tensor, Tensor], Planner]] = {
    "cem": lambda low, high: CEM(low, high, CEMOptions(HORIZON, 32, 2, 6)),
    "ilqr": lambda low, high: ILQR(low, high, ILQROptions(HORIZON, 2)),
    "mppi": lambda low, high: MPPI(low, high, MPPIOptions(HORIZON, 32, 2)),
}


def quick(name: str, low: Tensor, high: Tensor) -> Planner:
    """The planner with little to do; one that is not named above as it is by default."""
    return QUICK[name](low, high) if name in QUICK else with_horizon(name, low, high, HORIZON)


def thorough(name: str, low: Tensor, high: Tensor) -> Planner:
    """The planner that is asked to find the optimum; one that is not named above as it is by default."""
    return THOROUGH[name](low, high) if name in THOROUGH else with_horizon(name, low, high, HORIZON)


class Linear:
    """z' = A z + B u with a little noise that a planner on means must not feel."""

    def __init__(self, state_matrix: Tensor, control_matrix: Tensor) -> None:
        self.state_matrix, self.control_matrix = state_matrix, control_matrix

    def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
        mean = state @ self.state_matrix.T + action @ self.control_matrix.T
        return DiagonalGaussian(mean, torch.full_like(mean, 0.01))


class Breaking(Linear):
    """As the parent, but any action above 0.5 in the first dimension gives ``poison``."""

    def __init__(self, poison: float) -> None:
        super().__init__(torch.eye(3), torch.ones(3, 2))
        self.poison = poison

    def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
        mean = super().transition(state, action).mean
        broken = action[..., :1] > 0.5
        return DiagonalGaussian(torch.where(broken, self.poison, mean), torch.full_like(mean, 0.01))


def quadratic(state: Tensor, action: Tensor) -> Tensor:
    return -state.square().sum(-1) - 0.1 * action.square().sum(-1)


def upwards(state: Tensor, action: Tensor) -> Tensor:
    """Pays for what breaks the model: large actions."""
    return state.sum(-1) + 10 * action[..., 0]


@pytest.fixture(params=sorted(PLANNERS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def dynamics() -> Linear:
    return Linear(torch.tensor([[1.0, 0.1, 0.0], [0.0, 1.0, 0.1], [0.0, 0.0, 0.9]]), 0.1 * torch.ones(3, 2))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_there_are_settings_for_the_planners_of_this_package() -> None:
    assert set(QUICK) == set(THOROUGH) <= set(PLANNERS)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("size", "controls"), [(1, 1), (2, 3), (5, 1)])
@pytest.mark.parametrize("batch", [1, 3])
def test_any_sizes_in_either_precision(name: str, batch: int, size: int, controls: int, dtype: torch.dtype) -> None:
    """The plan has the state's precision, whatever that of the bounds."""
    problem = Linear(torch.eye(size, dtype=dtype), 0.3 * torch.ones(size, controls, dtype=dtype))
    low, high = -torch.ones(controls), torch.linspace(0.5, 1.0, controls)
    state = torch.randn(batch, size, generator=seeded(), dtype=dtype)
    plan = quick(name, low, high).plan(problem, quadratic, state, generator=seeded())
    assert plan.shape == (batch, HORIZON, controls) and plan.dtype == dtype
    assert (plan >= low).all() and (plan <= high).all()
    middle = ((low + high) / 2).to(dtype).expand_as(plan)
    assert (cost(problem, state, plan) < cost(problem, state, middle)).all()


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_shapes_and_bounds(name: str, batch: int) -> None:
    planner = quick(name, LOW, HIGH)
    assert isinstance(planner, Planner)
    plan = planner.plan(dynamics(), upwards, torch.randn(batch, 3, generator=seeded()), generator=seeded())
    assert plan.shape == (batch, HORIZON, 2)
    assert plan.dtype == torch.float32 and not plan.requires_grad
    assert (plan >= LOW).all() and (plan <= HIGH).all()


def test_the_same_generator_gives_the_same_plan(name: str) -> None:
    planner, state = quick(name, LOW, HIGH), torch.ones(2, 3)
    plans = [planner.plan(dynamics(), quadratic, state, generator=seeded(seed)) for seed in (1, 1, 2)]
    assert torch.equal(plans[0], plans[1])
    if name in SAMPLERS:
        assert not torch.equal(plans[0], plans[2])


def test_no_global_randomness_is_used(name: str) -> None:
    before = torch.random.get_rng_state()
    quick(name, LOW, HIGH).plan(dynamics(), quadratic, torch.ones(2, 3), generator=seeded())
    assert torch.equal(before, torch.random.get_rng_state())


def test_every_state_of_a_batch_is_planned_for_by_itself(name: str) -> None:
    """Also where its neighbours are lost: one lane that breaks does not reach the others."""
    planner = thorough(name, LOW, HIGH)
    state = 0.3 * torch.randn(3, 3, generator=seeded())
    state[1] = torch.nan
    plan = planner.plan(dynamics(), quadratic, state, generator=seeded())
    assert plan.isfinite().all() and (plan >= LOW).all() and (plan <= HIGH).all()
    alone = planner.plan(dynamics(), quadratic, state[[0, 2]], generator=seeded())
    costs = [cost(dynamics(), state[[0, 2]], found) for found in (plan[[0, 2]], alone)]
    torch.testing.assert_close(*costs, rtol=0.05, atol=1e-3)


def test_it_plans_in_inference_mode_with_states_and_a_goal_made_there(name: str) -> None:
    """As an agent does; gradients are the planner's own affair."""
    problem = dynamics()
    with torch.inference_mode():
        goal, state = torch.ones(3), torch.zeros(1, 3)
        plan = quick(name, LOW, HIGH).plan(
            problem, lambda z, u: -(z - goal).square().sum(-1), state, generator=seeded()
        )
    assert plan.isfinite().all()


def test_it_leaves_no_trace_in_the_dynamics_parameters(name: str) -> None:
    problem = dynamics()
    problem.state_matrix.requires_grad_()
    plan = quick(name, LOW, HIGH).plan(problem, quadratic, torch.ones(2, 3), generator=seeded())
    assert not plan.requires_grad and problem.state_matrix.grad is None


def test_a_model_with_a_rollout_of_its_own_is_rolled_out_by_it(name: str) -> None:
    calls = []

    class Fast(Linear):
        def rollout(self, state: Tensor, actions: Tensor) -> Tensor:
            calls.append(actions.shape)
            states = []
            for action in actions.unbind(-2):
                state = self.transition(state, action).mean
                states.append(state)
            return torch.stack(states, -2)

    plain, state = dynamics(), torch.ones(2, 3)
    fast = Fast(plain.state_matrix, plain.control_matrix)
    plans = [quick(name, LOW, HIGH).plan(d, quadratic, state, generator=seeded()) for d in (plain, fast)]
    torch.testing.assert_close(*plans)
    assert calls and all(shape[-2:] == (HORIZON, 2) for shape in calls)


def test_a_good_warm_start_is_improved_on_and_a_misshapen_one_refused(name: str) -> None:
    state = 2 * torch.ones(4, 3)
    good = thorough(name, LOW, HIGH).plan(dynamics(), quadratic, state, generator=seeded())
    planner = quick(name, LOW, HIGH)
    cold = planner.plan(dynamics(), quadratic, state, generator=seeded(1))
    warm = planner.plan(dynamics(), quadratic, state, warm_start=good, generator=seeded(1))
    costs = [cost(dynamics(), state, plan) for plan in (warm, cold)]
    # A planner that finds the optimum from anywhere can gain nothing from a warm start, but for rounding; one that is
    # not named above does as much with it as without, and comes as close to the optimum as is asked of it.
    largest = 1.00001 if name in QUICK else 1.05
    assert (costs[0] < costs[1] if name in SAMPLERS else costs[0] <= largest * costs[1]).all()
    with pytest.raises(ValueError, match="warm_start"):
        planner.plan(dynamics(), quadratic, state, warm_start=good[:, 1:])


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -float("inf"), 1e38])
def test_broken_rollouts_lose(name: str, poison: float) -> None:
    """A NaN or an infinite return is the worst there is, even where the reward pays for the way to it."""

    def reward(state: Tensor, action: Tensor) -> Tensor:
        # 1e38 overflows when squared; its sign says "very good".
        return upwards(state, action) + state.square().sum(-1).clamp(min=0) * (state[..., 0] > 1e30)

    plan = quick(name, LOW, HIGH).plan(Breaking(poison), reward, torch.zeros(3, 3), generator=seeded())
    assert plan.isfinite().all()
    assert (plan[..., 0] <= 0.5).all()


def test_a_world_where_everything_breaks_still_gets_finite_actions(name: str) -> None:
    class Broken(Linear):
        def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
            return DiagonalGaussian(state * torch.nan, state)

    plan = quick(name, LOW, HIGH).plan(Broken(torch.eye(3), torch.ones(3, 2)), quadratic, torch.zeros(3, 3))
    assert plan.isfinite().all() and (plan >= LOW).all() and (plan <= HIGH).all()


def cost(problem: Linear, state: Tensor, plan: Tensor) -> Tensor:
    total = torch.zeros(len(state), dtype=state.dtype)
    for action in plan.unbind(1):
        state = problem.transition(state, action).mean
        total = total - quadratic(state, action)
    return total


def riccati_cost(problem: Linear, state: Tensor) -> Tensor:
    """The least cost by dynamic programming: cost-to-go z' P z, costs on z_{t+1} and u_t as in ``quadratic``."""
    a, b = problem.state_matrix.double(), problem.control_matrix.double()
    eye, control = torch.eye(3, dtype=torch.float64), 0.1 * torch.eye(2, dtype=torch.float64)
    to_go = torch.zeros(3, 3, dtype=torch.float64)
    for _ in range(HORIZON):
        ahead = eye + to_go
        gain = torch.linalg.solve(control + b.T @ ahead @ b, b.T @ ahead @ a)
        to_go = a.T @ ahead @ (a - b @ gain)
    return torch.einsum("ni,ij,nj->n", state.double(), to_go, state.double())


def test_within_five_percent_of_riccati(name: str) -> None:
    problem = dynamics()
    state = torch.randn(6, 3, generator=seeded(3))
    wide = torch.full((2,), 6.0)
    plan = thorough(name, -wide, wide).plan(problem, quadratic, state, generator=seeded())
    best = riccati_cost(problem, state)
    found = cost(problem, state, plan).double()
    assert (found >= best * (1 - 1e-5)).all(), "nothing beats the optimum: the oracle is wrong"
    assert (found <= 1.05 * best).all()
