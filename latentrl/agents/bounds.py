"""The actions that an agent may choose: per dimension, and not the same to both sides unless somebody says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from latentrl.support.errors import UserError

LIMIT = "action_limit"
"""The entry of a run's description of its data that holds the largest action of its environment's task, or null."""
LARGEST = 1e6
"""Actions, in any unit: what a model makes of the square of a far larger one is no number any more."""

SMALLEST = torch.finfo(torch.float32).tiny
"""Actions, in any unit: a smaller one has no digits left in float32, or is zero."""


@dataclass(frozen=True)
class ActionBounds:
    """The smallest and the largest action, each ``[Du]`` float32, in the environment's units.

    Raises:
        ValueError: not two vectors of one size, not finite, or not low < high throughout.
    """

    low: Tensor
    high: Tensor

    def __post_init__(self) -> None:
        finite = bool(self.low.isfinite().all() and self.high.isfinite().all())
        if self.low.ndim != 1 or self.low.shape != self.high.shape or not finite or not (self.low < self.high).all():
            raise ValueError(f"action bounds {self.low.tolist()} to {self.high.tolist()}: give finite low < high, [Du]")

    @classmethod
    def of(cls, recorded: Mapping[str, Any], size: int, limit: float | None) -> ActionBounds:
        """What an agent may do in a run's environment.

        Args:
            recorded: what the run says of its data: ``metadata.json``, as ``settings.json`` holds it under "data".
            size: Du.
            limit: the largest action, to both sides and in each dimension. None: that of the environment's own task
                where it says one, else the bounds that the data was recorded within.

        Raises:
            UserError: a limit that is no positive number, or none to be found.
        """
        if limit is None:
            limit = own_limit(recorded)
        if limit is None:
            return cls.recorded(recorded, size)
        return cls.to_both_sides(limit, size)

    @classmethod
    def to_both_sides(cls, limit: float, size: int) -> ActionBounds:
        """From -``limit`` to ``limit`` in each of ``size`` dimensions.

        Raises:
            UserError: a limit that is no positive number, also in float32, which is computed in; or a huge one.
        """
        if not SMALLEST <= limit <= LARGEST:
            raise UserError(
                f"--action-limit {limit}: give a positive number of at least {SMALLEST:.0e} and at most {LARGEST:.0e}"
            )
        high = torch.full((size,), limit)
        return cls(-high, high)

    @classmethod
    def recorded(cls, recorded: Mapping[str, Any], size: int) -> ActionBounds:
        """The bounds ``action_low`` and ``action_high`` that the data was recorded within.

        Raises:
            UserError: there are none, or none of ``size`` numbers.
        """
        low, high = recorded.get("action_low"), recorded.get("action_high")
        if low is None or high is None:
            raise UserError("--action-limit: the run's data says no bounds of its actions; give the largest action")
        try:
            found = cls(_vector(low), _vector(high))
        except (TypeError, ValueError) as error:
            raise UserError(f"action_low {low}, action_high {high}: {error}; give --action-limit") from error
        if len(found.low) != size:
            raise UserError(f"action_low {low}: is not of the model's {size} actions; give --action-limit")
        return found

    def within(self, other: ActionBounds) -> ActionBounds:
        """These bounds, as far as ``other`` allows.

        Raises:
            ValueError: nothing is left.
        """
        return ActionBounds(torch.maximum(self.low, other.low), torch.minimum(self.high, other.high))

    def up_to(self, largest: Sequence[float] | None) -> ActionBounds:
        """These bounds, as far as ``largest [Du]`` allows to both sides; None: as they are.

        A dimension of which that would leave nothing stays as it is, as one that was always at its bound, or at zero.
        """
        if largest is None:
            return self
        most = _vector(largest)
        low, high = torch.maximum(self.low, -most), torch.minimum(self.high, most)
        return ActionBounds(torch.where(low < high, low, self.low), torch.where(low < high, high, self.high))

    def clamp(self, action: Tensor) -> Tensor:
        """The nearest of these actions to ``action [..., Du]``."""
        return action.clamp(self.low, self.high)


def own_limit(recorded: Mapping[str, Any]) -> float | None:
    """The largest action of the first task that the environment of a run's data has; None where none says any."""
    if LIMIT in recorded:
        return None if recorded[LIMIT] is None else float(recorded[LIMIT])
    # Only for runs that were trained before this was noted: otherwise, whoever learns or plans loads no environment.
    from latentrl.envs import action_limit_of

    return action_limit_of(recorded)


def _vector(values: Sequence[float]) -> Tensor:
    return torch.tensor([float(value) for value in values])
