from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from latentrl.agents.planners import CEM, ILQR, MPPI, CEMOptions, ILQROptions, MPPIOptions
from latentrl.agents.planners.noise import coloured_noise
from latentrl.numerics.distributions import DiagonalGaussian
from latentrl.rewards.carried_goal import CarriedGoalReward
from latentrl.rewards.position import PositionReward
from latentrl.rewards.quadratic import QuadraticDistance
from latentrl.rewards.velocity import VelocityReward
from latentrl.types import Planner, Reward

LIMIT = torch.ones(2, dtype=torch.float64)

STATE = torch.tensor([[1.0, 2.0, 5.0], [0.0, 0.0, -1.0]])
ACTION = torch.tensor([[3.0], [1.0]])


class DoubleIntegrator:
    """Two masses that are pushed for 0.1 s: position and velocity ``[..., 4]``, force ``[..., 2]``."""

    def transition(self, state: torch.Tensor, action: torch.Tensor) -> DiagonalGaussian:
        velocity = state[..., 2:] + 0.1 * action
        mean = torch.cat((state[..., :2] + 0.1 * velocity, velocity), -1)
        return DiagonalGaussian(mean, torch.full_like(mean, 1e-6))


def test_position_reward_sees_the_position_alone() -> None:
    reward = PositionReward(torch.tensor([1.0, 0.0]))
    assert isinstance(reward, Reward)
    assert reward(STATE, ACTION).tolist() == [-4.0, -1.0]
    shifted = STATE + torch.tensor([0.0, 0.0, 9.0])
    assert torch.equal(reward(shifted, ACTION), reward(STATE, ACTION))


def test_a_carried_goal_is_rewarded_as_the_same_goal_given() -> None:
    goals = torch.tensor([[1.0, 0.0], [-2.0, 3.0]])
    carried = torch.cat([STATE, goals], -1)
    given = PositionReward(goals, action_penalty=0.1)(STATE, ACTION)
    assert torch.equal(CarriedGoalReward(2, action_penalty=0.1)(carried, ACTION), given)
    rollout = carried[:, None].expand(2, 5, 5), ACTION[:, None].expand(2, 5, 1)
    assert torch.equal(CarriedGoalReward(2, action_penalty=0.1)(*rollout), given[:, None].expand(2, 5))


def test_velocity_reward_sees_the_velocity_alone() -> None:
    reward = VelocityReward(torch.tensor([3.0]), position_size=2)
    assert reward(STATE, ACTION).tolist() == [-4.0, -16.0]
    shifted = STATE + torch.tensor([9.0, 9.0, 0.0])
    assert torch.equal(reward(shifted, ACTION), reward(STATE, ACTION))


def test_rewards_are_zero_at_the_goal_and_differentiable() -> None:
    goal = torch.tensor([1.0, 2.0])
    state = STATE.clone().requires_grad_()
    value = PositionReward(goal)(state, ACTION)
    assert value[0] == 0.0
    (gradient,) = torch.autograd.grad(value.sum(), state)
    assert gradient.tolist() == [[0.0, 0.0, 0.0], [2.0, 4.0, 0.0]]


def test_action_penalty() -> None:
    goal = torch.tensor([1.0, 2.0])
    assert PositionReward(goal, action_penalty=0.5)(STATE, ACTION).tolist() == [-4.5, -5.5]
    assert VelocityReward(torch.tensor([5.0]), 2, action_penalty=0.5)(STATE, ACTION).tolist() == [-4.5, -36.5]


def test_any_leading_shape() -> None:
    state, action = torch.zeros(4, 5, 6, 3), torch.zeros(4, 5, 6, 1)
    assert PositionReward(torch.ones(2))(state, action).shape == (4, 5, 6)


@pytest.mark.parametrize(
    "goal", [torch.zeros(0), torch.zeros(0, 2), torch.zeros(1, 1, 2), torch.tensor([[float("nan")]])]
)
def test_unusable_goals_are_refused(goal: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="goal"):
        PositionReward(goal)


def test_each_episode_has_its_own_goal() -> None:
    generator = torch.Generator().manual_seed(0)
    goals = torch.randn(3, 2, generator=generator)
    state, action = torch.randn(5, 12, 3, generator=generator), torch.randn(5, 12, 1, generator=generator)
    found = PositionReward(goals, action_penalty=0.5)(state, action)
    for episode, goal in enumerate(goals):
        own = slice(4 * episode, 4 * episode + 4)
        expected = PositionReward(goal, action_penalty=0.5)(state[:, own], action[:, own])
        assert torch.equal(found[:, own], expected)


@pytest.mark.parametrize("shape", [(3,), (5, 4, 3)])
def test_states_of_no_multiple_of_the_goals_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="3 goals"):
        PositionReward(torch.zeros(3, 2))(torch.zeros(shape), torch.zeros(*shape[:-1], 1))


