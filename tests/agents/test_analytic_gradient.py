from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from latentrl.agents.goal_conditioning import GoalConditioned
from latentrl.agents.policies import (
    POLICIES,
    AnalyticGradient,
    AnalyticGradientOptions,
    MLPPolicy,
    load_policy,
    save_policy,
)
from latentrl.agents.policies.analytic_gradient import JUDGED
from latentrl.agents.policies.gradients import StateGuard, limit_gradient, shorten
from latentrl.agents.rollout import rollout, rollout_closed_loop
from latentrl.numerics.distributions import DiagonalGaussian
from latentrl.rewards.carried_goal import CarriedGoalReward
from latentrl.rewards.position import PositionReward
from latentrl.transitions.frozen import FrozenTransition
from latentrl.transitions.locally_linear import LocallyLinearTransition
from tests.double_integrator import DoubleIntegrator

BOUND = torch.tensor([5.0])


class Unstable:
    """Doubles every state at every step."""

    def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
        return DiagonalGaussian(2.0 * state + action, torch.full_like(state, 1e-4))


class Chaotic:
    """The logistic map at r = 3.99, shifted by the action: bounded states, exploding derivatives."""

    def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
        mean = (3.99 * state * (1 - state) + 0.001 * action).clamp(0.001, 0.999)
        return DiagonalGaussian(mean, torch.full_like(state, 1e-8))


def quadratic(state: Tensor, action: Tensor) -> Tensor:
    return -state.square().sum(-1) - 0.05 * action.square().sum(-1)


def normal_starts(count: int, generator: torch.Generator) -> Tensor:
    return torch.randn(count, 2, generator=generator)


def uniform_starts(count: int, generator: torch.Generator) -> Tensor:
    return torch.rand(count, 1, generator=generator)


def test_the_policies_are_named() -> None:
    assert set(POLICIES) == {"analytic-gradient", "sac", "td3", "ppo"}
    assert POLICIES["analytic-gradient"].learner is AnalyticGradient


def test_open_and_closed_loop_rollouts_agree() -> None:
    gain = torch.tensor([[-1.0, -0.5]])
    start = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    states, actions = rollout_closed_loop(DoubleIntegrator(), start, lambda z: z @ gain.T, 6, sample=False)
    assert states.shape == (4, 6, 2) and actions.shape == (4, 6, 1)
    assert torch.allclose(rollout(DoubleIntegrator(), start, actions), states)
    assert torch.allclose(actions[:, 0], start @ gain.T)


def test_shorten_bounds_scales_and_forgets_what_is_not_finite() -> None:
    gradient = torch.tensor([[3.0, 4.0], [0.3, 0.4], [float("nan"), 1.0], [float("inf"), 0.0], [1e30, 1e30]])
    short = shorten(gradient, torch.ones(2), 1.0)
    assert torch.allclose(short[0], torch.tensor([0.6, 0.8]))
    assert torch.equal(short[1], gradient[1]), "within the bound nothing changes"
    assert short.isfinite().all() and (short.norm(dim=-1) <= 1.0 + 1e-6).all()
    assert torch.allclose(shorten(gradient[:1], torch.tensor([10.0, 10.0]), 1.0), torch.tensor([[0.06, 0.08]]))


def test_limit_gradient_is_the_identity_forwards() -> None:
    value = torch.ones(3, 2, requires_grad=True)
    out = limit_gradient(value * 1.0, torch.ones(2), 0.5)
    assert torch.equal(out, value)
    out.sum().backward()
    assert value.grad is not None
    assert torch.allclose(value.grad.norm(dim=-1), torch.full((3,), 0.5))


def test_the_guard_refuses_steps_that_leave_or_break() -> None:
    guard = StateGuard(-10 * torch.ones(2), 10 * torch.ones(2), torch.ones(2), max_norm=1.0)
    state = torch.ones(4, 2)
    following = torch.tensor([[2.0, 2.0], [11.0, 0.0], [float("nan"), 0.0], [0.0, -float("inf")]])
    assert torch.equal(guard(state, following), torch.tensor([[2.0, 2.0], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0]]))


