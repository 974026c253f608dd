from __future__ import annotations

import pytest
import torch

from latentrl.rewards import PositionReward, VelocityReward
from latentrl.types import Reward

STATE = torch.tensor([[1.0, 2.0, 5.0], [0.0, 0.0, -1.0]])
ACTION = torch.tensor([[3.0], [1.0]])


def test_position_reward_sees_the_position_alone() -> None:
    reward = PositionReward(torch.tensor([1.0, 0.0]))
    assert isinstance(reward, Reward)
    assert reward(STATE, ACTION).tolist() == [-4.0, -1.0]
    shifted = STATE + torch.tensor([0.0, 0.0, 9.0])
    assert torch.equal(reward(shifted, ACTION), reward(STATE, ACTION))


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


@pytest.mark.parametrize("goal", [torch.zeros(0), torch.zeros(1, 2), torch.tensor([float("nan")])])
def test_unusable_goals_are_refused(goal: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="goal"):
        PositionReward(goal)


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