@pytest.mark.parametrize(
    "planner",
    [
        CEM(-LIMIT, LIMIT, CEMOptions(horizon=6, samples=12, iterations=3, elites=4)),
        MPPI(-LIMIT, LIMIT, MPPIOptions(horizon=6, samples=12, iterations=3)),
        ILQR(-LIMIT, LIMIT, ILQROptions(horizon=6, samples=12, iterations=3)),
    ],
    ids=lambda planner: type(planner).__name__,
)
def test_a_plan_for_many_goals_is_that_of_each_alone(planner: Planner, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the noise of its own row, each episode gets the plan that it gets alone. H is a multiple of N: the axes
    of time and of episodes must not be taken for one another."""
    generator = torch.Generator().manual_seed(1)
    state = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    goals = torch.randn(3, 2, generator=generator, dtype=torch.float64)

    def plan(rows: slice, reward: PositionReward) -> torch.Tensor:
        def noise(shape: Sequence[int], *args: Any) -> torch.Tensor:
            return coloured_noise((3, *shape[1:]), *args)[rows]

        monkeypatch.setattr(sys.modules[type(planner).__module__], "coloured_noise", noise)
        return planner.plan(DoubleIntegrator(), reward, state[rows], None, torch.Generator().manual_seed(2))

    together = plan(slice(None), PositionReward(goals))
    for row in range(3):
        alone = plan(slice(row, row + 1), PositionReward(goals[row]))
        torch.testing.assert_close(together[row], alone[0], rtol=1e-9, atol=1e-9)
    assert (together[0] - together[1]).abs().max() > 0.1


def test_a_goal_from_another_model_is_refused() -> None:
    with pytest.raises(ValueError, match="4 dimensions"):
        PositionReward(torch.zeros(4))(STATE, ACTION)
    with pytest.raises(ValueError, match="2 dimensions"):
        VelocityReward(torch.zeros(2), position_size=2)(STATE, ACTION)


def test_bad_weights_are_refused() -> None:
    with pytest.raises(ValueError, match="action_penalty"):
        PositionReward(torch.zeros(2), action_penalty=-1.0)
    with pytest.raises(ValueError, match="position_size"):
        VelocityReward(torch.zeros(2), position_size=-1)


class Doubled:
    """A distance that is twice the straight one."""

    def __init__(self, goal: torch.Tensor) -> None:
        self.goal = goal

    def squared(self, position: torch.Tensor) -> torch.Tensor:
        goal = self.goal.unsqueeze(-2) if self.goal.ndim > 1 else self.goal
        return 4 * (position - goal).square().sum(-1)

    def only(self, index: int) -> Doubled:
        return Doubled(self.goal[index : index + 1])


def test_another_distance_takes_the_place_of_the_euclidean_one() -> None:
    goal, goals = torch.tensor([1.0, 0.0]), torch.tensor([[1.0, 0.0], [-2.0, 3.0]])
    for wanted in (goal, goals):
        straight, doubled = PositionReward(wanted), PositionReward(wanted, distance=Doubled(wanted))
        torch.testing.assert_close(doubled(STATE, ACTION), 4 * straight(STATE, ACTION))
        priced = PositionReward(wanted, 0.1, Doubled(wanted))(STATE, ACTION)
        torch.testing.assert_close(priced, doubled(STATE, ACTION) - 0.1 * ACTION.square().sum(-1))
    for index in range(2):
        one = PositionReward(goals, 0.1, Doubled(goals)).only(index)
        expected = PositionReward(goals, 0.1, Doubled(goals))(STATE, ACTION)[index : index + 1]
        torch.testing.assert_close(one(STATE[index : index + 1], ACTION[index : index + 1]), expected)
    same = PositionReward(goal)
    assert same.only(1) is same
    with pytest.raises(ValueError, match="the distance is to"):
        PositionReward(goal, distance=Doubled(goal + 1))
    with pytest.raises(ValueError, match="2 dimensions"):
        PositionReward(goal, distance=Doubled(goal))(STATE[:, :1], ACTION)


def test_a_quadratic_distance_is_the_euclidean_one_of_coordinates_in_which_its_metric_is_one() -> None:
    """With M = A' A: |A z - A g|^2, for one goal or for several; its derivatives are autograd's."""
    map_ = torch.tensor([[2.0, 0.5], [0.0, 0.8]])
    metric = map_.T @ map_
    for goal in (torch.tensor([1.0, 0.0]), torch.tensor([[1.0, 0.0], [-2.0, 3.0]])):
        moved = torch.cat((STATE[:, :2] @ map_.T, STATE[:, 2:]), 1)
        reward = PositionReward(goal, 0.1, QuadraticDistance(goal, metric))
        torch.testing.assert_close(reward(STATE, ACTION), PositionReward(goal @ map_.T, 0.1)(moved, ACTION))
        found = reward.expansion(STATE, ACTION)
        assert found is not None
        for index in range(2):
            one = PositionReward(goal, 0.1, reward.distance) if goal.ndim == 1 else reward.only(index)

            def told(both: torch.Tensor, one: PositionReward = one) -> torch.Tensor:
                return one(both[None, :3], both[None, 3:])[0]

            both = torch.cat((STATE[index], ACTION[index]))
            torch.testing.assert_close(found[0][index], torch.func.grad(told)(both))
            torch.testing.assert_close(found[1][index], torch.autograd.functional.hessian(told, both))


@pytest.mark.parametrize("metric", [torch.eye(3), -torch.eye(2), torch.tensor([[1.0, 0.2], [0.0, 1.0]])])
def test_what_is_no_metric_is_refused(metric: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="a metric"):
        QuadraticDistance(torch.zeros(2), metric)
