"""What all planners share: their bounds, their first guess, and how a plan is judged."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from latentrl.agents.rollout import rollout
from latentrl.types import Dynamics, Reward


class HasHorizon(Protocol):
    """Options of a planner."""

    @property
    def horizon(self) -> int: ...


Options = TypeVar("Options", bound=HasHorizon)


class BoundedPlanner(Generic[Options]):
    """A planner's bounds and options.

    Args:
        low: smallest action ``[Du]``, in the environment's units.
        high: largest action ``[Du]``.
        options: settings.

    Raises:
        ValueError: bounds that are not finite, not both ``[Du]``, or not low < high throughout.
    """

    low: Tensor
    high: Tensor

    def __init__(self, low: Tensor, high: Tensor, options: Options) -> None:
        check_bounds(low, high)
        self.low, self.high, self.options = low, high, options

    @property
    def horizon(self) -> int:
        """Steps H of a plan."""
        return self.options.horizon


def check_bounds(low: Tensor, high: Tensor) -> None:
    """Raise a ``ValueError`` unless ``low`` and ``high`` are finite, each ``[Du]``, and low < high throughout."""
    finite = low.isfinite().all() and high.isfinite().all()
    if low.ndim != 1 or low.shape != high.shape or not finite or not (low < high).all():
        raise ValueError(f"a planner needs finite bounds low < high, each [Du]; got {low.tolist()}, {high.tolist()}")


def check_positive(options: object, *names: str) -> None:
    """Raise a ``ValueError`` unless each of these fields is at least 1 (integers) or above 0 (numbers)."""
    for name in names:
        value = getattr(options, name)
        if isinstance(value, int) and value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}")
        if not 0.0 < value < float("inf"):
            raise ValueError(f"{name} must be positive and finite, not {value}")


def first_plan(state: Tensor, horizon: int, low: Tensor, high: Tensor, warm_start: Tensor | None) -> Tensor:
    """Where a search begins, ``[B, H, Du]``: the warm start brought within the bounds, or the middle of the range.

    Raises:
        ValueError: the warm start does not have this shape.
    """
    shape = (state.shape[0], horizon, low.shape[0])
    if warm_start is None:
        return ((low + high) / 2).expand(shape)
    if warm_start.shape != shape:
        raise ValueError(f"warm_start must have shape {shape}, not {tuple(warm_start.shape)}")
    return warm_start.to(low.dtype).clamp(low, high)


def within(actions: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """``actions [..., Du]`` brought within bounds ``[Du]``, in place; as ``clamp_``, which takes four times as long."""
    return torch.minimum(torch.maximum(actions, low, out=actions), high, out=actions)


def returns(dynamics: Dynamics, reward: Reward, state: Tensor, candidates: Tensor) -> Tensor:
    """Summed rewards ``[B, S]`` of ``candidates [B, S, H, Du]`` from ``state [B, Dz]``, along mean roll-outs."""
    batch, samples = candidates.shape[:2]
    actions = candidates.flatten(0, 1)
    starts = state.repeat_interleave(samples, dim=0)
    path = rollout(dynamics, starts, actions)
    # Time first: a fast roll-out keeps its samples side by side in memory, and so does what is computed from it.
    total = reward(path.transpose(0, 1), actions.transpose(0, 1)).sum(0)
    return finite_or_lost(total).view(batch, samples)


def path_rewards(reward: Reward, path: Tensor, actions: Tensor) -> Tensor:
    """Rewards ``[..., B, H]`` of states ``path [..., B, H, Dz]`` and ``actions [..., B, H, Du]``.

    The reward is asked time first, as by :func:`returns`: one that differs between the B finds them where it expects.
    """
    return reward(path.transpose(-3, -2), actions.transpose(-3, -2)).transpose(-2, -1).contiguous()


def finite_or_lost(total: Tensor) -> Tensor:
    """Returns ``total [...]``, minus infinity where not finite: *after* the sum, so that divergence is worst."""
    return torch.where(total.isfinite(), total, -torch.inf)
