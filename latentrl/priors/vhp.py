"""The variational hierarchical prior (Latent Matters, 4.1.2.1)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from latentrl.networks.dense import DiagonalGaussianMLP
from latentrl.numerics.distributions import LOG_2PI, standard_normal_like
from latentrl.priors.base import InitialDistribution


class VHP(InitialDistribution):
    """The variational hierarchical prior: ``p(z_1) = int p(z_1 | zeta) N(zeta; 0, I) dzeta``, Eq. 4.7.

    Both conditionals are diagonal normals with MLP parameters. :meth:`bound` is an estimate of F_VHP(z_1) <= log p(z_1)
    from one sample; as in the source, sequence models are trained without importance weights.
    """

    tied = False
    size: int
    hidden: tuple[int, ...]
    encoder: DiagonalGaussianMLP
    decoder: DiagonalGaussianMLP

    def __init__(self, size: int, hidden: Sequence[int] = (64, 64)) -> None:
        super().__init__()
        self.size, self.hidden = size, tuple(hidden)
        # With variances near one zeta is ignored at first, and the prior collapses to a normal.
        self.encoder = DiagonalGaussianMLP(size, hidden, size, log_variance=-4.0)
        self.decoder = DiagonalGaussianMLP(size, hidden, size, log_variance=-4.0)
        # The networks read gauge^-1 z: see change_coordinates.
        self.register_buffer("gauge", torch.eye(size))
        self.gauge: Tensor

    def bound(self, state: Tensor, generator: torch.Generator | None = None, samples: int = 1) -> Tensor:
        """F_VHP(z_1) of Eq. 4.7 for ``state [..., Dz]`` in nats, ``[...]``.

        With several ``samples`` of zeta it is importance-weighted (Burda et al., 2016), and the tighter the more there
        are.
        """
        # The gauge's determinant is one or minus one: densities of z and of gauge^-1 z are equal.
        inner = state @ torch.linalg.inv_ex(self.gauge).inverse.T
        mean, log_variance = self.encoder.moments(inner)
        noise = standard_normal_like(mean.expand(samples, *mean.shape), generator)
        zeta = mean + (0.5 * log_variance).exp() * noise
        likely, log_likely = self.decoder.moments(zeta)
        # Of log p(z | zeta) + log N(zeta; 0, I) - log q(zeta | z), where zeta is so many deviations from q's mean.
        terms = (inner - likely).square() * (-log_likely).exp() + log_likely + zeta.square() - noise.square()
        bound = -0.5 * ((terms - log_variance).sum(-1) + self.size * LOG_2PI)
        return bound[0] if samples == 1 else bound.logsumexp(0) - math.log(samples)

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """``count`` initial states ``[count, Dz]`` by ancestral sampling."""
        zeta = standard_normal_like(self.gauge.new_zeros(count, self.size), generator)
        return self.decoder(zeta).rsample(generator) @ self.gauge.T

    def fresh(self) -> VHP:
        return VHP(self.size, self.hidden)

    @torch.no_grad()
    def take_coordinates(self, other: InitialDistribution) -> None:
        assert isinstance(other, VHP)
        self.gauge.copy_(other.gauge)

    @torch.no_grad()
    def change_coordinates(self, gauge: Tensor) -> None:
        """Become the distribution of ``gauge z``: the networks go on reading the coordinates they were trained in.

        Raises:
            ValueError: ``gauge [Dz, Dz]`` is not lower triangular.
        """
        if not torch.equal(gauge, gauge.tril()):
            raise ValueError("a VHP takes lower triangular changes of coordinates: positions tell velocities, no more")
        self.gauge.copy_(gauge @ self.gauge.double())
