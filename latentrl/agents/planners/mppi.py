"""Model predictive path integral control, information-theoretic form (Williams et al., 2017, Algorithm 2).

Every sampled plan counts, with a weight that grows exponentially with its return; the new plan is the weighted mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from latentrl.agents.planners.common import BoundedPlanner, check_positive, first_plan
from latentrl.agents.planners.noise import coloured_noise
from latentrl.agents.planners.riccati import fastest_backward
from latentrl.agents.planners.sampling import RENEWED, samples_around
from latentrl.types import Dynamics, Reward


@dataclass(frozen=True)
class MPPIOptions:
    """Settings of MPPI.

    Attributes:
        horizon: steps H that a plan looks ahead.
        samples: action sequences drawn per iteration and start state.
        iterations: how often the plan is improved.
        temperature: how much worse than the best a plan may be and still count, as a fraction of the distance between
            the best return and the median one: the same in any unit of reward.
        initial_std: standard deviation of the first iteration's noise, as a fraction of the action range.
        noise_beta: colour of the noise, see :func:`latentrl.agents.planners.noise.coloured_noise`.
        feedback: as :class:`~latentrl.agents.planners.cem.CEMOptions` has it.
    """

    horizon: int = 20
    samples: int = 256
    iterations: int = 6
    temperature: float = 0.1
    initial_std: float = 0.5
    noise_beta: float = 0.0
    feedback: bool | None = None

    def __post_init__(self) -> None:
        check_positive(self, "horizon", "samples", "iterations", "temperature", "initial_std")
        if self.noise_beta < 0.0:
            raise ValueError(f"noise_beta must be at least 0, not {self.noise_beta}")


class MPPI(BoundedPlanner[MPPIOptions]):
    """Plans by path integrals on mean roll-outs; implements `latentrl.types.Planner`.

    The source's term that ties a plan to the one before (a cost of the control times the noise) is left out: the noise
    is drawn around the plan, and the reward alone says what is good.

    Args:
        low: smallest action ``[Du]``, in the environment's units.
        high: largest action ``[Du]``.
        options: settings.
    """

    def __init__(self, low: Tensor, high: Tensor, options: MPPIOptions | None = None) -> None:
        super().__init__(low, high, options or MPPIOptions())
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
        """The weighted mean of the last iteration's samples, ``[B, H, Du]``.

        Args:
            dynamics: the model; its transition's mean is followed.
            reward: summed over the H states that a plan leads to, undiscounted.
            state: start states ``[B, Dz]``.
            warm_start: a first guess ``[B, H, Du]``, for example the last plan shifted by one step.
            generator: source of the samples; the same generator state gives the same plan.
        """
        options = self.options
        low, high = self.low.to(state), self.high.to(state)
        plan = first_plan(state, options.horizon, low, high, warm_start)
        std = (options.initial_std * (high - low)).expand_as(plan)
        shape = (plan.shape[0], options.samples, *plan.shape[1:])
        samples = samples_around(plan, dynamics, reward, state, low, high, self._backward, options.feedback)
        for iteration in range(options.iterations):
            if iteration and iteration % RENEWED == 0:
                plan = samples.renew(plan)
            noise = coloured_noise(shape, options.noise_beta, generator, plan.dtype, plan.device)
            noise[:, 0] = 0.0  # the plan itself is a candidate
            drawn = torch.addcmul(plan[:, None], std[:, None], noise)
            weights = path_weights(samples.judge(drawn, options.samples), options.temperature)
            plan, std = _refit(samples.told(), weights, plan, std)
        return samples.settle(plan).clamp(low, high)  # a mean may leave the bounds by a rounding error


def _refit(candidates: Tensor, weights: Tensor, plan: Tensor, std: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted mean and standard deviation ``[B, H, Du]`` of the candidates; the old ones where none has a weight."""
    found = weights.sum(1)[:, None, None] > 0
    mean = torch.einsum("bs,bshu->bhu", weights, candidates)
    spread = torch.einsum("bs,bshu->bhu", weights, (candidates - mean[:, None]).square()).sqrt()
    return torch.where(found, mean, plan), torch.where(found, spread, std)


def path_weights(total: Tensor, temperature: float) -> Tensor:
    """exp((return - best) / lambda), normalised, ``[B, S]``; lambda is ``temperature`` x (best - median) of each row.

    The median is that of the finite returns, and -inf weighs nothing; all zero where no return is finite.
    """
    finite = total.isfinite()
    best = total.amax(1, keepdim=True)
    median = torch.where(finite, total, torch.nan).nanmedian(1, keepdim=True).values
    scale = (temperature * (best - median)).clamp(min=torch.finfo(total.dtype).tiny)
    weights = torch.where(finite, ((total - best) / scale).exp(), 0.0)
    return weights / weights.sum(1, keepdim=True).clamp(min=1.0)
