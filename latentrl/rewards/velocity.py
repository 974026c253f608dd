"""The distance to a goal velocity (Latent Matters, Eq. 4.33)."""

from __future__ import annotations

from torch import Tensor

from latentrl.rewards.distance import distance_expansion, goal_vector, negative_squared_distance, penalty_weight


class VelocityReward:
    """Negative squared distance of the state's velocity to a goal velocity (Eq. 4.33).

    Args:
        goal: the velocity part of a smoothed latent state ``[Dv]``, in latent units.
        position_size: ``Da``, how many leading dimensions of a state are position.
        action_penalty: weight of the squared action (environment units) taken off the reward; 0 is the source's reward.

    Raises:
        ValueError: a goal that is no finite vector, or a negative size or weight.
    """

    def __init__(self, goal: Tensor, position_size: int, action_penalty: float = 0.0) -> None:
        if position_size < 0:
            raise ValueError(f"position_size must be at least 0, not {position_size}")
        self.goal: Tensor = goal_vector(goal)
        self.position_size = position_size
        self.action_penalty: float = penalty_weight(action_penalty)

    def __call__(self, state: Tensor, action: Tensor) -> Tensor:
        """Rewards ``[...]`` for ``state [..., Dz]`` and ``action [..., Du]``."""
        velocity = state[..., self.position_size : self.position_size + self.goal.shape[0]]
        return negative_squared_distance(velocity, self.goal, action, self.action_penalty)

    def expansion(self, state: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """Gradient ``[..., Dz + Du]`` and Hessian ``[..., Dz + Du, Dz + Du]`` by state and action."""
        return distance_expansion(state, self.goal, self.position_size, action, self.action_penalty)
