"""A static model: linear in both directions, one latent for each frame."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from latentrl.models.spec import DataSpec
from latentrl.models.statics.base import Drawn, StaticModel
from latentrl.numerics.distributions import DiagonalGaussian, PixelGaussian
from latentrl.priors.standard_normal import StandardNormal
from latentrl.types import RateDistortion, Sequences


@dataclass(frozen=True)
class ToyStaticSettings:
    """Of the flags of ``latentrl train`` the one that it knows."""

    position_size: int = 2


class ToyStatic(StaticModel):
    """z = A x + c with noise, x = B z + d with noise."""

    def __init__(self, spec: DataSpec, settings: ToyStaticSettings) -> None:
        super().__init__()
        if settings.position_size < 1:
            raise ValueError(f"position_size must be one or more; got {settings.position_size}")
        self.spec, self.settings = spec, settings
        self.state_size = self.position_size = size = settings.position_size
        self.read = nn.Linear(math.prod(spec.observation_shape), size)
        self.drawn = nn.Linear(size, math.prod(spec.observation_shape))
        self.log_variance, self.log_sigma = nn.Parameter(torch.zeros(size)), nn.Parameter(torch.zeros(()))
        self.initial_distribution = StandardNormal(size)

    def latents(self, observations: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return self.means(observations)

    def means(self, observations: Tensor) -> Tensor:
        return self.read(self.to_unit(observations).flatten(-len(self.spec.observation_shape)))

    def decode(self, positions: Tensor) -> Tensor:
        return self.drawn(positions).unflatten(-1, self.spec.observation_shape)

    def emission(self, state: Tensor) -> PixelGaussian:
        return PixelGaussian(self.decode(state), self.log_sigma.exp(), len(self.spec.observation_shape))

    def draw(self, frames: Tensor, samples: int, generator: torch.Generator | None = None, inner: int = 1) -> Drawn:
        mean = self.latents(frames).expand(samples, len(frames), -1)
        posterior = DiagonalGaussian(mean, self.log_variance.exp())
        states = posterior.rsample(generator)
        pictures, target = self.emission(states), self.to_unit(frames).expand(samples, *frames.shape)
        ratio = self.initial_distribution.bound(states) - posterior.log_prob(states)
        errors = (pictures.mean - target).square().flatten(2).mean(-1)
        return Drawn(states, pictures.log_prob(target), ratio, errors)

    def rate_distortion(self, batch: Sequences, generator: torch.Generator | None = None) -> RateDistortion:
        drawn, shape = self.draw(batch.observations.flatten(0, 1), 1, generator), batch.observations.shape[:2]
        rate, distortion, errors = (
            one[0].view(shape) for one in (-drawn.log_ratio, -drawn.log_likelihood, drawn.errors)
        )
        return RateDistortion(rate.sum(1), distortion.sum(1), errors.mean(1))

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {
            "encoder": [*self.read.parameters(), self.log_variance],
            "decoder": [*self.drawn.parameters()],
            "emission_noise": [self.log_sigma],
        }
