"""What is particular to iLQR: it is exact where the problem is linear-quadratic, limits included."""

from __future__ import annotations

import math
from functools import partial
from itertools import product
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from latentrl.agents.planners import CEM, ILQR, CEMOptions, ILQROptions
from latentrl.agents.planners.common import path_rewards
from latentrl.agents.planners.derivatives import (
    LinearSteps,
    QuadraticReward,
    concave,
    jacobians,
    path_expansion,
    quadratic,
)
from latentrl.agents.planners.riccati import backward_pass, solve_box
from latentrl.models import build
from latentrl.models.spec import DataSpec
from latentrl.numerics.distributions import DiagonalGaussian
from latentrl.numerics.slopes import MANY
from latentrl.rewards.position import PositionReward
from latentrl.rewards.velocity import VelocityReward
from latentrl.support.compiling import can_compile
from latentrl.transitions.frozen import FrozenTransition
from latentrl.transitions.locally_linear import LocallyLinearTransition
from latentrl.types import ConcaveReward, Dynamics, Reward

DOUBLE = torch.float64
HORIZON = 12
A = torch.tensor([[1.0, 0.1, 0.0], [0.2, 1.0, 0.1], [0.0, -0.1, 0.9]], dtype=DOUBLE)
B = torch.tensor([[0.1, 0.0], [0.3, 0.1], [0.0, 0.5]], dtype=DOUBLE)
GOAL = torch.tensor([1.0, -0.5, 0.3], dtype=DOUBLE)
# Costs of z_{t+1} and u_t, with a term that ties them together.
STATE_COST = torch.tensor([[2.0, 0.3, 0.0], [0.3, 1.0, 0.0], [0.0, 0.0, 0.1]], dtype=DOUBLE)
MIXED_COST = torch.tensor([[0.05, 0.0, 0.02], [0.0, 0.04, 0.0]], dtype=DOUBLE)
ACTION_COST = torch.tensor([[0.2, 0.05], [0.05, 0.1]], dtype=DOUBLE)


class Linear:
    """z' = A z + B u, which also knows its own linearisation."""

    def __init__(self) -> None:
        self.asked = 0

    def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
        mean = state @ A.T + action @ B.T
        return DiagonalGaussian(mean, torch.ones_like(mean))

    def linearise(self, state: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        self.asked += 1
        lead = state.shape[:-1]
        return A.expand(*lead, -1, -1), B.expand(*lead, -1, -1), torch.eye(3, dtype=DOUBLE).expand(*lead, -1, -1)


def reward(state: Tensor, action: Tensor) -> Tensor:
    error = state - GOAL
    terms = ((error, STATE_COST, error), (action, 2 * MIXED_COST, error), (action, ACTION_COST, action))
    return -sum((torch.einsum("...i,ij,...j->...", *term) for term in terms), torch.zeros((), dtype=DOUBLE))


def total(state: Tensor, plan: Tensor) -> Tensor:
    value = torch.zeros(len(state), dtype=DOUBLE)
    for action in plan.unbind(1):
        state = Linear().transition(state, action).mean
        value = value + reward(state, action)
    return value


def stacked_optimum(state: Tensor) -> Tensor:
    """The best plan ``[B, H, 2]`` without limits from the normal equations of the whole horizon at once."""
    size = 2 * HORIZON
    plan = torch.zeros(1, HORIZON, 2, dtype=DOUBLE)
    hessian = torch.autograd.functional.hessian(lambda u: total(state[:1], u.view(1, HORIZON, 2)).sum(), plan.flatten())
    solutions = []
    for one in state:
        slope = torch.autograd.functional.jacobian(
            lambda u, one=one: total(one[None], u.view(1, HORIZON, 2)).sum(), plan.flatten()
        )
        solutions.append(torch.linalg.solve(hessian, -slope).view(HORIZON, 2))
    assert hessian.shape == (size, size)
    return torch.stack(solutions)


def starts(count: int = 5) -> Tensor:
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(0), dtype=DOUBLE)


def options(**changes: object) -> ILQROptions:
    return ILQROptions(**{"horizon": HORIZON, "iterations": 2, **changes})  # type: ignore[arg-type]


WIDE = torch.full((2,), 50.0, dtype=DOUBLE)


@pytest.mark.parametrize("derivatives", ["model", "exact"])
def test_it_solves_a_linear_quadratic_problem_exactly(derivatives: Literal["model", "exact"]) -> None:
    problem, state = Linear(), starts()
    plan = ILQR(-WIDE, WIDE, options(jacobians=derivatives)).plan(problem, reward, state)
    torch.testing.assert_close(plan, stacked_optimum(state), rtol=1e-6, atol=1e-6)
    assert problem.asked == (2 if derivatives == "model" else 0)


