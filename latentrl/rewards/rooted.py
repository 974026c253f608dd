"""A reward's root: the distance to the goal instead of its square."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


class RootedReward:
    """The root of another reward's size, with its sign: of a squared distance, minus the distance itself.

    Both are largest at the same place. Near it a square hardly changes, and an algorithm that learns values instead of
    following the reward's gradient does not resolve it (docs/policies.md). The slope is infinite where the reward is
    zero: not for what follows gradients.

    Args:
        reward: of states and actions.
    """

    reward: Callable[[Tensor, Tensor], Tensor]

    def __init__(self, reward: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.reward = reward

    def __call__(self, state: Tensor, action: Tensor) -> Tensor:
        """Rewards ``[...]``, in the roots of the other's units."""
        whole = self.reward(state, action)
        return whole.sign() * whole.abs().sqrt()