@pytest.mark.parametrize("model", [Unstable(), Chaotic()], ids=["unstable", "chaotic"])
def test_gradients_stay_bounded_at_horizon_200(model: Unstable | Chaotic) -> None:
    def reward(state: Tensor, action: Tensor) -> Tensor:
        return -(state - 0.3).square().sum(-1)

    options = AnalyticGradientOptions(updates=10, horizon=200, batch=16)
    learner = AnalyticGradient(model, reward, uniform_starts, -BOUND, BOUND, options)
    norms = [learner.update().gradient_norm for _ in range(3)]
    # 200 steps, each with at most `state_gradient` arriving at the action, times what one action owes the parameters.
    assert max(norms) < 1e4
    assert all(parameter.isfinite().all() for parameter in learner.policy.parameters())

    start = uniform_starts(64, torch.Generator().manual_seed(0))
    states, actions = rollout_closed_loop(model, start, learner.policy, 200, sample=False)
    plain = torch.autograd.grad(reward(states, actions).sum(), list(learner.policy.parameters()))
    exploded = torch.stack([gradient.abs().max() for gradient in plain]).max()
    assert not exploded <= 1e8, "without the guard this problem explodes: else the test shows nothing"


@pytest.mark.parametrize("changes", [{}, {"sample": False}, {"bootstrap": True}, {"exploration": 0.0}], ids=str)
@pytest.mark.parametrize("goal_size", [0, 2])
def test_gradients_by_hand_are_those_of_automatic_differentiation(goal_size: int, changes: dict[str, Any]) -> None:
    """Three updates in float64; some roll-outs leave the trusted region, some gradients are shortened, and some actions
    are the largest."""
    torch.manual_seed(0)
    module = LocallyLinearTransition(3, 2, base_matrices=5, hidden=(8,)).double()
    module.control_scale.copy_(torch.tensor([2.0, 5.0]))
    frozen, high = FrozenTransition(module), torch.tensor([3.0, 2.0], dtype=torch.float64)
    options = AnalyticGradientOptions(horizon=12, batch=40, state_gradient=0.5, sane_radius=1.2, **changes)

    def starts(count: int, generator: torch.Generator) -> Tensor:
        return 1.0 + 2.0 * torch.randn(count, 3, generator=generator, dtype=torch.float64)

    def learner() -> AnalyticGradient:
        if goal_size:
            carrying = GoalConditioned(frozen, starts, goal_size, frozen)
            made = AnalyticGradient(
                carrying, CarriedGoalReward(goal_size, 0.01), carrying.initial_states, -high, high, options
            )
        else:
            reward = PositionReward(torch.tensor([0.5, -0.2], dtype=torch.float64), 0.01)
            made = AnalyticGradient(frozen, reward, starts, -high, high, options)
        made.policy.double()
        with torch.no_grad():
            made.policy.layers[-1].weight.mul_(200.0)  # type: ignore[operator]
        if made._critic is not None:
            made._critic.double()
        return made

    by_hand, reference = learner(), learner()
    assert by_hand._adjoint is frozen
    reference._adjoint = None
    for _ in range(3):
        found, expected = by_hand.update(), reference.update()
        assert found == pytest.approx(expected, rel=1e-10)
        for one, other in zip(by_hand._parameters, reference._parameters, strict=True):
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-9, atol=1e-12)
    assert by_hand._imagined is not None
    assert not by_hand._imagined._sane.all() and by_hand._imagined._sane.any()
    places = by_hand._imagined._values[-1]
    assert (places > 0.99).any() and (places < 0.01).any() and ((places > 0.1) & (places < 0.9)).any()


def test_a_model_that_breaks_somewhere_does_not_poison_the_policy() -> None:
    class Breaking(DoubleIntegrator):
        def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
            step = super().transition(state, action)
            # The derivative of sqrt at 0 is infinite, below it everything is NaN.
            return DiagonalGaussian(step.mean + 0 * (1.0 - state[..., :1]).sqrt(), step.variance)

    options = AnalyticGradientOptions(updates=20, horizon=10, batch=64)
    learner = AnalyticGradient(Breaking(), quadratic, normal_starts, -BOUND, BOUND, options)
    before = [parameter.clone() for parameter in learner.policy.parameters()]
    for _ in range(3):
        assert learner.update().gradient_norm > 0
    for old, new in zip(before, learner.policy.parameters(), strict=True):
        assert new.isfinite().all() and not torch.equal(old, new)


def test_learns_the_linear_quadratic_regulator_to_ten_percent() -> None:
    problem, horizon = DoubleIntegrator(), 40
    options = AnalyticGradientOptions(updates=200, horizon=horizon, batch=64, fresh=1.0)
    policy = AnalyticGradient(problem, quadratic, normal_starts, -BOUND, BOUND, options, seed=0).learn()
    start = normal_starts(256, torch.Generator().manual_seed(1))
    with torch.no_grad():
        states, actions = rollout_closed_loop(problem, start, policy, horizon, sample=False)
    found = -quadratic(states, actions).sum(-1).mean()
    best = riccati_cost(problem, start, horizon).mean()
    assert best * (1 - 1e-4) <= found <= 1.10 * best