def test_with_limits_no_allowed_change_of_any_action_helps() -> None:
    """The conditions of Karush, Kuhn and Tucker, and many samples of CEM, agree."""
    low, high = torch.tensor([-0.4, -0.2], dtype=DOUBLE), torch.tensor([0.3, 0.6], dtype=DOUBLE)
    state = starts()
    plan = ILQR(low, high, options(iterations=30)).plan(Linear(), reward, state).requires_grad_()
    (slope,) = torch.autograd.grad(total(state, plan).sum(), plan)
    at_low, at_high = plan <= low, plan >= high
    assert at_low.any() and at_high.any() and not (at_low | at_high).all()
    assert (slope[at_low] <= 1e-6).all() and (slope[at_high] >= -1e-6).all()
    assert (slope[~at_low & ~at_high].abs() < 1e-6).all()
    sampled = CEM(low, high, CEMOptions(HORIZON, 500, 30, 40)).plan(Linear(), reward, state)
    assert (total(state, plan) >= total(state, sampled) - 1e-9).all()


def test_a_plan_never_gets_worse_than_its_warm_start() -> None:
    def rough(state: Tensor, action: Tensor) -> Tensor:
        return (3 * state).sin().sum(-1) - action.square().sum(-1)

    class Bent(Linear):
        def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
            return DiagonalGaussian(super().transition(state, action).mean.sin() * 2, torch.ones(3))

    state, low, high = starts(20), -WIDE, WIDE
    warm = torch.randn(20, HORIZON, 2, generator=torch.Generator().manual_seed(1), dtype=DOUBLE)

    def value(plan: Tensor) -> Tensor:
        now, gained = state, torch.zeros(20, dtype=DOUBLE)
        for action in plan.unbind(1):
            now = Bent().transition(now, action).mean
            gained = gained + rough(now, action)
        return gained

    planner = ILQR(low, high, options(starts=1, jacobians="exact", iterations=6))
    found = planner.plan(Bent(), rough, state, warm)
    assert (value(found) >= value(warm) - 1e-12).all() and (value(found) > value(warm) + 1).float().mean() > 0.8


def test_other_starts_find_the_hill_behind_the_valley() -> None:
    """From the middle every way is down at first; the higher of two goals lies behind the lower rim."""

    class Integrator:
        def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
            return DiagonalGaussian(state + 0.3 * action, torch.ones(1))

    def hills(state: Tensor, action: Tensor) -> Tensor:
        near, far = (-(state - 0.4).square() / 0.02).exp(), 3 * (-(state + 1.5).square() / 0.5).exp()
        return (near + far).sum(-1)

    def best(starts: int) -> float:
        one = torch.ones(1)
        chosen = ILQROptions(horizon=8, iterations=8, starts=starts, initial_std=0.5)
        generator = torch.Generator().manual_seed(0)
        plan = ILQR(-one, one, chosen).plan(Integrator(), hills, torch.full((1, 1), 0.4), None, generator)
        return float((0.4 + 0.3 * plan.cumsum(1)).min())

    assert best(1) > 0.3 and best(4) < -1.0


def check_jacobians(dynamics: Dynamics, state: Tensor, action: Tensor) -> None:
    """Those of ``dynamics`` at ``state [N, H, Dz]`` and ``action [N, H, Du]`` are autograd's at each point alone."""
    steps = jacobians(dynamics, state, action)
    for at in product(*map(range, state.shape[:2])):
        by_state, by_action = torch.autograd.functional.jacobian(
            lambda z, u: dynamics.transition(z, u).mean, (state[at], action[at])
        )
        torch.testing.assert_close(steps.by_state[at], by_state)
        torch.testing.assert_close(steps.by_action[at], by_action)


def test_jacobians_are_those_of_autograd() -> None:
    torch.manual_seed(0)
    frozen = FrozenTransition(LocallyLinearTransition(3, 2, base_matrices=4, hidden=(8,)))
    check_jacobians(frozen, torch.randn(2, 4, 3), torch.randn(2, 4, 2))


@pytest.mark.parametrize("name", ["rssm", "kvae"])
def test_jacobians_of_a_state_with_a_memory_are_those_of_autograd(name: str) -> None:
    torch.manual_seed(0)
    model = build(name, DataSpec((4,), "float32", 2, (1.0, 1.0)), {"recurrent_hidden": 8}).requires_grad_(False)
    check_jacobians(model, 0.3 * torch.randn(2, 3, model.state_size), torch.randn(2, 3, 2))


