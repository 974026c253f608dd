"""A transformed standard normal (Latent Matters, 4.1.3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from latentrl.networks.dense import mlp
from latentrl.numerics.distributions import standard_normal_like
from latentrl.priors.base import InitialDistribution


class TransformedNormal(InitialDistribution):
    """z_1 = f(zeta) with zeta ~ N(0, I), the initial state of the original DVBF (Latent Matters, 4.1.3.2).

    Unlike the others it has no density over z, and so no ``bound``: a model that uses it weighs zeta instead.
    """

    def __init__(self, size: int, hidden: Sequence[int] = (64, 64)) -> None:
        super().__init__()
        self.size = size
        self.network: nn.Sequential = mlp((size, *hidden, size))

    def forward(self, zeta: Tensor) -> Tensor:
        """f(zeta) for ``zeta [..., Dz]``."""
        return self.network(zeta)

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """``count`` initial states ``[count, Dz]``."""
        origin = next(self.parameters()).new_zeros(count, self.size)
        return self(standard_normal_like(origin, generator))
