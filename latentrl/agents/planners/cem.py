"""The cross-entropy method: sample action sequences, keep the best, sample around them (Rubinstein, 1999).

Everything is batched: all samples for all start states go through the model in one call per time step. Where the model
knows its derivatives, samples of long plans are held near the plan by feedback (`latentrl.agents.planners.sampling`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from latentrl.agents.planners.common import BoundedPlanner, check_positive, first_plan
from latentrl.agents.planners.noise import coloured_noise
from latentrl.agents.planners.riccati import fastest_backward
from latentrl.agents.planners.sampling import RENEWED, samples_around
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
        warm_std: the same for samples that stay near a warm start.
        bold: share of the first iteration's samples that are drawn with ``initial_std`` around a warm start too. A plan
            that no longer leads anywhere is left, and a good one is not lost: its neighbours stay the best
            (docs/planners.md).
        bold_beta: colour of the noise of those, 0 is white: what pushes one way for a while goes further; see
            :func:`latentrl.agents.planners.noise.coloured_noise`.
        noise_beta: colour of all other noise.
        kept_elites: how many of an iteration's elites are among the next one's samples (iCEM, Pinneri et al., 2020), at
            most all of them.
        feedback: hold samples near the plan by feedback, bold ones and kept elites excepted, where the model and the
            reward know their own derivatives; None: around plans along which a deviation grows two hundred times
            (`latentrl.agents.planners.sampling.UNSTABLE`).
    """

    horizon: int = 20
    samples: int = 256
    iterations: int = 6
    elites: int = 25
    initial_std: float = 0.5
    warm_std: float = 0.1
    bold: float = 0.5
    bold_beta: float = 2.0
    noise_beta: float = 0.0
    kept_elites: int = 8
    feedback: bool | None = None

    def __post_init__(self) -> None:
        check_positive(self, "horizon", "samples", "iterations", "elites", "initial_std", "warm_std")
        if not 0.0 <= self.bold <= 1.0:
            raise ValueError(f"bold must lie in [0, 1], not {self.bold}")
        if self.elites > self.samples:
            raise ValueError(f"elites ({self.elites}) cannot exceed samples ({self.samples})")
        if self.kept_elites < 0:
            raise ValueError(f"kept_elites must be at least 0, not {self.kept_elites}")
        for name in ("bold_beta", "noise_beta"):
            if not 0.0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be at least 0, not {getattr(self, name)}")


class CEM(BoundedPlanner[CEMOptions]):
    """Plans by the cross-entropy method on mean roll-outs; implements `latentrl.types.Planner`.

    Args:
        low: smallest action ``[Du]``, in the environment's units.
        high: largest action ``[Du]``.
        options: settings.
    """

    def __init__(self, low: Tensor, high: Tensor, options: CEMOptions | None = None) -> None:
        super().__init__(low, high, options or CEMOptions())
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
        known = warm_start is not None
        std = ((options.warm_std if known else options.initial_std) * (high - low)).expand_as(mean)
        samples = samples_around(mean, dynamics, reward, state, low, high, self._backward, options.feedback)
        kept = mean.unsqueeze(1)[:, :0]
        for iteration in range(options.iterations):
            if iteration and iteration % RENEWED == 0:
                mean = samples.renew(mean)
            count = options.samples - kept.shape[1]
            noise = self._noise((*mean.shape[:1], count, *mean.shape[1:]), iteration == 0, known, mean, generator)
            drawn = torch.addcmul(mean[:, None], std[:, None], noise)
            near = count - (self._bold(count) if iteration == 0 else 0)
            top = samples.judge(torch.cat((drawn, kept), 1), near).topk(options.elites, dim=1)
            elites, actions = samples.best(top.indices)
            mean, std = _refit(elites, top.values.isfinite(), mean, std)
            kept = actions[:, : min(options.kept_elites, options.samples - 1)]
        return samples.settle(mean).clamp(low, high)  # a mean may leave the bounds by a rounding error

    def _bold(self, count: int) -> int:
        """How many of the first iteration's ``count`` samples are bold; they are the last ones."""
        return round(self.options.bold * count)

    def _noise(
        self, shape: Sequence[int], first: bool, warm: bool, like: Tensor, generator: torch.Generator | None
    ) -> Tensor:
        """Noise of candidates ``[B, S, H, Du]`` in standard deviations; none for the first, which is the mean itself.

        Args:
            shape: of the noise.
            first: whether this is the first iteration, of which some samples are bold.
            warm: whether the mean is a warm start, around which only these lie far off.
            like: of its precision, where it is.
            generator: source of the noise.
        """
        options, (batch, count, *plan) = self.options, shape
        bold = self._bold(count) if first else 0
        kinds = [(options.noise_beta, count - bold), (options.bold_beta, bold)]
        noise = torch.cat(
            [
                coloured_noise((batch, some, *plan), beta, generator, like.dtype, like.device)
                for beta, some in kinds
                if some
            ],
            1,
        )
        if warm:
            noise[:, count - bold :] *= options.initial_std / options.warm_std
        noise[:, 0] = 0.0
        return noise


def _refit(elites: Tensor, valid: Tensor, mean: Tensor, std: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation ``[B, H, Du]`` of the valid elites; where there is none, the old ones."""
    weight = valid.to(elites.dtype)[:, :, None, None]
    count = weight.sum(1)
    new_mean = (weight * elites).sum(1) / count.clamp(min=1.0)
    new_std = ((weight * (elites - new_mean[:, None]).square()).sum(1) / count.clamp(min=1.0)).sqrt()
    found = count > 0
    return torch.where(found, new_mean, mean), torch.where(found, new_std, std)
