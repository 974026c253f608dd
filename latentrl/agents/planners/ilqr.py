"""Iterative linear-quadratic regulator with control limits (Tassa et al., 2012, 2014), batched over states.

Around a plan the model is linear and the reward quadratic; the best plan of *that* problem is found by dynamic
programming, tried in the model itself, and taken if it is better.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from latentrl.agents.planners.common import (
    BoundedPlanner,
    check_positive,
    finite_or_lost,
    first_plan,
    path_rewards,
    returns,
)
from latentrl.agents.planners.derivatives import LinearSteps, jacobians, path_expansion
from latentrl.agents.planners.noise import coloured_noise
from latentrl.agents.planners.riccati import Gains, fastest_backward
from latentrl.agents.rollout import rollout, rollout_feedback
from latentrl.types import Dynamics, LinearDynamics, Reward

STEP_SIZES = (1.0, 0.5, 0.2, 0.05)


@dataclass(frozen=True)
class ILQROptions:
    """Settings of iLQR.

    Attributes:
        horizon: steps H that a plan looks ahead.
        iterations: backward and forward passes.
        jacobians: ``"model"`` takes F and B where the dynamics offer them (`latentrl.types.LinearDynamics`) and
            differentiates where they do not; ``"exact"`` always differentiates.
        starts: plans improved side by side, of which the best is returned, since iLQR finds the nearest local optimum.
            The first is the warm start.
        samples: random plans that the other starts are the best of.
        initial_std: standard deviation of the random plans around the warm start, as a fraction of the action range.
        noise_beta: their colour, see :func:`latentrl.agents.planners.noise.coloured_noise`.
    """

    horizon: int = 20
    iterations: int = 3
    jacobians: Literal["exact", "model"] = "exact"
    starts: int = 2
    samples: int = 256
    initial_std: float = 0.5
    noise_beta: float = 2.0

    def __post_init__(self) -> None:
        check_positive(self, "horizon", "iterations", "starts", "samples", "initial_std")
        if self.jacobians not in ("model", "exact"):
            raise ValueError(f"jacobians must be 'model' or 'exact', not {self.jacobians!r}")
        if self.starts > self.samples + 1:
            raise ValueError(f"starts ({self.starts}) cannot exceed samples + 1 ({self.samples + 1})")


class ILQR(BoundedPlanner[ILQROptions]):
    """Plans by iLQR on the transition's mean; implements `latentrl.types.Planner`.

    Args:
        low: smallest action ``[Du]``, in the environment's units.
        high: largest action ``[Du]``.
        options: settings.
    """

    def __init__(self, low: Tensor, high: Tensor, options: ILQROptions | None = None) -> None:
        super().__init__(low, high, options or ILQROptions())
        self._backward = fastest_backward(low)

    @torch.no_grad()
    def plan(
        self,
        dynamics: Dynamics,
        reward: Reward,
        state: Tensor,
        warm_start: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """The best plan found, ``[B, H, Du]``; never worse in the model than the warm start.

        Args:
            dynamics: the model; its transition's mean is followed.
            reward: summed over the H states that a plan leads to, undiscounted; twice differentiable.
            state: start states ``[B, Dz]``.
            warm_start: a first guess ``[B, H, Du]``, for example the last plan shifted by one step.
            generator: source of the other first guesses; the same generator state gives the same plan.
        """
        options = self.options
        low, high = self.low.to(state), self.high.to(state)
        plan = first_plan(state, options.horizon, low, high, warm_start)
        starts = self._starts(dynamics, reward, state, plan, generator)
        state = state.repeat_interleave(options.starts, dim=0)
        plan = starts.flatten(0, 1)
        path = rollout(dynamics, state, plan)
        value = finite_or_lost(path_rewards(reward, path, plan).sum(-1))
        least = torch.finfo(state.dtype).eps ** 0.5
        regularisation = torch.full_like(value, least)
        for _ in range(options.iterations):
            gains = self._gains(dynamics, reward, state, plan, path, regularisation)
            candidates, paths = _line_search(dynamics, state, plan, path, gains, low, high)
            values, chosen = finite_or_lost(path_rewards(reward, paths, candidates).sum(-1)).max(0)
            better = values > value
            rows = torch.arange(len(plan), device=plan.device)
            plan = torch.where(better[:, None, None], candidates[chosen, rows], plan)
            path = torch.where(better[:, None, None], paths[chosen, rows], path)
            value = torch.where(better, values, value)
            regularisation = torch.where(better, regularisation / 100, regularisation * 100).clamp(least, 1e4)
        best = value.view(-1, options.starts).argmax(1)
        return plan.unflatten(0, (-1, options.starts))[torch.arange(len(best), device=best.device), best]

    def _starts(
        self, dynamics: Dynamics, reward: Reward, state: Tensor, plan: Tensor, generator: torch.Generator | None
    ) -> Tensor:
        """First guesses ``[B, S, H, Du]``: the plan at hand, and the best of some random ones."""
        options, (low, high) = self.options, (self.low.to(plan), self.high.to(plan))
        if options.starts == 1:
            return plan[:, None]
        shape = (plan.shape[0], options.samples, *plan.shape[1:])
        noise = coloured_noise(shape, options.noise_beta, generator, plan.dtype, plan.device)
        drawn = torch.addcmul(plan[:, None], options.initial_std * (high - low), noise).clamp_(low, high)
        best = returns(dynamics, reward, state, drawn).topk(options.starts - 1, dim=1).indices
        rows = torch.arange(len(plan), device=plan.device)[:, None]
        return torch.cat((plan[:, None], drawn[rows, best]), 1)

    def _gains(
        self, dynamics: Dynamics, reward: Reward, state: Tensor, plan: Tensor, path: Tensor, regularisation: Tensor
    ) -> Gains:
        """The backward pass around ``plan [N, H, Du]`` that leads from ``state [N, Dz]`` along ``path [N, H, Dz]``."""
        before = torch.cat((state[:, None], path[:, :-1]), 1)
        if self.options.jacobians == "model" and isinstance(dynamics, LinearDynamics):
            steps = LinearSteps(*dynamics.linearise(before, plan)[:2])
        else:
            steps = jacobians(dynamics, before, plan)
        expansion = path_expansion(reward, path, plan)
        low, high = self.low.to(plan), self.high.to(plan)
        return self._backward(steps, expansion, low - plan, high - plan, regularisation)


def _line_search(
    dynamics: Dynamics, state: Tensor, plan: Tensor, path: Tensor, gains: Gains, low: Tensor, high: Tensor
) -> tuple[Tensor, Tensor]:
    """Plans ``[A, N, H, Du]`` and paths ``[A, N, H, Dz]`` of the new policy, at all step sizes in one roll-out.

    A policy that is broken (not finite) leaves the plan as it is.
    """
    sizes = plan.new_tensor(STEP_SIZES).view(-1, 1, 1, 1)
    before = torch.cat((state[:, None], path[:, :-1]), 1)
    change, feedback = (gain.nan_to_num(0.0, 0.0, 0.0) for gain in gains)
    base = (plan + sizes * change).flatten(0, 1)
    same = (one.repeat(len(sizes), *[1] * (one.dim() - 1)) for one in (state, feedback, before))
    now, follow, around = same
    actions, states = rollout_feedback(dynamics, now, base, follow, around, low, high)
    shape = len(sizes), len(plan)
    return actions.unflatten(0, shape), states.unflatten(0, shape)