class Guarded(torch.autograd.Function):
    """A sine whose gradient is written for one at a time."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        ctx.save_for_backward(values)
        return values.sin()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (values,) = ctx.saved_tensors
        return gradient * values.cos() if gradient.any() else gradient


@pytest.mark.parametrize("lead", [(), (4,), (2, 3)])
@pytest.mark.parametrize("part", ["state", "action", "guarded"])
def test_jacobians_of_many_dimensions_by_what_the_mean_depends_on(part: str, lead: tuple[int, ...]) -> None:
    size = MANY
    mix = torch.randn(2, size, generator=torch.Generator().manual_seed(0))

    class OneSided:
        def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
            mean = {"state": state, "action": action @ mix, "guarded": Guarded.apply(state) + action @ mix}[part]
            return DiagonalGaussian(mean, torch.ones(size))

    state = torch.randn(*lead, size, generator=torch.Generator().manual_seed(1))
    steps = jacobians(OneSided(), state, torch.zeros(*lead, 2))
    diagonal = {"state": torch.ones_like(state), "action": torch.zeros_like(state), "guarded": state.cos()}[part]
    torch.testing.assert_close(steps.by_state, torch.diag_embed(diagonal))
    by_action = torch.zeros_like(mix.T) if part == "state" else mix.T
    torch.testing.assert_close(steps.by_action, by_action.expand(*lead, size, 2))


def test_reward_is_expanded_to_second_order_and_made_concave() -> None:
    expansion = quadratic(reward, starts(), torch.ones(5, 2, dtype=DOUBLE))
    top = torch.cat((STATE_COST, MIXED_COST.T), 1)
    expected = -2 * torch.cat((top, torch.cat((MIXED_COST, ACTION_COST), 1)))
    torch.testing.assert_close(expansion.hessian, expected.expand(5, 5, 5))
    torch.testing.assert_close(concave(expansion).hessian, expansion.hessian)
    saddle = quadratic(lambda z, u: z[..., 0].square() - 2 * u[..., 0].square(), torch.ones(1, 1), torch.ones(1, 1))
    torch.testing.assert_close(concave(saddle).hessian, torch.tensor([[[0.0, 0.0], [0.0, -4.0]]]))
    torch.testing.assert_close(concave(saddle).gradient, torch.tensor([[2.0, -4.0]]))


@pytest.mark.parametrize(
    "known",
    [
        PositionReward(torch.tensor([0.4, -1.0]), action_penalty=0.3),
        PositionReward(torch.tensor([[0.4, -1.0], [2.0, 0.0]]), action_penalty=0.3),
        VelocityReward(torch.tensor([0.7]), position_size=2),
    ],
    ids=["position", "a goal for each", "velocity"],
)
def test_rewards_know_their_own_derivatives(known: ConcaveReward) -> None:
    g = torch.Generator().manual_seed(0)
    path, actions = (torch.randn(6, 5, size, generator=g, dtype=DOUBLE) for size in (3, 2))
    found, expected = path_expansion(known, path, actions), quadratic(partial(path_rewards, known), path, actions)
    torch.testing.assert_close(found.gradient, expected.gradient)
    torch.testing.assert_close(found.hessian, expected.hessian)
    torch.testing.assert_close(concave(expected).hessian, expected.hessian)


class Stretched:
    """Twice as far as the crow flies."""

    goal = torch.tensor([0.5, -0.2], dtype=DOUBLE)

    def squared(self, position: Tensor) -> Tensor:
        return 4 * (position - self.goal).square().sum(-1)

    def only(self, index: int) -> Stretched:
        return self


def test_a_reward_of_another_distance_does_not_pass_for_the_euclidean_one() -> None:
    g = torch.Generator().manual_seed(0)
    path, actions = (torch.randn(6, 5, size, generator=g, dtype=DOUBLE) for size in (3, 2))
    found = path_expansion(PositionReward(Stretched.goal, distance=Stretched()), path, actions)
    straight = path_expansion(PositionReward(Stretched.goal), path, actions)
    torch.testing.assert_close(found.gradient, 4 * straight.gradient)
    torch.testing.assert_close(found.hessian, 4 * straight.hessian)


@pytest.mark.skipif(not can_compile(), reason="pip install 'latentrl[fast]'")
@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
@pytest.mark.parametrize("controls", [1, 2, 3])
def test_the_kernel_goes_back_as_the_reference_does(controls: int, dtype: torch.dtype) -> None:
    from latentrl.agents.planners.kernels import backward_kernel

    g = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(5, 7, *shape, generator=g, dtype=dtype)

    steps = LinearSteps(torch.eye(3, dtype=dtype) + 0.3 * normal(3, 3), normal(3, controls))
    root = normal(3 + controls, 3 + controls)
    expansion = QuadraticReward(normal(3 + controls), -root @ root.mT)
    lower, upper = -0.3 * normal(controls).abs(), 0.3 * normal(controls).abs()
    given = steps, expansion, lower, upper, torch.rand(5, generator=g, dtype=dtype)
    (change, feedback), expected = backward_kernel(*given), backward_pass(*given)
    assert (change == lower).any() and (change == upper).any() and ((change > lower) & (change < upper)).any()
    torch.testing.assert_close(change, expected.change)
    torch.testing.assert_close(feedback, expected.feedback)


def test_what_is_faster_finds_the_same_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a transition that can do nothing but its step, a reward without derivatives, and no kernel."""
    torch.manual_seed(0)
    frozen = FrozenTransition(LocallyLinearTransition(3, 2, base_matrices=4, hidden=(8,)))
    goal = PositionReward(torch.tensor([0.5, -0.5], dtype=DOUBLE), action_penalty=0.01)

    class Alone:
        transition = staticmethod(frozen.transition)

    def plan(dynamics: Dynamics, reward: Reward) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        planner = ILQR(-WIDE / 50, WIDE / 50, options(samples=16, iterations=4))
        return planner.plan(dynamics, reward, starts(), None, generator)

    fast = plan(frozen, goal)
    monkeypatch.setattr("latentrl.agents.planners.riccati.can_compile", lambda: False)
    slow = plan(Alone(), lambda state, action: goal(state, action))
    torch.testing.assert_close(fast, slow, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("controls", [1, 2, 3])
def test_the_box_is_solved_as_by_trying_every_face(controls: int) -> None:
    """Every action free, low or high: the best feasible of the 3^Du combinations is the optimum."""
    g = torch.Generator().manual_seed(controls)
    root = torch.randn(60, controls, controls, generator=g, dtype=DOUBLE)
    q_uu = root @ root.mT + 0.2 * torch.eye(controls, dtype=DOUBLE)
    q_u = 2 * torch.randn(60, controls, 1, generator=g, dtype=DOUBLE)
    q_ux = torch.randn(60, controls, 2, generator=g, dtype=DOUBLE)
    lower, upper = -torch.rand(60, controls, 1, generator=g, dtype=DOUBLE), torch.rand(60, controls, 1, generator=g)
    upper = upper.double()
    change, feedback = solve_box(q_uu, q_u, q_ux, lower, upper)
    held_somewhere = 0
    for n in range(60):
        best, best_free = math.inf, torch.zeros(controls, dtype=torch.bool)
        for faces in torch.cartesian_prod(*[torch.arange(3)] * controls).view(-1, controls):
            free = faces == 0
            at = torch.where(faces == 1, lower[n, :, 0], upper[n, :, 0]).where(~free, 0.0)
            if free.any():
                block, rest = q_uu[n][free][:, free], q_u[n, free, 0] + q_uu[n][free] @ at
                at[free] = torch.linalg.solve(block, -rest)
            if ((at >= lower[n, :, 0] - 1e-12) & (at <= upper[n, :, 0] + 1e-12)).all():
                value = float(q_u[n, :, 0] @ at + at @ q_uu[n] @ at / 2)
                if value < best:
                    best, best_free = value, free
        found = change[n, :, 0]
        assert float(q_u[n, :, 0] @ found + found @ q_uu[n] @ found / 2) <= best + 1e-9
        assert (feedback[n][~best_free] == 0).all()
        if best_free.any():
            gain = -torch.linalg.solve(q_uu[n][best_free][:, best_free], q_ux[n][best_free])
            torch.testing.assert_close(feedback[n][best_free], gain)
        held_somewhere += int((~best_free).any())
    assert 10 < held_somewhere < 60


@pytest.mark.parametrize(
    "wrong",
    [{"horizon": 0}, {"iterations": 0}, {"starts": 0}, {"samples": 0}, {"initial_std": 0.0}, {"jacobians": "guess"}],
    ids=str,
)
def test_options_that_cannot_work_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ILQROptions(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="starts"):
        ILQROptions(starts=10, samples=8)
