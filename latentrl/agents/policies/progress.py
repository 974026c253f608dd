"""The shape that all ways of learning a policy share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from latentrl.agents.imagination import PolicyInput
from latentrl.types import Belief

OnProgress = Callable[[int, Mapping[str, float]], object]
"""``(done, figures)``: how much of the budget is used, and how it goes. May raise KeyboardInterrupt to stop there."""


class Policy(Protocol):
    """A deterministic policy as it comes out of learning, or of a file."""

    @property
    def input(self) -> PolicyInput:
        """What it sees of a belief."""
        ...

    @property
    def goal_size(self) -> int:
        """``Da`` of a goal-conditioned policy, whose beliefs carry the goal (see `attach_goal`); 0: it has one goal."""
        ...

    def __call__(self, belief: Belief | Tensor) -> Tensor:
        """Actions ``[N, Du]`` for a belief over ``N`` states; a policy that sees means takes states ``[N, Dz]`` too."""
        ...

    def describe(self) -> dict[str, Any]:
        """JSON values, ``type`` among them: how to build its like (see `saving`)."""
        ...

    def state_dict(self) -> Mapping[str, Tensor]:
        """Its weights."""
        ...


class Learner(Protocol):
    """Learns one policy inside one model."""

    @property
    def budget(self) -> int:
        """How much is to be done, in units of its own (updates, or imagined steps)."""
        ...

    @property
    def policy(self) -> Policy:
        """The policy as it is now: usable, and worth saving, at any moment."""
        ...

    @property
    def returns(self) -> Sequence[float]:
        """The imagined return, mean reward per step, before learning and after each round; empty if it was not asked
        for."""
        ...

    def learn(self, on_progress: OnProgress | None = None) -> Policy:
        """Use up the budget, or as much of it as helps."""
        ...


@runtime_checkable
class FollowsOn(Protocol):
    """A learner that follows its policy for longer than it was learned by.

    Attributes:
        long_run: the policy's reward after many horizons as a share of that at the start: 0 is at the goal, 1 as far
            from it as before; NaN where it was not asked for.
    """

    long_run: float


@runtime_checkable
class CountsDiverged(Protocol):
    """A learner that counts imagined episodes which leave what the model can know.

    Attributes:
        diverged: their share, by the policy at the end; NaN where it was not asked for.
    """

    diverged: float
