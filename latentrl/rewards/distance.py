"""Rewards on latent states, defined by a goal instead of by an environment (Latent Matters, section 4.3.2).

With the observation matrix a rectangular identity (Eq. 4.31), the first ``Da`` dimensions of a latent state are its
position and the others its velocity. A goal is therefore a point in either part: encode one picture, or one motion.
"""

from __future__ import annotations

from torch import Tensor


class PositionReward:
    """Negative squared distance of the state's position to a goal position (Eq. 4.32).

    Args:
        goal: the encoded goal observation ``[Da]``, in latent units; or ``[N, Da]``, one for each of ``N`` parallel
            episodes.
        action_penalty: weight of the squared action (environment units) taken off the reward; 0 is the source's reward.
    """

    def __init__(self, goal: Tensor, action_penalty: float = 0.0) -> None:
        self.goal = _goal_vector(goal) if goal.ndim != 2 else _goal_vectors(goal)
        self.action_penalty = _penalty_weight(action_penalty)

    def __call__(self, state: Tensor, action: Tensor) -> Tensor:
        """Rewards ``[...]`` for ``state [..., Dz]`` and ``action [..., Du]``.

        With a goal per episode, ``state [..., N S, Dz]``: the S states of the first episode, then those of the second.

        Raises:
            ValueError: the states have fewer dimensions than the goal, or their number is no multiple of the goals'.
        """
        position = state[..., : self.goal.shape[-1]]
        if self.goal.ndim == 1:
            return _negative_squared_distance(position, self.goal, action, self.action_penalty)
        count = len(self.goal)
        if state.ndim < 2 or state.shape[-2] % count:
            raise ValueError(
                f"there are {count} goals, one for each episode, but the states have the shape {tuple(state.shape)}: "
                f"their second dimension from the end must be a multiple of {count}"
            )
        own = position.unflatten(-2, (count, -1)), action.unflatten(-2, (count, -1))
        return _negative_squared_distance(own[0], self.goal.unsqueeze(-2), own[1], self.action_penalty).flatten(-2)


class CarriedGoalReward:
    """Negative squared distance of a state's position to the goal that the state carries (Eq. 4.32).

    What a policy for any goal is learned for: see `latentrl.agents.goal_conditioning`.

    Args:
        goal_size: ``Da``, the size of a position, and of a goal.
        action_penalty: weight of the squared action (environment units) taken off the reward; 0 is the source's reward.
    """

    def __init__(self, goal_size: int, action_penalty: float = 0.0) -> None:
        if goal_size < 1:
            raise ValueError(f"goal_size must be at least 1, not {goal_size}")
        self.goal_size = goal_size
        self.action_penalty = _penalty_weight(action_penalty)

    def __call__(self, state: Tensor, action: Tensor) -> Tensor:
        """Rewards ``[...]`` for ``state [..., Dz + Da]``, its goal last, and ``action [..., Du]``."""
        position, goal = state[..., : self.goal_size], state[..., -self.goal_size :]
        return _negative_squared_distance(position, goal, action, self.action_penalty)


class VelocityReward:
    """Negative squared distance of the state's velocity to a goal velocity (Eq. 4.33).

    Args:
        goal: the velocity part of a smoothed latent state ``[Dv]``, in latent units.
        position_size: ``Da``, how many leading dimensions of a state are position.
        action_penalty: weight of the squared action (environment units) taken off the reward; 0 is the source's reward.
    """

    def __init__(self, goal: Tensor, position_size: int, action_penalty: float = 0.0) -> None:
        if position_size < 0:
            raise ValueError(f"position_size must be at least 0, not {position_size}")
        self.goal = _goal_vector(goal)
        self.position_size = position_size
        self.action_penalty = _penalty_weight(action_penalty)

    def __call__(self, state: Tensor, action: Tensor) -> Tensor:
        """Rewards ``[...]`` for ``state [..., Dz]`` and ``action [..., Du]``."""
        velocity = state[..., self.position_size : self.position_size + self.goal.shape[0]]
        return _negative_squared_distance(velocity, self.goal, action, self.action_penalty)


def _negative_squared_distance(feature: Tensor, goal: Tensor, action: Tensor, penalty: float) -> Tensor:
    if feature.shape[-1] != goal.shape[-1]:
        raise ValueError(
            f"the goal has {goal.shape[-1]} dimensions but the state offers {feature.shape[-1]} of them: encode the "
            "goal with the model that made the states"
        )
    reward = -(feature - goal).square().sum(-1)
    return reward - penalty * action.square().sum(-1) if penalty else reward


def _goal_vector(goal: Tensor) -> Tensor:
    if goal.ndim != 1 or goal.shape[0] == 0:
        raise ValueError(f"a goal is one vector [D], not a tensor of shape {tuple(goal.shape)}")
    return _finite(goal)


def _goal_vectors(goals: Tensor) -> Tensor:
    if 0 in goals.shape:
        raise ValueError(f"a goal per episode is a tensor [N, D], not one of shape {tuple(goals.shape)}")
    return _finite(goals)


def _finite(goal: Tensor) -> Tensor:
    if not goal.isfinite().all():
        raise ValueError(f"a goal must be finite, not {goal.tolist()}")
    return goal.detach()


def _penalty_weight(weight: float) -> float:
    if not 0.0 <= weight < float("inf"):
        raise ValueError(f"action_penalty must be finite and at least 0, not {weight}")
    return weight
