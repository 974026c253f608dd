"""A prior: N(0, diag(s^2)) with learned s."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from latentrl.numerics.distributions import diagonal_log_prob, standard_normal_like
from latentrl.priors.base import InitialDistribution


class ToyPrior(InitialDistribution):
    """It can be mirrored, and no more."""

    def __init__(self, size: int, hidden: Sequence[int] = ()) -> None:
        super().__init__()
        self.size = size
        self.log_scale = nn.Parameter(0.1 * torch.randn(size))

    def bound(self, state: Tensor, generator: torch.Generator | None = None, samples: int = 1) -> Tensor:
        return diagonal_log_prob(state, torch.zeros_like(state), (2 * self.log_scale).exp().expand_as(state))

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        return self.log_scale.exp() * standard_normal_like(self.log_scale.new_zeros(count, self.size), generator)

    def change_coordinates(self, gauge: Tensor) -> None:
        if not torch.equal(gauge.abs(), torch.eye(self.size).to(gauge)):
            raise ValueError("scales belong to their dimensions")

    def fresh(self) -> InitialDistribution:
        return type(self)(self.size)
