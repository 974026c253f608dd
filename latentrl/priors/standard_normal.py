"""The standard normal, the common baseline."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from latentrl.numerics.distributions import diagonal_log_prob, standard_normal_like
from latentrl.priors.base import InitialDistribution


class StandardNormal(InitialDistribution):
    """p(z_1) = N(0, I)."""

    def __init__(self, size: int, hidden: Sequence[int] = ()) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("origin", torch.zeros(size))
        self.origin: Tensor

    def bound(self, state: Tensor, generator: torch.Generator | None = None, samples: int = 1) -> Tensor:
        """log p(z_1) for ``state [..., Dz]`` in nats; exact, so the bound is tight."""
        zeros = torch.zeros_like(state)
        return diagonal_log_prob(state, zeros, zeros + 1)

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """``count`` initial states ``[count, Dz]``."""
        return standard_normal_like(self.origin.expand(count, -1), generator)

    def change_coordinates(self, gauge: Tensor) -> None:
        """A mirror leaves a standard normal alone, and nothing else does.

        Raises:
            ValueError: ``gauge [Dz, Dz]`` is no diagonal of ones and minus ones.
        """
        if not torch.equal(gauge.abs(), torch.eye(len(gauge)).to(gauge)):
            raise ValueError("a standard normal prior fixes its own coordinates: it can be mirrored, and no more")
