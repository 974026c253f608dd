"""Controllers: what an agent asks for an action once it has a belief."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from latentrl.agents.goal_conditioning import attach_goal
from latentrl.types import Belief, Dynamics, Planner, Reward


class Controller(Protocol):
    """Turns beliefs into actions; batched over ``N`` parallel episodes."""

    def reset(self, seed: int | None = None) -> None:
        """Forget everything: new episodes begin."""
        ...

    def __call__(self, belief: Belief) -> Tensor:
        """Actions ``[N, Du]`` for a float32 belief with ``mean [N, Dz]`` and ``covariance [N, Dz, Dz]``."""
        ...


class PolicyController:
    """Asks a policy; remembers nothing.

    Args:
        policy: actions ``[N, Du]`` for a belief over ``N`` states.
        goal: what a policy for any goal is to reach, ``[Da]`` or ``[N, Da]``; None for a policy that knows its own.
    """

    policy: Callable[[Belief], Tensor]
    goal: Tensor | None

    def __init__(self, policy: Callable[[Belief], Tensor], goal: Tensor | None = None) -> None:
        self.policy, self.goal = policy, goal

    def reset(self, seed: int | None = None) -> None:
        """Nothing to forget."""

    def __call__(self, belief: Belief) -> Tensor:
        """Actions ``[N, Du]`` for a belief over ``N`` states."""
        return self.policy(belief if self.goal is None else attach_goal(belief, self.goal))


class PlannerController:
    """Plans anew from the belief's mean at every step and applies the plan's first action (model-predictive control).

    Each plan starts from the last one moved on by a step, its last action repeated.

    Args:
        planner: searches the actions.
        dynamics: the model to search in.
        reward: what to search for.
    """

    planner: Planner
    dynamics: Dynamics
    reward: Reward

    def __init__(self, planner: Planner, dynamics: Dynamics, reward: Reward) -> None:
        self.planner, self.dynamics, self.reward = planner, dynamics, reward
        self.reset()

    def reset(self, seed: int | None = None) -> None:
        """Drop the last plan and reseed the planner's noise (0 where no seed is given)."""
        self._warm_start: Tensor | None = None
        self._generator = torch.Generator().manual_seed(seed or 0)

    def __call__(self, belief: Belief) -> Tensor:
        """Actions ``[N, Du]`` for a belief over ``N`` states."""
        plan = self.planner.plan(self.dynamics, self.reward, belief.mean, self._warm_start, self._generator)
        self._warm_start = torch.cat([plan[:, 1:], plan[:, -1:]], dim=1)
        return plan[:, 0]


class RandomController:
    """Uniformly random actions: the yardstick that every other controller must beat.

    Args:
        low: smallest action ``[Du]``, in the environment's units.
        high: largest action ``[Du]``.
    """

    low: Tensor
    high: Tensor

    def __init__(self, low: Tensor, high: Tensor) -> None:
        self.low, self.high = low, high
        self.reset()

    def reset(self, seed: int | None = None) -> None:
        """Reseed the noise (0 where no seed is given)."""
        self._generator = torch.Generator().manual_seed(seed or 0)

    def __call__(self, belief: Belief) -> Tensor:
        """Actions ``[N, Du]`` for a belief over ``N`` states, which is not looked at."""
        uniform = torch.rand(len(belief.mean), len(self.low), generator=self._generator)
        return torch.lerp(self.low, self.high, uniform)
