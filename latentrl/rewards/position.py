"""The distance to a goal position (Latent Matters, Eq. 4.32)."""

from __future__ import annotations

from torch import Tensor

from latentrl.rewards.distance import (
    distance_expansion,
    goal_vector,
    goal_vectors,
    negative_squared_distance,
    penalty_weight,
)


class PositionReward:
    """Negative squared distance of the state's position to a goal position (Eq. 4.32).

    Args:
        goal: the encoded goal observation ``[Da]``, in latent units; or ``[N, Da]``, one for each of ``N`` parallel
            episodes.
        action_penalty: weight of the squared action (environment units) taken off the reward; 0 is the source's reward.

    Raises:
        ValueError: a goal of another shape, empty or not finite, or a negative weight.
    """

    def __init__(self, goal: Tensor, action_penalty: float = 0.0) -> None:
        self.goal = goal_vectors(goal) if goal.ndim == 2 else goal_vector(goal)
        self.action_penalty = penalty_weight(action_penalty)

    def __call__(self, state: Tensor, action: Tensor) -> Tensor:
        """Rewards ``[...]`` for ``state [..., Dz]`` and ``action [..., Du]``.

        With a goal per episode, ``state [..., N S, Dz]``: the S states of the first episode, then those of the second.

        Raises:
            ValueError: the states have fewer dimensions than the goal, or their number is no multiple of the goals'.
        """
        position = state[..., : self.goal.shape[-1]]
        if self.goal.ndim == 1:
            return negative_squared_distance(position, self.goal, action, self.action_penalty)
        count = len(self.goal)
        if state.ndim < 2 or state.shape[-2] % count:
            raise ValueError(
                f"there are {count} goals, one for each episode, but the states have the shape {tuple(state.shape)}: "
                f"their second dimension from the end must be a multiple of {count}"
            )
        positions, actions = position.unflatten(-2, (count, -1)), action.unflatten(-2, (count, -1))
        return negative_squared_distance(positions, self.goal.unsqueeze(-2), actions, self.action_penalty).flatten(-2)

    def expansion(self, state: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """Gradient ``[..., Dz + Du]`` and Hessian ``[..., Dz + Du, Dz + Du]`` by state and action."""
        goal = self.goal
        if goal.ndim == 2:
            goal = goal.repeat_interleave(state.shape[-2] // len(goal), 0)
        return distance_expansion(state, goal, 0, action, self.action_penalty)
