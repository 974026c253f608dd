"""A model: linear and Gaussian in features that it reads off each frame, as in `examples/own_model.py`, but smaller."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from latentrl.inference import kalman
from latentrl.models.base import WorldModel
from latentrl.models.spec import DataSpec
from latentrl.networks.dense import DiagonalGaussianMLP, mlp
from latentrl.numerics.distributions import (
    DiagonalGaussian,
    PixelGaussian,
    cholesky,
    diagonal_log_prob,
    gaussian_log_prob,
    sample_gaussian,
)
from latentrl.priors import PRIORS
from latentrl.priors.standard_normal import StandardNormal
from latentrl.types import Belief, RateDistortion, Sequences, stack_beliefs


@dataclass(frozen=True)
class ToySettings:
    """Of the flags of ``latentrl train`` those that it knows."""

    state_size: int = 4
    position_size: int = 2
    hidden: tuple[int, ...] = (64, 64)
    initial_sigma: float = 0.3
    prior: str = "normal"


class ToyModel(WorldModel):
    """z' = F z + B u + noise, the leading dimensions of z are seen, and a picture is decoded from those."""

    def __init__(self, spec: DataSpec, settings: ToySettings) -> None:
        super().__init__()
        self.spec, self.settings = spec, settings
        self.state_size, self.position_size = size, seen = settings.state_size, settings.position_size
        pixels = math.prod(spec.observation_shape)
        self.encoder = DiagonalGaussianMLP(pixels, settings.hidden, seen, log_variance=-4.0)
        self.decoder = mlp((seen, *settings.hidden, pixels))
        self.initial_distribution = PRIORS[settings.prior](size, (8,))
        # To begin with, unseen dimensions move the seen ones, as velocities do.
        self.state_matrix = nn.Parameter(torch.eye(size) + 0.3 * torch.eye(size).roll(seen, 1).triu())
        self.control_matrix = nn.Parameter(0.05 * torch.randn(size, spec.action_size))
        self.log_noise = nn.Parameter(torch.full((size,), -4.0))
        self.log_feature_noise = nn.Parameter(torch.full((seen,), -4.0))
        self.log_sigma = nn.Parameter(torch.tensor(settings.initial_sigma).log())
        # A buffer goes to the device with the model; made anew it would be on the processor.
        self.register_buffer("identity", torch.eye(size, dtype=torch.float64))
        self.identity: Tensor

    def encode(self, observations: Tensor) -> DiagonalGaussian:
        self.check_observation(observations)
        return self.encoder(self.to_unit(observations).flatten(-len(self.spec.observation_shape)))

    def start(self, count: int) -> Belief:
        """The filter's N(0, I); what the prior is instead, the rate tells."""
        return Belief(self.identity.new_zeros(count, self.state_size), self.identity.expand(count, -1, -1))

    def predict(self, belief: Belief, action: Tensor) -> Belief:
        offset = (action @ self.control_matrix.T).double()
        return kalman.predict(belief, self.state_matrix.double(), self.log_noise.double().exp().diag(), offset)

    def update(self, belief: Belief, features: Tensor) -> Belief:
        noise = self.log_feature_noise.double().exp().diag()
        return kalman.update(belief, features.double(), self.identity[: self.position_size], noise)

    def run_filter(self, features: Tensor, actions: Tensor) -> tuple[Belief, Belief]:
        """Predicted and filtered beliefs ``[B, T]``."""
        predicted = [self.start(len(features))]
        filtered = [self.update(predicted[0], features[:, 0])]
        for action, seen in zip(actions.unbind(1), features[:, 1:].unbind(1), strict=True):
            predicted.append(self.predict(filtered[-1], action))
            filtered.append(self.update(predicted[-1], seen))
        return stack_beliefs(predicted), stack_beliefs(filtered)

    def run_smoother(self, predicted: Belief, filtered: Belief, actions: Tensor) -> Belief:
        matrices = self.state_matrix.double(), self.log_noise.double().exp().diag()
        return kalman.smooth_all(filtered, predicted, *(m.expand(*actions.shape[:2], -1, -1) for m in matrices))

    def rate_distortion(self, batch: Sequences, generator: torch.Generator | None = None) -> RateDistortion:
        """log p(a) of N(0, I) is exact; another prior adds E_q(z_1)[log p(z_1) - log N(z_1; 0, I)]."""
        target, posterior = self.to_unit(batch.observations), self.encode(batch.observations)
        features, seen = posterior.rsample(generator), self.position_size
        predicted, filtered = self.run_filter(features, batch.actions)
        innovation = predicted.covariance[..., :seen, :seen] + self.log_feature_noise.double().exp().diag()
        evidence = gaussian_log_prob(features.double(), predicted.mean[..., :seen], cholesky(innovation)).sum(1)
        if not isinstance(self.initial_distribution, StandardNormal):
            smoothed = self.run_smoother(predicted, filtered, batch.actions)
            first = sample_gaussian(smoothed.mean[:, 0], cholesky(smoothed.covariance[:, 0]), generator)[0].float()
            normal = diagonal_log_prob(first, torch.zeros_like(first), torch.ones_like(first))
            evidence = evidence + self.initial_distribution.bound(first, generator) - normal
        picture = self.emission(features)
        rate = posterior.log_prob(features).sum(1) - evidence
        error = (picture.mean - target).square().flatten(1).mean(1)
        return RateDistortion(rate.float(), -picture.log_prob(target).sum(1), error)

    def initial_belief(self, observation: Tensor) -> Belief:
        return self.update(self.start(len(observation)), self.encode(observation).mean)

    def filter(self, belief: Belief, action: Tensor, observation: Tensor | None) -> Belief:
        predicted = self.predict(Belief(belief.mean.double(), belief.covariance.double()), action)
        return predicted if observation is None else self.update(predicted, self.encode(observation).mean)

    def smooth(self, observations: Tensor, actions: Tensor) -> Belief:
        return self.run_smoother(*self.run_filter(self.encode(observations).mean, actions), actions)

    def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
        return DiagonalGaussian(state @ self.state_matrix.T + action @ self.control_matrix.T, self.log_noise.exp())

    def emission(self, state: Tensor) -> PixelGaussian:
        shape = self.spec.observation_shape
        pixels = self.decoder(state[..., : self.position_size]).unflatten(-1, shape)
        return PixelGaussian(pixels, self.log_sigma.exp(), len(shape))

    def encode_goal(self, observations: Tensor, actions: Tensor | None = None) -> Tensor:
        if actions is None:
            return self.encode(observations).mean
        return self.smooth(observations[None], actions[None]).mean[0, :, self.position_size :].mean(0).float()

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        groups = {
            "encoder": list(self.encoder.parameters()),
            "decoder": list(self.decoder.parameters()),
            "emission_noise": [self.log_sigma],
            "transition": [self.state_matrix, self.control_matrix],
            "noise": [self.log_noise, self.log_feature_noise],
            "prior": list(self.initial_distribution.parameters()),
        }
        return {role: parameters for role, parameters in groups.items() if parameters}
