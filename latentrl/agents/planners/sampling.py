"""What samples of a sampling planner are: action sequences, or deviations from a plan that is followed by feedback.

In an unstable system an error of an early action grows exponentially along the horizon, so that of 256 action sequences
around a plan that balances for 30 steps none balances. Deviations from a plan that is held by feedback stay near it:
what a sample is judged by is then its deviation, and not how the rest of the plan fits a state that it never meant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from latentrl.agents.planners.common import finite_or_lost, path_rewards, returns, within
from latentrl.agents.planners.derivatives import LinearSteps, QuadraticReward
from latentrl.agents.planners.riccati import Gains
from latentrl.agents.rollout import rollout
from latentrl.types import ConcaveReward, Dynamics, FeedbackDynamics, Reward, SmoothDynamics

RENEWED = 2
"""Iterations that a feedback is kept for: a newer one fits better, but costs as much as an iteration."""
UNSTABLE = 200.0
"""How many times a deviation grows along a plan that is held by feedback, unless it is said otherwise: the next plans
correct less in time, and samples that are held spend more on actions (docs/planners.md)."""
REGULARISATION = 1e-3
"""Of the gains, relative to the largest curvature in an action: a reward that asks nothing of actions has any gain."""


class Samples(Protocol):
    """The samples of one call of a planner, from states ``[B, Dz]``."""

    def judge(self, candidates: Tensor, held: int) -> Tensor:
        """Returns ``[B, S]`` of ``candidates [B, S, H, Du]`` around the plan, of which the first ``held`` may be
        held by feedback; the others are actions."""
        ...

    def best(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Of the samples ``chosen [B, E]`` that were judged last: what a plan is refitted to, and the actions that
        they took; each ``[B, E, H, Du]``."""
        ...

    def told(self) -> Tensor:
        """Of all samples that were judged last what a plan is refitted to, ``[B, S, H, Du]``."""
        ...

    def settle(self, mean: Tensor) -> Tensor:
        """The actions ``[B, H, Du]`` of the refitted ``mean [B, H, Du]``."""
        ...

    def renew(self, mean: Tensor) -> Tensor:
        """Go on around the actions ``[B, H, Du]`` of the refitted ``mean [B, H, Du]``, which are returned."""
        ...


def samples_around(
    plan: Tensor,
    dynamics: Dynamics,
    reward: Reward,
    state: Tensor,
    low: Tensor,
    high: Tensor,
    backward: Callable[..., Gains],
    feedback: bool | None = True,
) -> Samples:
    """Samples around ``plan [B, H, Du]`` from ``state [B, Dz]``.

    Held by feedback where dynamics and reward know their own derivatives, and ``feedback`` is wanted: True for all of
    the B, None for those along whose plan a deviation grows `UNSTABLE` times; nothing is asked of others.
    """
    if feedback is not False and isinstance(dynamics, SmoothDynamics) and isinstance(dynamics, FeedbackDynamics):
        held = HeldSamples(plan, dynamics, reward, state, low, high, backward, feedback is None)
        if held.found():
            return held
    return FreeSamples(dynamics, reward, state, low, high)