def learned(updates: int, rounds: int, seed: int = 0) -> tuple[AnalyticGradient, list[int]]:
    """A learner of the double integrator at its end, and how its updates were counted."""
    options = AnalyticGradientOptions(updates=updates, rounds=rounds, horizon=20, batch=32, fresh=1.0)
    learner, counted = AnalyticGradient(DoubleIntegrator(), quadratic, normal_starts, -BOUND, BOUND, options, seed), []
    learner.learn(lambda done, figures: counted.append(done))
    return learner, counted


def test_updates_go_on_in_rounds_while_the_imagined_return_rises_and_no_longer() -> None:
    """The oracle is one learner that had no second round: too few updates are gone on with, enough are not."""
    short, on = learned(6, 1), learned(6, 9)
    assert short[1] == list(range(1, 7))
    assert on[0].imagined_return() > short[0].imagined_return()
    assert max(on[0].returns) == on[0].imagined_return() and len(on[0].returns) == 1 + len(on[1]) / 6
    assert not short[0].returns, "of a single round nobody asks"
    assert 6 < len(on[1]) < on[0].budget == 54 and len(on[1]) % 6 == 0
    enough, more = learned(150, 1), learned(150, 6)
    assert len(more[1]) == 150
    for one, same in zip(enough[0].policy.parameters(), more[0].policy.parameters(), strict=True):
        assert torch.equal(one, same), "watching the return changes nothing"


@pytest.mark.parametrize(
    ("returns", "long_runs", "rounds", "kept"),
    [
        # The imagined return at the beginning, halfway, and after each round.
        ([0.0, 0.1, 1.0, 0.5], [0.01, 0.01], 2, 1),  # worse: undone, and no third
        ([0.0, 1.0, 1.0], [0.01], 1, 1),  # it has arrived and rises no more
        ([0.0, 1.0, 1.0, 0.9, 0.9], [0.5, 0.3, 0.29], 3, 3),  # it comes nearer, though at a lower return
        ([0.0, 1.0, 1.0, 1.1, 1.0], [0.5, 0.6, 0.6], 3, 1),  # a higher return, but it ends further away
        ([0.0, 1.0, 1.0, 0.9], [0.06, 0.04], 2, 2),  # now it arrives
        ([0.0, 1.0, 1.0, math.nan], [0.5, math.inf], 2, 1),  # the model broke
        ([0.0, 0.1, 1.0, 9.0, 9.0], [math.nan] * 3, 3, 2),  # the reward is no distance
    ],
)
def test_rounds_go_on_while_they_help_and_the_best_is_kept(
    returns: list[float], long_runs: list[float], rounds: int, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged, followed = iter(returns), iter(long_runs)
    monkeypatch.setattr(AnalyticGradient, "imagined_return", lambda self: next(judged))
    monkeypatch.setattr(AnalyticGradient, "fares_in_the_long_run", lambda self: next(followed))
    after: dict[int, list[Tensor]] = {}
    options = AnalyticGradientOptions(updates=4, rounds=5, horizon=5, batch=8)
    learner = AnalyticGradient(DoubleIntegrator(), quadratic, normal_starts, -BOUND, BOUND, options)
    learner.learn(lambda done, figures: after.update({done: [one.clone() for one in learner.policy.parameters()]}))
    assert max(after) == 4 * rounds and learner.long_run == pytest.approx(long_runs[kept - 1], nan_ok=True)
    for one, same in zip(learner.policy.parameters(), after[4 * kept], strict=True):
        assert torch.equal(one, same)


def test_most_roll_outs_begin_where_earlier_ones_came_to() -> None:
    asked: list[int] = []

    def starts(count: int, generator: torch.Generator) -> Tensor:
        asked.append(count)
        return normal_starts(count, generator)

    options = AnalyticGradientOptions(updates=3, horizon=3, batch=8)
    learner = AnalyticGradient(DoubleIntegrator(), quadratic, starts, -BOUND, BOUND, options)
    asked.clear()
    learner.learn()
    *asked, judged = asked
    assert asked == [8, 2, 2], "at first there is nothing to go on from"
    assert judged == JUDGED


def riccati_cost(problem: DoubleIntegrator, state: Tensor, horizon: int) -> Tensor:
    """The least cost by dynamic programming, without bounds on the action: no bounded policy can do better."""
    a, b = problem.state_matrix, problem.control_matrix
    to_go = torch.zeros(2, 2)
    for _ in range(horizon):
        ahead = torch.eye(2) + to_go
        gain = torch.linalg.solve(0.05 * torch.eye(1) + b.T @ ahead @ b, b.T @ ahead @ a)
        to_go = a.T @ ahead @ (a - b @ gain)
    return torch.einsum("ni,ij,nj->n", state, to_go, state)


def test_the_same_seed_learns_the_same_policy_and_leaves_global_randomness_alone() -> None:
    options = AnalyticGradientOptions(updates=3, horizon=4, batch=16)

    def learned(seed: int) -> MLPPolicy:
        return AnalyticGradient(DoubleIntegrator(), quadratic, normal_starts, -BOUND, BOUND, options, seed).learn()

    before = torch.random.get_rng_state()
    first, again, other = learned(1).state_dict(), learned(1).state_dict(), learned(2).state_dict()
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["layers.0.weight"], other["layers.0.weight"])


