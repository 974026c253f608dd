"""Samples that are held near a plan by feedback: what balances at 20 steps does at 40, and comes to the LQR's cost."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from latentrl.agents.planners import CEM, ILQR, MPPI, CEMOptions, ILQROptions, MPPIOptions
from latentrl.agents.planners.common import returns
from latentrl.agents.planners.riccati import backward_pass
from latentrl.agents.planners.sampling import FreeSamples, HeldSamples, Samples, growth, samples_around
from latentrl.numerics.distributions import DiagonalGaussian
from latentrl.numerics.feedback import follow_feedback
from latentrl.rewards.position import PositionReward
from latentrl.types import FeedbackDynamics, Reward, SmoothDynamics

LOW, HIGH = torch.tensor([-1.0]), torch.tensor([1.0])
UPRIGHT = PositionReward(torch.zeros(1), action_penalty=0.01)
# Angle and speed of a pendulum near upright: a deviation grows by a third in a step, by 100,000 in 40.
FALL = torch.tensor([[1.04, 0.29], [0.29, 1.04]])
PUSH = torch.tensor([[0.05], [0.3]])
LEANING = torch.tensor([[0.3, 0.0], [-0.2, 0.1], [0.1, -0.3]])


class Falling:
    """z' = A z + B u, A unstable, with everything that `FrozenTransition` offers of it."""

    def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
        return DiagonalGaussian(state @ FALL.T + action @ PUSH.T, torch.ones(2))

    def jacobians(self, state: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        lead = state.shape[:-1]
        return FALL.expand(*lead, -1, -1), PUSH.expand(*lead, -1, -1)

    def rollout_feedback(
        self, state: Tensor, base: Tensor, feedback: Tensor, around: Tensor, low: Tensor, high: Tensor
    ) -> tuple[Tensor, Tensor]:
        return follow_feedback(lambda z, u: self.transition(z, u).mean, state, base, feedback, around, low, high)


def value(plan: Tensor) -> float:
    return float(returns(Falling(), UPRIGHT, LEANING, plan[:, None]).mean())


def plan(horizon: int, feedback: bool, times: int = 1) -> Tensor:
    planner, generator = CEM(LOW, HIGH, CEMOptions(horizon, feedback=feedback)), torch.Generator().manual_seed(0)
    found = None
    for _ in range(times):
        found = planner.plan(Falling(), UPRIGHT, LEANING, found, generator)
    assert found is not None
    return found


def optimum() -> float:
    """What the best plan within the limits costs, of any length that is enough to stand: iLQR is exact here."""
    return value(ILQR(LOW, HIGH, ILQROptions(20, 20)).plan(Falling(), UPRIGHT, LEANING))


@pytest.mark.parametrize(("horizon", "near"), [(20, 1.1), (40, 4.0)])
def test_a_balancing_plan_is_found_at_any_horizon(horizon: int, near: float) -> None:
    best, feedback, free = optimum(), value(plan(horizon, True, 3)), value(plan(horizon, False, 3))
    assert near * best < feedback < 0.9 * best
    assert free < 2 * feedback


def test_more_horizon_costs_little_where_the_model_is_the_world() -> None:
    def cost(horizon: int, feedback: bool = True) -> float:
        planner = CEM(LOW, HIGH, CEMOptions(horizon, samples=64, elites=12, feedback=feedback))
        generator = torch.Generator().manual_seed(0)
        state, last, total = LEANING, None, 0.0
        for _ in range(25):
            last = planner.plan(Falling(), UPRIGHT, state, last, generator)
            action = last[:, 0]
            state = Falling().transition(state, action).mean
            total += float(UPRIGHT(state, action).mean())
            last = torch.cat((last[:, 1:], last[:, -1:]), 1)
        return total

    assert 1.5 * optimum() < cost(20)
    assert 2.5 * optimum() < cost(40) < 0.9 * optimum()
    assert cost(40, feedback=False) < 5 * optimum()


def test_path_integrals_balance_by_feedback_too() -> None:
    def cost(feedback: bool) -> float:
        planner = MPPI(LOW, HIGH, MPPIOptions(40, feedback=feedback))
        return value(planner.plan(Falling(), UPRIGHT, LEANING, None, torch.Generator().manual_seed(0)))

    assert 6 * optimum() < cost(True) < optimum() and cost(False) < 100 * cost(True)


@pytest.mark.parametrize(("given", "kind"), [(15, FreeSamples), (20, HeldSamples)])
def test_plans_are_held_where_a_deviation_grows_unless_it_is_said_otherwise(
    given: int, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a third in a step: 70 times in 15, 300 times in 20."""
    made = []

    def seen(*arguments: Any) -> Samples:
        made.append(samples_around(*arguments))
        return made[-1]

    monkeypatch.setattr("latentrl.agents.planners.cem.samples_around", seen)
    for feedback in (None, True, False):
        options = CEMOptions(given, samples=8, iterations=1, elites=2, feedback=feedback)
        CEM(LOW, HIGH, options).plan(Falling(), UPRIGHT, LEANING, None, torch.Generator().manual_seed(0))
    assert [type(one) for one in made] == [kind, HeldSamples, FreeSamples]


def test_growth_is_the_spectral_radius_of_all_steps() -> None:
    steps = 0.3 * torch.randn(5, 7, 3, 3, generator=torch.Generator().manual_seed(0)) + torch.diag(
        torch.tensor([1.5, 1.0, 0.5])
    )
    for one, found in zip(steps, growth(steps), strict=True):
        product = torch.linalg.multi_dot(list(one.flip(0)))
        exact = float(torch.linalg.eigvals(product).abs().max())
        assert exact <= float(found) < 1.5 * exact
    coasting = torch.tensor([[1.0, 1.0], [0.0, 1.0]]).expand(1, 40, -1, -1)
    assert float(growth(coasting)) < 4.0


def test_growth_is_told_where_single_precision_has_no_such_number() -> None:
    """A product of what grows by 1e14 has infinities of both signs: no number, and so it looked like a broken plan."""
    turn, _ = torch.linalg.qr(torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(0)))
    steps = (torch.tensor([3.0, 30.0, 0.01])[:, None, None] * turn)[:, None].expand(-1, 30, -1, -1)
    far, further, gone = growth(steps).tolist()
    assert 3.0**30 <= far < 2 * 3.0**30 and further > 3e38 and gone < 1e-30
    steps = steps.clone()
    steps[0, 3, 1, 1] = torch.nan
    assert not bool(growth(steps)[0] > 200) and bool(growth(steps)[1] > 200)


def test_of_many_plans_only_the_unstable_ones_are_held() -> None:
    """Beyond zero the pendulum falls, short of it everything comes to rest: there samples are as free as can be."""

    class Ledge(Falling):
        def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
            falls = state[..., :1] > 0
            pushed = action @ PUSH.T
            return DiagonalGaussian(torch.where(falls, state @ FALL.T, 0.5 * state) + pushed, torch.ones(2))

        def jacobians(self, state: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
            falls, lead = (state[..., :1] > 0).unsqueeze(-1), state.shape[:-1]
            return torch.where(falls, FALL, 0.5 * torch.eye(2)), PUSH.expand(*lead, -1, -1)

        def rollout_feedback(
            self, state: Tensor, base: Tensor, feedback: Tensor, around: Tensor, low: Tensor, high: Tensor
        ) -> tuple[Tensor, Tensor]:
            return follow_feedback(lambda z, u: self.transition(z, u).mean, state, base, feedback, around, low, high)

    state, still = torch.tensor([[0.1, 0.0], [-0.1, 0.0]]), torch.zeros(2, 20, 1)
    asked = 0.05 * torch.randn(2, 8, 20, 1, generator=torch.Generator().manual_seed(0))
    some = samples_around(still, Ledge(), UPRIGHT, state, LOW, HIGH, backward_pass, None)
    assert isinstance(some, HeldSamples)
    found = some.judge(asked.clone(), 8)
    for number, (wanted, kind) in enumerate([(True, HeldSamples), (False, FreeSamples)]):
        alone = samples_around(still, Ledge(), UPRIGHT, state, LOW, HIGH, backward_pass, wanted)
        assert isinstance(alone, kind)
        torch.testing.assert_close(found[number], alone.judge(asked.clone(), 8)[number])
    _, actions = some.best(torch.arange(8).expand(2, -1))
    torch.testing.assert_close(actions[1], asked[1])
    assert not torch.allclose(actions[0], asked[0], atol=1e-3)


def held() -> HeldSamples:
    made = samples_around(torch.zeros(3, 10, 1), Falling(), UPRIGHT, LEANING, LOW, HIGH, backward_pass)
    assert isinstance(made, HeldSamples)
    return made


def test_every_sample_is_told_in_terms_of_the_feedback_and_is_the_same_when_told_again() -> None:
    """The held ones are what was asked for unless a limit cut them; the free ones become held ones."""
    samples = held()
    asked = 0.05 * torch.randn(3, 8, 10, 1, generator=torch.Generator().manual_seed(0))
    first = samples.judge(asked, 4)
    told, actions = samples.best(torch.arange(8).expand(3, -1))
    torch.testing.assert_close(actions[:, 4:], asked[:, 4:])
    inside = (actions[:, :4].abs() < 1).all(2, keepdim=True).expand(-1, -1, 10, -1)
    torch.testing.assert_close(told[:, :4][inside], asked[:, :4][inside], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(samples.judge(told, 8), first, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(samples.settle(told[:, 6]), actions[:, 6], rtol=1e-3, atol=1e-3)


def test_nothing_is_asked_of_a_model_or_a_reward_that_knows_no_derivatives() -> None:
    class Bare:
        transition = Falling.transition

    def unknown(state: Tensor, action: Tensor) -> Tensor:
        return UPRIGHT(state, action)

    assert isinstance(Falling(), SmoothDynamics) and isinstance(Falling(), FeedbackDynamics)
    given: list[tuple[Falling | Bare, Reward, bool]] = [
        (Bare(), UPRIGHT, True),
        (Falling(), unknown, True),
        (Falling(), UPRIGHT, False),
    ]
    for dynamics, reward, wanted in given:
        made = samples_around(torch.zeros(3, 10, 1), dynamics, reward, LEANING, LOW, HIGH, backward_pass, wanted)
        assert isinstance(made, FreeSamples)


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_a_plan_that_breaks_the_model_is_left(poison: float) -> None:
    class Breaking(Falling):
        def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
            mean = super().transition(state, action).mean
            return DiagonalGaussian(torch.where(action > 0.5, poison, mean), torch.ones(2))

    broken = torch.zeros(3, 10, 1)
    broken[:, 4] = 0.9
    found = CEM(LOW, HIGH, CEMOptions(10, 64, 6, 8, feedback=True)).plan(
        Breaking(), UPRIGHT, LEANING, broken, torch.Generator().manual_seed(0)
    )
    assert (found.abs() <= 1).all() and (found <= 0.5).all()
    assert returns(Breaking(), UPRIGHT, LEANING, found[:, None]).isfinite().all()
