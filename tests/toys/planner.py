"""A planner: the best of many plans around the best so far, ever closer to it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from latentrl.agents.planners.common import BoundedPlanner, first_plan, returns
from latentrl.types import Dynamics, Reward


@dataclass(frozen=True)
class ToyPlannerOptions:
    """``samples`` plans in each iteration, spread over ``shrink`` of what they were before."""

    horizon: int = 10
    samples: int = 100
    iterations: int = 40
    shrink: float = 0.9


class ToyPlanner(BoundedPlanner[ToyPlannerOptions]):
    """Random search."""

    def __init__(self, low: Tensor, high: Tensor, options: ToyPlannerOptions | None = None) -> None:
        super().__init__(low, high, options or ToyPlannerOptions())

    @torch.no_grad()
    def plan(
        self,
        dynamics: Dynamics,
        reward: Reward,
        state: Tensor,
        warm_start: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        low, high = self.low.to(state), self.high.to(state)
        plan = first_plan(state, self.horizon, low, high, warm_start)
        reach = (high - low) / 2
        for _ in range(self.options.iterations):
            shape = (len(plan), self.options.samples, *plan.shape[1:])
            noise = torch.randn(shape, generator=generator, dtype=plan.dtype, device=plan.device)
            noise[:, 0] = 0  # the best so far takes part, and wins where all others break
            candidates = (plan[:, None] + reach * noise).clamp(low, high)
            best = returns(dynamics, reward, state, candidates).argmax(1)
            plan, reach = candidates[torch.arange(len(plan), device=plan.device), best], self.options.shrink * reach
        return plan
