"""Importance-weighted autoencoders (Burda et al., 2016; Latent Matters, 2.2.2).

With two stochastic layers p(z) = int p(z | zeta) N(zeta; 0, I) dzeta, whose zeta is drawn from q(zeta | z) once for
every z and weighed together with it. The model is that of a VHP-VAE; what differs is where the importance samples are:
in both layers here, in the second alone there.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from latentrl.models.statics.vae import VAE, VAESettings
from latentrl.priors import PRIORS, InitialDistribution


@dataclass(frozen=True)
class IWAESettings(VAESettings):
    """Those of a VAE with more samples: see :class:`~latentrl.models.statics.vae.VAESettings`.

    Attributes:
        layers: stochastic layers L, 1 or 2; a second one is as large as the first.
    """

    samples: int = 16
    layers: int = 1


class IWAE(VAE):
    """The importance-weighted autoencoder (Burda et al., 2016), trained to the bound of Eq. 2.17.

    Raises:
        ValueError: settings that make no model.
    """

    settings: IWAESettings

    def _make_prior(self) -> InitialDistribution:
        if self.settings.layers not in (1, 2):
            raise ValueError(f"layers must be 1 or 2; got {self.settings.layers}")
        prior = PRIORS["normal" if self.settings.layers == 1 else "vhp"]
        return prior(self.position_size, self.settings.prior_hidden)

    @property
    def drawn_samples(self) -> int:
        return self.settings.samples

    @property
    def prior_samples(self) -> int:
        return 1

    def latents(self, observations: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """One sample ``[..., Dz]`` of the implicit posterior of each of ``observations [..., *shape]``.

        By sequential importance resampling, Algorithm 1: of K samples of q(z | x) one, by its weight.
        """
        shape = self.spec.observation_shape
        lead = observations.shape[: observations.dim() - len(shape)]
        frames = observations.reshape(-1, *shape)
        drawn = self.draw(frames, self.settings.samples, generator)
        uniform = torch.rand(drawn.log_weights.shape, generator=generator, device=frames.device)
        # The largest of the log weights, each with noise of Gumbel's distribution, is a draw from the categorical one.
        chosen = (drawn.log_weights - (-uniform.log()).log()).argmax(0)
        latents = drawn.latents.gather(0, chosen.view(1, -1, 1).expand(1, -1, self.position_size))
        return latents[0].reshape(*lead, -1)
