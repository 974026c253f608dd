"""Rewards on latent states, defined by a goal instead of by an environment (Latent Matters, section 4.3.2).

With the observation matrix a rectangular identity (Eq. 4.31), the first ``Da`` dimensions of a latent state are its
position and the others its velocity. A goal is therefore a point in either part: encode one picture, or one motion.
"""

from __future__ import annotations

from torch import Tensor


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
