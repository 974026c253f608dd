"""The cross-entropy method: sample action sequences, keep the best, sample around them (Rubinstein, 1999).

Everything is batched: all samples for all start states go through the model in one call per time step.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from latentrl.agents.rollout import rollout
from latentrl.types import Dynamics, Reward


@dataclass(frozen=True)
class CEMOptions:
    """Settings of the cross-entropy method.

    Attributes:
        horizon: steps H that a plan looks ahead.
        samples: action sequences drawn per iteration and start state.
        iterations: how often the sampling distribution is refitted.
        elites: how many of the best sequences it is refitted to.
        initial_std: standard deviation of the first iteration's noise, as a fraction of the action range.
    """

    horizon: int = 30
    samples: int = 64
    iterations: int = 3
    elites: int = 16
    initial_std: float = 0.5

    def __post_init__(self) -> None:
        for name in ("horizon", "samples", "iterations", "elites"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.elites > self.samples:
            raise ValueError(f"elites ({self.elites}) cannot exceed samples ({self.samples})")
        if not 0.0 < self.initial_std:
            raise ValueError(f"initial_std must be positive, not {self.initial_std}")


class CEM:
    """Plans by the cross-entropy method on mean roll-outs; implements `latentrl.types.Planner`.

    Args:
        low: smallest action ``[Du]``, in the environment's units.
        high: largest action ``[Du]``.
        options: settings.
    """

    def __init__(self, low: Tensor, high: Tensor, options: CEMOptions | None = None) -> None:
        if low.ndim != 1 or low.shape != high.shape or not (low < high).all():
            raise ValueError(
                f"a planner needs finite bounds low < high, each [Du]; got {low.tolist()}, {high.tolist()}"
            )
        self.low, self.high = low, high
        self.options = options or CEMOptions()

    @property
    def horizon(self) -> int:
        """Steps H of a plan."""
        return self.options.horizon

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
        shape = (state.shape[0], options.horizon, self.low.shape[0])
        if warm_start is None:
            mean = ((self.low + self.high) / 2).expand(shape)
        elif warm_start.shape == shape:
            mean = warm_start.clamp(self.low, self.high)
        else:
            raise ValueError(f"warm_start must have shape {shape}, not {tuple(warm_start.shape)}")
        std = (options.initial_std * (self.high - self.low)).expand(shape)

        starts = state.repeat_interleave(options.samples, dim=0)
        for _ in range(options.iterations):
            candidates = self._sample(mean, std, generator)
            flat = candidates.flatten(0, 1)
            returns = _returns(dynamics, reward, starts, flat).unflatten(0, (-1, options.samples))
            top = returns.topk(options.elites, dim=1)
            elites = candidates.gather(1, top.indices[:, :, None, None].expand(-1, -1, *shape[1:]))
            mean, std = _refit(elites, top.values.isfinite(), mean, std)
        return mean

    def _sample(self, mean: Tensor, std: Tensor, generator: torch.Generator | None) -> Tensor:
        """Candidates ``[B, S, H, Du]`` within the bounds; the first one is the mean itself."""
        batch, horizon, size = mean.shape
        shape = (batch, self.options.samples, horizon, size)
        noise = torch.randn(shape, generator=generator, dtype=mean.dtype, device=mean.device)
        noise[:, 0] = 0.0
        return torch.addcmul(mean[:, None], std[:, None], noise).clamp(self.low, self.high)


def _returns(dynamics: Dynamics, reward: Reward, state: Tensor, actions: Tensor) -> Tensor:
    """Summed rewards ``[N]`` of ``actions [N, H, Du]``; a roll-out whose return is not finite loses to every other."""
    total = reward(rollout(dynamics, state, actions), actions).sum(-1)
    return torch.where(total.isfinite(), total, -torch.inf)


def _refit(elites: Tensor, valid: Tensor, mean: Tensor, std: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation ``[B, H, Du]`` of the valid elites; where there is none, the old ones."""
    weight = valid.to(elites.dtype)[:, :, None, None]
    count = weight.sum(1)
    new_mean = (weight * elites).sum(1) / count.clamp(min=1.0)
    new_std = ((weight * (elites - new_mean[:, None]).square()).sum(1) / count.clamp(min=1.0)).sqrt()
    found = count > 0
    return torch.where(found, new_mean, mean), torch.where(found, new_std, std)