def test_a_models_own_parameters_stay_untouched() -> None:
    class Learned:
        def __init__(self) -> None:
            self.gain = torch.ones(2, requires_grad=True)

        def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
            return DiagonalGaussian(self.gain * state + 0.1 * action, torch.full_like(state, 1e-6))

    model = Learned()
    options = AnalyticGradientOptions(updates=2, horizon=3, batch=8)
    AnalyticGradient(model, quadratic, normal_starts, -BOUND, BOUND, options).learn()
    assert torch.equal(model.gain, torch.ones(2)) and model.gain.grad is None


def test_actions_respect_the_bounds_however_wild_the_state() -> None:
    low, high = torch.tensor([-1.0, 0.3]), torch.tensor([0.1, 7.7])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        policy = MLPPolicy(low, high, torch.zeros(3), torch.ones(3))
    for parameter in policy.parameters():
        parameter.data.mul_(100)
    actions = policy(1e3 * torch.randn(500, 3, generator=torch.Generator().manual_seed(0)))
    assert (actions >= low).all() and (actions <= high).all()
    assert torch.equal(actions.amax(0), high) and torch.equal(actions.amin(0), low), "the whole range is in reach"


def test_a_saved_policy_comes_back_bit_for_bit(tmp_path: Path) -> None:
    policy = MLPPolicy(-BOUND, BOUND, torch.randn(3), torch.rand(3) + 0.1, hidden=(8, 5))
    save_policy(policy, tmp_path, {"seed": 3})
    loaded = load_policy(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["policy.json", "policy.safetensors"]
    assert json.loads((tmp_path / "policy.json").read_text())["settings"] == {"seed": 3}
    for name, tensor in policy.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name])
    state = torch.randn(6, 3)
    assert torch.equal(policy(state), loaded(state))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes of POSIX")
@pytest.mark.parametrize("name", ["policy.json", "policy.safetensors"])
def test_a_pipe_in_a_policy_s_place_is_refused_and_not_waited_at(tmp_path: Path, name: str) -> None:
    save_policy(MLPPolicy(-BOUND, BOUND, torch.zeros(3), torch.ones(3)), tmp_path)
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    with pytest.raises(ValueError, match=f"{name} is no file"):
        load_policy(tmp_path)


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    save_policy(MLPPolicy(-BOUND, BOUND, torch.zeros(3), torch.ones(3)), tmp_path)
    description = json.loads((tmp_path / "policy.json").read_text())
    (tmp_path / "policy.json").write_text(json.dumps({**description, "hidden": [7]}))
    with pytest.raises(ValueError, match="do not belong together"):
        load_policy(tmp_path)


def test_start_states_that_are_broken_or_all_alike() -> None:
    with pytest.raises(ValueError, match="finite"):
        AnalyticGradient(DoubleIntegrator(), quadratic, lambda n, g: torch.full((n, 2), torch.nan), -BOUND, BOUND)
    options = AnalyticGradientOptions(updates=2, horizon=3, batch=8)
    alike = AnalyticGradient(DoubleIntegrator(), quadratic, lambda n, g: torch.ones(n, 2), -BOUND, BOUND, options)
    assert all(parameter.isfinite().all() for parameter in alike.learn().parameters())


@pytest.mark.parametrize(
    "wrong",
    [{"updates": 0}, {"horizon": 0}, {"batch": 0}, {"fresh": 0.0}, {"learning_rate": -1.0}, {"exploration": 1.0}],
    ids=str,
)
def test_options_that_cannot_work_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        AnalyticGradientOptions(**wrong)  # type: ignore[arg-type]
