"""The distance to a goal position (Latent Matters, Eq. 4.32)."""

from __future__ import annotations

from torch import Tensor

from latentrl.rewards.distance import (
    Distance,
    distance_expansion,
    goal_vector,
    goal_vectors,
    negative_squared_distance,
    penalty_weight,
)
from latentrl.rewards.quadratic import QuadraticDistance


class PositionReward:
    """Negative squared distance of the state's position to a goal position (Eq. 4.32).

    Args:
        goal: the encoded goal observation ``[Da]``, in latent units; or ``[N, Da]``, one for each of ``N`` parallel
            episodes.
        action_penalty: weight of the squared action (environment units) taken off the reward; 0 is the source's reward.
        distance: to that goal, where it is not the Euclidean one of Eq. 4.32.

    Raises:
        ValueError: a goal of another shape, empty or not finite, a negative weight, or a distance to another goal.
    """

    def __init__(self, goal: Tensor, action_penalty: float = 0.0, distance: Distance | None = None) -> None:
        self.goal: Tensor = goal_vectors(goal) if goal.ndim == 2 else goal_vector(goal)
        self.action_penalty: float = penalty_weight(action_penalty)
        if distance is not None and not distance.goal.equal(self.goal):
            raise ValueError(f"the distance is to {distance.goal.tolist()}, but the goal is {self.goal.tolist()}")
        self.distance = distance

    def only(self, index: int) -> PositionReward:
        """The reward of one of N parallel episodes; this one where all have the same goal."""
        if self.goal.ndim == 1:
            return self
        distance = None if self.distance is None else self.distance.only(index)
        return PositionReward(self.goal[index : index + 1], self.action_penalty, distance)

    def __call__(self, state: Tensor, action: Tensor) -> Tensor:
        """Rewards ``[...]`` for ``state [..., Dz]`` and ``action [..., Du]``.

        With a goal per episode, ``state [..., N S, Dz]``: the S states of the first episode, then those of the second.

        Raises:
            ValueError: the states have fewer dimensions than the goal, or their number is no multiple of the goals'.
        """
        position = state[..., : self.goal.shape[-1]]
        if self.goal.ndim == 1:
            return self._rewarded(position, action, self.goal)
        count = len(self.goal)
        if state.ndim < 2 or state.shape[-2] % count:
            raise ValueError(
                f"there are {count} goals, one for each episode, but the states have the shape {tuple(state.shape)}: "
                f"their second dimension from the end must be a multiple of {count}"
            )
        positions, actions = position.unflatten(-2, (count, -1)), action.unflatten(-2, (count, -1))
        return self._rewarded(positions, actions, self.goal.unsqueeze(-2)).flatten(-2)

    def expansion(self, state: Tensor, action: Tensor) -> tuple[Tensor, Tensor] | None:
        """Gradient ``[..., Dz + Du]`` and Hessian ``[..., Dz + Du, Dz + Du]`` by state and action; None where the
        distance is not quadratic."""
        metric = self.distance.metric if isinstance(self.distance, QuadraticDistance) else None
        if self.distance is not None and metric is None:
            return None
        goal = self.goal
        if goal.ndim == 2:
            goal = goal.repeat_interleave(state.shape[-2] // len(goal), 0)
        return distance_expansion(state, goal, 0, action, self.action_penalty, metric)

    def _rewarded(self, position: Tensor, action: Tensor, goal: Tensor) -> Tensor:
        if self.distance is None or position.shape[-1] != goal.shape[-1]:
            return negative_squared_distance(position, goal, action, self.action_penalty)
        reward = -self.distance.squared(position)
        return reward - self.action_penalty * action.square().sum(-1) if self.action_penalty else reward
