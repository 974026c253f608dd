"""A learner of policies: changes that raise the imagined return are kept."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from latentrl.agents.imagination import Imagination, PolicyInput, StartStates
from latentrl.agents.policies.mlp import MLPPolicy
from latentrl.agents.policies.progress import OnProgress
from latentrl.types import Dynamics, Reward


@dataclass(frozen=True)
class ToyPolicyOptions:
    """``steps`` changes are tried, each on ``batch`` episodes of ``length`` steps; the rest is what every kind has."""

    steps: int = 20
    batch: int = 16
    length: int = 5
    input: PolicyInput = "mean"
    drop: float = 0.0


class ToyLearner:
    """Hill climbing on the weights of a linear policy."""

    def __init__(
        self,
        dynamics: Dynamics,
        reward: Reward,
        start_states: StartStates,
        low: Tensor,
        high: Tensor,
        options: ToyPolicyOptions,
        seed: int = 0,
    ) -> None:
        self.reward, self.options, self.budget = reward, options, options.steps
        self.returns: list[float] = []
        self.imagined = Imagination(dynamics, start_states, options.input, options.drop)
        self.generator = torch.Generator().manual_seed(seed)
        states = self.imagined.typical_states(64, low, high, self.generator)
        scale = self.imagined.feature_scale(states, low, high, self.generator)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.policy = MLPPolicy(low, high, *scale, (), options.input, self.imagined.goal_size)

    @torch.no_grad()
    def imagined_return(self) -> float:
        episodes, total = self.imagined.start(self.options.batch, self.generator), 0.0
        for _ in range(self.options.length):
            action = self.policy(self.imagined.seen(episodes))
            episodes = self.imagined.step(episodes, action, self.generator)
            total += float(self.reward(episodes.state, action).mean())
        return total

    def learn(self, on_progress: OnProgress | None = None) -> MLPPolicy:
        best = self.imagined_return()
        for done in range(1, self.budget + 1):
            before = nn.utils.parameters_to_vector(self.policy.parameters()).detach()
            change = 0.3 * torch.randn(before.shape, generator=self.generator)
            nn.utils.vector_to_parameters(before + change, self.policy.parameters())
            found = self.imagined_return()
            if found > best:
                best = found
            else:
                nn.utils.vector_to_parameters(before, self.policy.parameters())
            if on_progress is not None:
                on_progress(done, {"return": best})
        return self.policy
