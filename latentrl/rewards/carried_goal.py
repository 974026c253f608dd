"""The distance to the goal that a state carries (Latent Matters, Eq. 4.32, for any goal)."""

from __future__ import annotations

from torch import Tensor

from latentrl.rewards.distance import negative_squared_distance, penalty_weight


class CarriedGoalReward:
    """Negative squared distance of a state's position to the goal that the state carries (Eq. 4.32).

    The reward of goal-conditioned policies: see `latentrl.agents.goal_conditioning`.

    Args:
        goal_size: ``Da``, the size of a position, and of a goal.
        action_penalty: weight of the squared action (environment units) taken off the reward; 0 is the source's reward.
    """

    def __init__(self, goal_size: int, action_penalty: float = 0.0) -> None:
        if goal_size < 1:
            raise ValueError(f"goal_size must be at least 1, not {goal_size}")
        self.goal_size = goal_size
        self.action_penalty: float = penalty_weight(action_penalty)

    def __call__(self, state: Tensor, action: Tensor) -> Tensor:
        """Rewards ``[...]`` for ``state [..., Dz + Da]``, its goal last, and ``action [..., Du]``."""
        position, goal = state[..., : self.goal_size], state[..., -self.goal_size :]
        return negative_squared_distance(position, goal, action, self.action_penalty)