class FreeSamples:
    """Action sequences; see `Samples`."""

    dynamics: Dynamics
    reward: Reward
    state: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, dynamics: Dynamics, reward: Reward, state: Tensor, low: Tensor, high: Tensor) -> None:
        self.dynamics, self.reward, self.state, self.low, self.high = dynamics, reward, state, low, high

    def judge(self, candidates: Tensor, held: int) -> Tensor:
        """Returns ``[B, S]``; none is held."""
        self._actions = within(candidates, self.low, self.high)
        return returns(self.dynamics, self.reward, self.state, self._actions)

    def best(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """The same twice: a plan is refitted to actions."""
        actions = _picked(self._actions, chosen)
        return actions, actions

    def told(self) -> Tensor:
        """Actions, within bounds."""
        return self._actions

    def settle(self, mean: Tensor) -> Tensor:
        """The mean of actions within bounds, which lies within them but for a rounding error."""
        return mean

    def renew(self, mean: Tensor) -> Tensor:
        """The mean itself: free samples lie around it anyway."""
        return mean


class HeldSamples:
    """Deviations from a plan that is held by the feedback of its linear-quadratic problem; see `Samples`.

    Args:
        plan: actions ``[B, H, Du]`` within bounds.
        dynamics: the model, which is followed and differentiated.
        reward: summed over a path.
        state: start states ``[B, Dz]``.
        low: smallest action ``[Du]``.
        high: largest action ``[Du]``.
        backward: as `latentrl.agents.planners.riccati.backward_pass`.
        where_unstable: hold only what is around plans along which a deviation grows `UNSTABLE` times.
    """

    dynamics: FeedbackDynamics
    reward: Reward
    state: Tensor
    low: Tensor
    high: Tensor

    def __init__(
        self,
        plan: Tensor,
        dynamics: FeedbackDynamics,
        reward: Reward,
        state: Tensor,
        low: Tensor,
        high: Tensor,
        backward: Callable[..., Gains],
        where_unstable: bool = False,
    ) -> None:
        self.dynamics, self.reward, self.state, self.low, self.high = dynamics, reward, state, low, high
        self._backward, self._where_unstable, self._held = backward, where_unstable, None
        self._around(plan, rollout(dynamics, state, plan))

    _held: Tensor | None
    """Which of the B are held, once that is known and where it is not all of them."""

    def found(self) -> bool:
        """Find the feedback around the plan; False where the reward does not know its derivatives, or no plan is to be
        held."""
        if not isinstance(self.reward, ConcaveReward):
            return False
        assert isinstance(self.dynamics, SmoothDynamics)
        steps = LinearSteps(*self.dynamics.jacobians(self._before, self._plan))
        if self._where_unstable and self._held is None:
            self._held = growth(steps.by_state) > UNSTABLE
            # To ask another device would wait for it; there plans that need no feedback get one of zero.
            if self._held.device.type == "cpu" and not self._held.any():
                return False
        known = self.reward.expansion(self._path.transpose(0, 1), self._plan.transpose(0, 1))
        if known is None:
            return False
        gradient, hessian = known
        expansion = QuadraticReward(gradient.transpose(0, 1).nan_to_num(0.0, 0.0, 0.0), hessian.transpose(0, 1))
        stiff = self._plan.new_full(self._plan.shape[:1], REGULARISATION)
        gains = self._backward(steps, expansion, self.low - self._plan, self.high - self._plan, stiff)
        # A plan that breaks on its way has no feedback, and its samples are free.
        feedback = gains.feedback.nan_to_num(0.0, 0.0, 0.0)
        self._feedback = feedback if self._held is None else feedback * self._held[:, None, None, None]
        return True

    def judge(self, candidates: Tensor, held: int) -> Tensor:
        """Returns ``[B, S]``; candidates that are held say what the plan's actions are to be before the feedback."""
        batch, count = candidates.shape[:2]
        feedback = self._feedback[:, None].repeat(1, count, 1, 1, 1)
        feedback[:, held:] = 0.0
        before = self._before[:, None].expand(-1, count, -1, -1).flatten(0, 1)
        starts = self.state.repeat_interleave(count, dim=0)
        given = candidates.flatten(0, 1), feedback.flatten(0, 1), before
        actions, path = self.dynamics.rollout_feedback(starts, *given, self.low, self.high)
        total = path_rewards(self.reward, path, actions).sum(-1)
        self._actions, self._paths = actions.unflatten(0, (batch, count)), path.unflatten(0, (batch, count))
        return finite_or_lost(total).view(batch, count)

    def best(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """What each would have said if it had been held: its actions without what the feedback would have added."""
        actions, paths = _picked(self._actions, chosen), _picked(self._paths, chosen)
        return self._said(actions, paths), actions

    def told(self) -> Tensor:
        """The same of all."""
        return self._said(self._actions, self._paths)

    def _said(self, actions: Tensor, paths: Tensor) -> Tensor:
        start = self.state[:, None, None].expand(-1, paths.shape[1], -1, -1)
        drift = torch.cat((start, paths[:, :, :-1]), 2) - self._before[:, None]
        # A path that is broken is no elite in the end; here it must not spoil the sums of those that are.
        return (actions - _times(self._feedback[:, None], drift)).nan_to_num(0.0, 0.0, 0.0)

    def settle(self, mean: Tensor) -> Tensor:
        """The actions that the mean takes under feedback."""
        return self._settled(mean)[0]

    def renew(self, mean: Tensor) -> Tensor:
        """As `settle`, and a feedback around *their* path from now on."""
        self._around(*self._settled(mean))
        self.found()
        return self._plan

    def _settled(self, mean: Tensor) -> tuple[Tensor, Tensor]:
        given = self.state, mean, self._feedback, self._before, self.low, self.high
        actions, path = self.dynamics.rollout_feedback(*given)
        # A mean that breaks the model is told as it is: where samples are all lost, the plan stays what it was.
        whole = path.isfinite().all(2).all(1)[:, None, None]
        return torch.where(whole, actions, mean.clamp(self.low, self.high)), path

    def _around(self, plan: Tensor, path: Tensor) -> None:
        """Samples deviate from ``plan [B, H, Du]``, which leads along ``path [B, H, Dz]``."""
        self._plan, self._path = plan, path
        # Where a path is broken there is nothing to come back to; zeros keep the sums of others whole.
        self._before = torch.cat((self.state[:, None], path[:, :-1]), 1).nan_to_num(0.0, 0.0, 0.0)


def growth(by_state: Tensor) -> Tensor:
    """How many times a deviation grows in H steps, ``[B]``: the spectral radius of their product, from above.

    Args:
        by_state: Jacobians ``[B, H, Dz, Dz]`` of a step each.
    """
    product, logs = by_state, by_state.new_zeros(len(by_state))
    while True:
        # Scaled, or what grows most would be no number in single precision, and pass for broken.
        largest = product.abs().amax((-2, -1), keepdim=True).clamp(min=torch.finfo(product.dtype).tiny)
        product, logs = product / largest, logs + largest.log().sum((1, 2, 3))
        if product.shape[1] == 1:
            break
        odd = product[:, -1:] if product.shape[1] % 2 else product[:, :0]
        pairs = product[:, : product.shape[1] // 2 * 2]
        product = torch.cat((pairs[:, 1::2] @ pairs[:, 0::2], odd), 1)
    whole = product[:, 0]
    twice = whole @ whole
    # |P^4|^(1/4): eigenvalues as such would have to be waited for, and ask what is broken for an error.
    return (logs + (twice @ twice).square().sum((-2, -1)).log() / 8).exp()


def _picked(values: Tensor, chosen: Tensor) -> Tensor:
    """``values [B, S, H, D]`` of the samples ``chosen [B, E]``, ``[B, E, H, D]``."""
    return values.gather(1, chosen[:, :, None, None].expand(-1, -1, *values.shape[2:]))


def _times(matrices: Tensor, vectors: Tensor) -> Tensor:
    """``matrices [..., D, K]`` times ``vectors [..., K]``, ``[..., D]``."""
    return (matrices @ vectors.unsqueeze(-1)).squeeze(-1)
