"""The cross-entropy method: sample action sequences, keep the best, sample around them (Rubinstein, 1999).

Everything is batched: all samples for all start states go through the model in one call per time step.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from latentrl.agents.planners.common import BoundedPlanner, check_positive, first_plan, returns
from latentrl.agents.planners.noise import coloured_noise
from latentrl.types import Dynamics, Reward

NARROW, NEAR = 0.1, 20
"""Noise around a warm start, as a fraction of the action range, and the horizon up to which it is enough."""


@dataclass(frozen=True)
class CEMOptions:
    """Settings of the cross-entropy method.

    Attributes:
        horizon: steps H that a plan looks ahead.
        samples: action sequences drawn per iteration and start state.
        iterations: how often the sampling distribution is refitted.
        elites: how many of the best sequences it is refitted to.
        initial_std: standard deviation of the first iteration's noise, as a fraction of the action range.
        warm_std: the same with a warm start; None for `NARROW` up to a horizon of `NEAR` steps, and ``initial_std``
            beyond. The further a plan looks ahead, the less of it survives what the model did not foresee, and with
            narrow noise it is not found anew (docs/planners.md).
        noise_beta: colour of the noise, 0 is white; see :func:`latentrl.agents.planners.noise.coloured_noise`.
        kept_elites: how many of an iteration's elites are among the next one's samples (iCEM, Pinneri et al., 2020), at
            most all of them.
    """

    horizon: int = 20
    samples: int = 256
    iterations: int = 6
    elites: int = 25
    initial_std: float = 0.5
    warm_std: float | None = None
    noise_beta: float = 0.0
    kept_elites: int = 8

    def __post_init__(self) -> None:
        check_positive(self, "horizon", "samples", "iterations", "elites", "initial_std")
        if self.warm_std is not None:
            check_positive(self, "warm_std")
        if self.elites > self.samples:
            raise ValueError(f"elites ({self.elites}) cannot exceed samples ({self.samples})")
        if self.kept_elites < 0:
            raise ValueError(f"kept_elites must be at least 0, not {self.kept_elites}")
        if not 0.0 <= self.noise_beta < float("inf"):
            raise ValueError(f"noise_beta must be at least 0, not {self.noise_beta}")

    def spreads(self, warm: bool) -> tuple[float, ...]:
        """Standard deviations of the first iteration's noise, as fractions of the action range: samples take turns."""
        if not warm:
            return (self.initial_std,)
        if self.warm_std is not None:
            return (self.warm_std,)
        return (NARROW,) if self.horizon <= NEAR else (NARROW, self.initial_std)


class CEM(BoundedPlanner[CEMOptions]):
    """Plans by the cross-entropy method on mean roll-outs; implements `latentrl.types.Planner`.

    Args:
        low: smallest action ``[Du]``, in the environment's units.
        high: largest action ``[Du]``.
        options: settings.
    """

    def __init__(self, low: Tensor, high: Tensor, options: CEMOptions | None = None) -> None:
        super().__init__(low, high, options or CEMOptions())

    @torch.no_grad()
    def plan(
        self,
        dynamics: Dynamics,
        reward: Reward,
        state: Tensor,
        warm_start: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """The mean of the last elites, ``[B, H, Du]``; less noisy than the best sample, which unstable systems need.

        Args:
            dynamics: the model; its transition's mean is followed.
            reward: summed over the H states that a plan leads to, undiscounted.
            state: start states ``[B, Dz]``.
            warm_start: a first guess ``[B, H, Du]``, for example the last plan shifted by one step.
            generator: source of the samples; the same generator state gives the same plan.
        """
        options = self.options
        low, high = self.low.to(state), self.high.to(state)
        mean = first_plan(state, options.horizon, low, high, warm_start)
        spreads = (high - low) * low.new_tensor(options.spreads(warm_start is not None))[:, None]
        turns = spreads[torch.arange(options.samples) % len(spreads)]
        std, widest = turns[:, None], spreads[-1].expand_as(mean)
        kept = mean.unsqueeze(1)[:, :0]
        for _ in range(options.iterations):
            drawn = self._sample(mean, std, options.samples - kept.shape[1], generator).clamp_(low, high)
            candidates = torch.cat((drawn, kept), 1)
            top = returns(dynamics, reward, state, candidates).topk(options.elites, dim=1)
            elites = candidates.gather(1, top.indices[:, :, None, None].expand(-1, -1, *mean.shape[1:]))
            mean, widest = _refit(elites, top.values.isfinite(), mean, widest)
            std = widest.unsqueeze(1)
            kept = elites[:, : min(options.kept_elites, options.samples - 1)]
        return mean.clamp(low, high)  # a mean may leave the bounds by a rounding error

    def _sample(self, mean: Tensor, std: Tensor, count: int, generator: torch.Generator | None) -> Tensor:
        """Candidates ``[B, count, H, Du]`` for ``std`` that broadcasts to it; the first one is the mean itself."""
        shape = (mean.shape[0], count, *mean.shape[1:])
        noise = coloured_noise(shape, self.options.noise_beta, generator, mean.dtype, mean.device)
        noise[:, 0] = 0.0
        return torch.addcmul(mean[:, None], std, noise)


def _refit(elites: Tensor, valid: Tensor, mean: Tensor, std: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation ``[B, H, Du]`` of the valid elites; where there is none, the old ones."""
    weight = valid.to(elites.dtype)[:, :, None, None]
    count = weight.sum(1)
    new_mean = (weight * elites).sum(1) / count.clamp(min=1.0)
    new_std = ((weight * (elites - new_mean[:, None]).square()).sum(1) / count.clamp(min=1.0)).sqrt()
    found = count > 0
    return torch.where(found, new_mean, mean), torch.where(found, new_std, std)
