"""Your own world model, here a linear-Gaussian one in features that it learns, and every verb of latentrl with it.

    p(z_{t+1} | z_t, u_t) = N(F z + B u, Q),    z_1 ~ N(0, I)
    p(a_t | z_t)          = N([I 0] z, R)
    p(x_t | a_t), q(a_t | x_t)                  decoder and encoder, MLPs

With enough features (a lifting, as in Koopman models) linear dynamics follow a nonlinear system for a while. Given a,
filter and smoother are Kalman's and log p(a_1:T | u) is known exactly: the rate is log q(a | x) - log p(a | u).

    python examples/own_model.py train --model linear --state-size 16 --position-size 8
    python examples/own_model.py evaluate --run runs/pendulum --agent cem
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from latentrl.__main__ import main
from latentrl.inference import kalman
from latentrl.models import MODELS, ModelEntry
from latentrl.models.base import WorldModel
from latentrl.models.spec import DataSpec
from latentrl.networks.dense import DiagonalGaussianMLP, mlp
from latentrl.numerics.distributions import DiagonalGaussian, PixelGaussian, cholesky, gaussian_log_prob
from latentrl.priors.standard_normal import StandardNormal
from latentrl.types import Belief, RateDistortion, Sequences, stack_beliefs


@dataclass(frozen=True)
class LinearSettings:
    """JSON values alone: ``latentrl train`` stores them, and sets those that it has a flag of the same name for."""

    state_size: int = 16
    position_size: int = 8
    hidden: tuple[int, ...] = (128, 128)
    initial_sigma: float = 0.3


class LinearModel(WorldModel):
    """A linear-Gaussian state-space model in learned features; the Kalman recursion runs in float64."""

    def __init__(self, spec: DataSpec, settings: LinearSettings) -> None:
        super().__init__()
        self.spec, self.settings = spec, settings
        self.state_size, self.position_size = size, seen = settings.state_size, settings.position_size
        pixels = math.prod(spec.observation_shape)
        self.encoder = DiagonalGaussianMLP(pixels, settings.hidden, seen, log_variance=-4.0)
        self.decoder = mlp((seen, *settings.hidden[::-1], pixels))
        self.initial_distribution = StandardNormal(size)
        self.state_matrix = nn.Parameter(torch.eye(size) + 0.05 * torch.randn(size, size))
        self.control_matrix = nn.Parameter(0.05 * torch.randn(size, spec.action_size) / torch.tensor(spec.action_scale))
        self.log_process_noise = nn.Parameter(torch.full((size,), -4.0))
        self.log_feature_noise = nn.Parameter(torch.full((seen,), -4.0))
        self.log_sigma = nn.Parameter(torch.tensor(settings.initial_sigma).log())
        self.register_buffer("identity", torch.eye(size, dtype=torch.float64))
        self.identity: Tensor

    def encode(self, observations: Tensor) -> DiagonalGaussian:
        """q(a | x) ``[..., Da]`` for ``observations [..., *shape]``; with it the recipe aligns the position."""
        self.check_observation(observations)
        return self.encoder(self.to_unit(observations).flatten(-len(self.spec.observation_shape)))

    def decode(self, features: Tensor) -> PixelGaussian:
        """p(x | a) for ``features [..., Da]``."""
        shape = self.spec.observation_shape
        return PixelGaussian(self.decoder(features).unflatten(-1, shape), self.log_sigma.exp(), len(shape))

    def start(self, batch: int) -> Belief:
        """N(0, I) over ``[batch, Dz]``."""
        return Belief(self.identity.new_zeros(batch, self.state_size), self.identity.expand(batch, -1, -1))

    def predict(self, belief: Belief, action: Tensor) -> Belief:
        """The belief after ``action [B, Du]``, in float64."""
        state_matrix, noise = self.state_matrix.double(), self.log_process_noise.double().exp().diag()
        return kalman.predict(belief, state_matrix, noise, (action @ self.control_matrix.T).double())

    def update(self, belief: Belief, features: Tensor) -> Belief:
        """The belief given the features ``[B, Da]`` of a frame."""
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

    def rate_distortion(self, batch: Sequences, generator: torch.Generator | None = None) -> RateDistortion:
        target, posterior = self.to_unit(batch.observations), self.encode(batch.observations)
        features, seen = posterior.rsample(generator), self.position_size
        (mean, covariance), _ = self.run_filter(features, batch.actions)
        innovation = covariance[..., :seen, :seen] + self.log_feature_noise.double().exp().diag()
        evidence = gaussian_log_prob(features.double(), mean[..., :seen], cholesky(innovation))
        picture = self.decode(features)
        rate = (posterior.log_prob(features) - evidence).sum(1)
        error = (picture.mean - target).square().flatten(1).mean(1)
        return RateDistortion(rate.float(), -picture.log_prob(target).sum(1), error)

    def initial_belief(self, observation: Tensor) -> Belief:
        return self.update(self.start(len(observation)), self.encode(observation).mean)

    def filter(self, belief: Belief, action: Tensor, observation: Tensor | None) -> Belief:
        predicted = self.predict(Belief(belief.mean.double(), belief.covariance.double()), action)
        return predicted if observation is None else self.update(predicted, self.encode(observation).mean)

    def smooth(self, observations: Tensor, actions: Tensor) -> Belief:
        predicted, filtered = self.run_filter(self.encode(observations).mean, actions)
        matrices = self.state_matrix.double(), self.log_process_noise.double().exp().diag()
        return kalman.smooth_all(filtered, predicted, *(m.expand(*actions.shape[:2], -1, -1) for m in matrices))

    def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
        mean = state @ self.state_matrix.T + action @ self.control_matrix.T
        return DiagonalGaussian(mean, self.log_process_noise.exp())

    def emission(self, state: Tensor) -> PixelGaussian:
        return self.decode(state[..., : self.position_size])

    def encode_goal(self, observations: Tensor, actions: Tensor | None = None) -> Tensor:
        if actions is None:
            return self.encode(observations).mean
        return self.smooth(observations[None], actions[None]).mean[0, :, self.position_size :].mean(0).float()

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {
            "encoder": list(self.encoder.parameters()),
            "decoder": list(self.decoder.parameters()),
            "emission_noise": [self.log_sigma],
            "transition": [self.state_matrix, self.control_matrix],
            "noise": [self.log_process_noise, self.log_feature_noise],
        }


def register() -> None:
    """Make the model known by a name: to ``--model``, and to whatever loads a run of it."""
    MODELS["linear"] = ModelEntry(LinearModel, LinearSettings)


if __name__ == "__main__":
    register()
    main()
