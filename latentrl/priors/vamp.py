"""The VampPrior, a mixture of a model's own posteriors (Tomczak and Welling, 2018)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from latentrl.numerics.distributions import DiagonalGaussian, diagonal_log_prob
from latentrl.priors.base import InitialDistribution


class VampPrior(InitialDistribution):
    """p(z) = 1/C sum_k q(z | u_k) with learned pseudo-inputs u_k (Tomczak and Welling, 2018, Eq. 9).

    It approximates the optimal prior, the aggregated posterior of Eq. 2.18, with few inputs in the place of all data.

    Args:
        size: dimensions of z.
        components: C.
        shape: of a pseudo-input.
        posterior: q(z | u) for ``[C, *shape]``; it belongs to a model, whose parameters these are.
        images: whether pseudo-inputs stay in [0, 1].
    """

    size: int
    posterior: Callable[[Tensor], DiagonalGaussian]
    images: bool
    pseudo_inputs: nn.Parameter

    def __init__(
        self,
        size: int,
        components: int,
        shape: Sequence[int],
        posterior: Callable[[Tensor], DiagonalGaussian],
        images: bool = False,
    ) -> None:
        super().__init__()
        self.size, self.posterior, self.images = size, posterior, images
        self.pseudo_inputs = nn.Parameter(torch.rand(components, *shape))

    @torch.no_grad()
    def begin_at(self, inputs: Tensor) -> None:
        """Take ``inputs [C, *shape]``, such as observations, for the first pseudo-inputs."""
        self.pseudo_inputs.copy_(inputs)

    def components(self) -> DiagonalGaussian:
        """q(z | u_k), ``[C, Dz]``."""
        inputs = self.pseudo_inputs
        return self.posterior(inputs.clamp(0, 1) if self.images else inputs)

    def bound(self, state: Tensor, generator: torch.Generator | None = None, samples: int = 1) -> Tensor:
        """log p(z) for ``state [..., Dz]`` in nats; exact, so the bound is tight."""
        mixture = self.components()
        each = diagonal_log_prob(state.unsqueeze(-2), mixture.mean, mixture.variance)
        return each.logsumexp(-1) - math.log(len(mixture.mean))

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """``count`` latents ``[count, Dz]``: a component, then a sample of it."""
        mixture = self.components()
        device = mixture.mean.device
        chosen = torch.randint(len(mixture.mean), (count,), generator=generator, device=device)
        return DiagonalGaussian(mixture.mean[chosen], mixture.variance[chosen]).rsample(generator)
