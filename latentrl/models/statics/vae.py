"""Variational autoencoders of single frames (Latent Matters, 3.1 and 3.3; Table A.1).

    p(x) = int p(x | z) p(z) dz                                                                     Eq. 3.1
    rate = E_q[ log q(z | x) - F(z) ],    F(z) <= log p(z) what the prior says of z                 Eq. 3.2, 3.8

A sequence is a bag of frames: rate and distortion are summed over them, as in the models of sequences, and actions are
not looked at. With the VHP, F is its importance-weighted bound; with the VampPrior and the standard normal, log p(z).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from latentrl.models.capabilities import Sampled
from latentrl.models.frame_autoencoder import FrameAutoencoder
from latentrl.models.spec import DataSpec
from latentrl.models.statics.base import Drawn, StaticModel
from latentrl.networks import NetworkName
from latentrl.numerics.distributions import DiagonalGaussian, PixelBernoulli, PixelGaussian
from latentrl.numerics.frame_errors import frame_errors
from latentrl.numerics.pieces import in_pieces
from latentrl.priors import InitialDistribution
from latentrl.priors.vamp import VampPrior
from latentrl.types import Belief, RateDistortion, Sequences

Likelihood = Literal["gaussian", "bernoulli"]


@dataclass(frozen=True)
class VAESettings:
    """Sizes and variants of a VAE; the defaults are those of Table A.1's first data set.

    Attributes:
        position_size: dimensions of z: single frames tell positions, and no more.
        network: which encoder and decoder; see :mod:`latentrl.networks`.
        hidden: fully connected layers of the encoder and, reversed, of the decoder.
        likelihood: p(x | z): ``"gaussian"`` with one learned standard deviation, or ``"bernoulli"`` for values in
            [0, 1].
        prior: ``"normal"``, ``"vhp"`` or ``"vamp"``.
        prior_hidden: hidden layers of the VHP's two networks.
        samples: K of the bound in use: of the VHP, or of an IWAE.
        components: pseudo-inputs of the VampPrior.
        initial_sigma: standard deviation of p(x | z) at the start, in units of the observation.
        standardise: whether the networks see standardised observations.
    """

    position_size: int = 2
    network: NetworkName = "dense"
    hidden: tuple[int, ...] = (256, 256, 256, 256)
    likelihood: Likelihood = "gaussian"
    prior: str = "normal"
    prior_hidden: tuple[int, ...] = (256, 256, 256, 256)
    samples: int = 1
    components: int = 1
    initial_sigma: float = 1.0
    standardise: bool = False


@dataclass(frozen=True)
class VHPVAESettings(VAESettings):
    """With the variational hierarchical prior: see :class:`VAESettings`."""

    prior: str = "vhp"
    samples: int = 16


@dataclass(frozen=True)
class FMVAESettings(VHPVAESettings):
    """Those of a VHP-VAE; what makes its latent space flat is a penalty of its training: see :class:`VAESettings`."""


@dataclass(frozen=True)
class VampVAESettings(VAESettings):
    """With the VampPrior: see :class:`VAESettings`. The source leaves the number of pseudo-inputs open."""

    prior: str = "vamp"
    components: int = 100


class VAE(FrameAutoencoder, StaticModel):
    """A variational autoencoder with the prior of one's choice (Latent Matters, Eq. 3.2 and 3.8; Table A.1).

    Args:
        spec: of the data.
        settings: sizes and variants; the defaults if None.

    Raises:
        ValueError: settings that make no model.
    """

    settings: VAESettings
    spec: DataSpec
    state_size: int
    position_size: int
    initial_distribution: InitialDistribution
    log_sigma: nn.Parameter

    def __init__(self, spec: DataSpec, settings: VAESettings | None = None) -> None:
        super().__init__()
        settings = settings or VAESettings()
        if settings.position_size < 1 or settings.samples < 1 or settings.components < 1:
            raise ValueError(f"position_size, samples and components must be one or more; got {settings}")
        if settings.likelihood not in ("gaussian", "bernoulli"):
            raise ValueError(f"likelihood {settings.likelihood!r}: there are gaussian and bernoulli")
        self.spec, self.settings = spec, settings
        self.state_size = self.position_size = settings.position_size
        self.make_networks(spec, settings.network, settings.hidden, self.position_size, settings.standardise)
        self.initial_distribution = self._make_prior()
        if settings.likelihood == "gaussian":
            self.log_sigma = nn.Parameter(torch.tensor(settings.initial_sigma).log())

    def _make_prior(self) -> InitialDistribution:
        settings, size = self.settings, self.position_size
        if settings.prior != "vamp":
            return self.make_prior(settings.prior, settings.prior_hidden)
        return self.bound_prior(VampPrior(size, components=settings.components))

    @property
    def drawn_samples(self) -> int:
        """Samples of q(z | x) that a gradient step weighs."""
        return 1

    @property
    def prior_samples(self) -> int:
        """K of F_VHP, for each sample of z."""
        return self.settings.samples

    def first_belief(self, frames: Tensor) -> Belief:
        found = self.encode(frames)
        return Belief(found.mean, found.variance.diag_embed())

    # -- learning ----------------------------------------------------------------------------------------------------

    def draw(self, frames: Tensor, samples: int, generator: torch.Generator | None = None, inner: int = 1) -> Drawn:
        found = self.encode(frames)
        shape = (samples, *found.mean.shape)
        posterior = DiagonalGaussian(found.mean.expand(shape), found.variance.expand(shape))
        latents = posterior.rsample(generator)
        ratio = self.initial_distribution.bound(latents, generator, inner) - posterior.log_prob(latents)
        likelihood, errors = self._explained(latents, frames.expand(samples, *frames.shape))
        return Drawn(latents, likelihood, ratio, errors)

    def rate_distortion(self, batch: Sequences, generator: torch.Generator | None = None) -> RateDistortion:
        return self.sampled_rate_distortion(batch, generator).terms

    def sampled_rate_distortion(self, batch: Sequences, generator: torch.Generator | None = None) -> Sampled:
        """Rate and distortion of the bound in use, Eq. 2.17: their sum is minus that bound, whatever K is.

        The distortion is the mean of -log p(x | z) under the normalised weights, the rate what is left. With K = 1 they
        are the terms of Eq. 3.2.
        """
        drawn = self.draw(batch.observations.flatten(0, 1), self.drawn_samples, generator, self.prior_samples)
        log_weights = drawn.log_weights
        shares = log_weights.softmax(0)
        distortion = -(shares * drawn.log_likelihood).sum(0)
        rate = math.log(len(log_weights)) - log_weights.logsumexp(0) - distortion
        errors = (shares * drawn.errors).sum(0)
        shape = batch.observations.shape[:2]
        terms = RateDistortion(rate.view(shape).sum(1), distortion.view(shape).sum(1), errors.view(shape).mean(1))
        return Sampled(terms, drawn.latents[0].reshape(*shape, -1))

    def _explained(self, latents: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """log p(x | z) in nats and the squared error, each ``[...]``, of ``latents [..., Dz]`` and ``frames``."""
        if self.settings.likelihood == "gaussian":
            errors = self.squared_error(latents, frames)
            return -self.distortion(errors), errors
        shape = self.spec.observation_shape
        flat = (latents.reshape(-1, latents.shape[-1]), frames.reshape(-1, *shape))
        found = in_pieces(self._bernoulli, math.prod(shape), *flat)
        nats, errors = (one.reshape(latents.shape[:-1]) for one in found)
        return nats, errors

    def _bernoulli(self, latents: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        logits, target = self.decoder(latents.float()), self.to_unit(frames)
        return PixelBernoulli(logits, target.dim() - 1).log_prob(target), frame_errors(logits.sigmoid(), frames)

    # -- what it says ------------------------------------------------------------------------------------------------

    def latents(self, observations: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The mean of q(z | x)."""
        return self.means(observations)

    def means(self, observations: Tensor) -> Tensor:
        return self.encode(observations).mean

    def emission(self, state: Tensor) -> PixelGaussian | PixelBernoulli:
        """p(x | z) for ``state [..., Dz]``, with its mean ``[..., *shape]`` (3.2.2.1 and 3.2.2.2)."""
        dims = len(self.spec.observation_shape)
        if self.settings.likelihood == "gaussian":
            return self.around(self.decode(state))
        flat = self.decoder(state.reshape(-1, state.shape[-1]).float())
        return PixelBernoulli(flat.reshape(*state.shape[:-1], *self.spec.observation_shape), dims)

    def _decode(self, positions: Tensor) -> tuple[Tensor]:
        if self.settings.likelihood == "gaussian":
            return super()._decode(positions)
        return (self.decoder(positions.float()).sigmoid(),)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        groups = {
            "encoder": list(self.encoder.parameters()),
            "decoder": list(self.decoder.parameters()),
            "emission_noise": [self.log_sigma] if self.settings.likelihood == "gaussian" else [],
            "prior": list(self.initial_distribution.parameters()),
        }
        return {name: group for name, group in groups.items() if group}
