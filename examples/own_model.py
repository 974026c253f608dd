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

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from latentrl import kalman
from latentrl.__main__ import main
from latentrl.distributions import DiagonalGaussian, PixelGaussian, cholesky, gaussian_log_prob
from latentrl.models import MODELS, ModelEntry
from latentrl.models.base import DataSpec, WorldModel
from latentrl.networks import VectorDecoder, VectorEncoder
from latentrl.priors import StandardNormal
from latentrl.types import Belief, RateDistortion, Sequences, stack_beliefs


@dataclass(frozen=True)
class LinearSettings:
    """JSON values alone: ``latentrl train`` stores them, and sets those that it has a flag of the same name for."""

    state_size: int = 16
    position_size: int = 8
    hidden: tuple[int, ...] = (128, 128)
    initial_sigma: float = 0.3


class LinearModel(WorldModel):
    """See the module docstring. The Kalman recursion runs in float64."""

    def __init__(self, spec: DataSpec, settings: LinearSettings) -> None:
        super().__init__()
        self.spec, self.settings = spec, settings
        self.state_size, self.position_size = size, seen = settings.state_size, settings.position_size
        self.encoder = VectorEncoder(spec.observation_shape, settings.hidden, seen)
        self.decoder = VectorDecoder(seen, settings.hidden[::-1], spec.observation_shape)
        self.initial_distribution = StandardNormal(size)
        self.state_matrix = nn.Parameter(torch.eye(size) + 0.05 * torch.randn(size, size))
        self.control_matrix = nn.Parameter(0.05 * torch.randn(size, spec.action_size) / torch.tensor(spec.action_scale))
        self.log_process_noise = nn.Parameter(torch.full((size,), -4.0))
        self.log_feature_noise = nn.Parameter(torch.full((seen,), -4.0))
        self.log_sigma = nn.Parameter(torch.tensor(settings.initial_sigma).log())

    def encode(self, observations: Tensor) -> DiagonalGaussian:
        """q(a | x): having it, the model takes part in the recipe's alignment of the position."""
        flat = self.encoder(self.to_unit(observations).reshape(-1, *self.spec.observation_shape))
        lead = observations.shape[: observations.dim() - len(self.spec.observation_shape)]
        return DiagonalGaussian(flat.mean.reshape(*lead, -1), flat.variance.reshape(*lead, -1))

    def _predict(self, belief: Belief, action: Tensor) -> Belief:
        noise = self.log_process_noise.double().exp().diag()
        return kalman.predict(
            belief, self.state_matrix.double(), noise, action.double() @ self.control_matrix.double().T
        )

    def _update(self, predicted: Belief, features: Tensor) -> Belief:
        return kalman.update(predicted, features.double(), self._projection(), self._feature_noise())

    def _projection(self) -> Tensor:
        return torch.eye(self.position_size, self.state_size, dtype=torch.float64, device=self.log_sigma.device)

    def _feature_noise(self) -> Tensor:
        return self.log_feature_noise.double().exp().diag()

    def _start(self, batch: int) -> Belief:
        eye = torch.eye(self.state_size, dtype=torch.float64, device=self.log_sigma.device)
        return Belief(eye.new_zeros(batch, self.state_size), eye.expand(batch, -1, -1))

    def _run(self, features: Tensor, actions: Tensor) -> tuple[Belief, Belief]:
        """Predicted and filtered beliefs ``[B, T]`` for ``features [B, T, Da]``."""
        predicted, filtered = [self._start(len(features))], []
        for t, seen in enumerate(features.unbind(1)):
            filtered.append(self._update(predicted[t], seen))
            if t < actions.shape[1]:
                predicted.append(self._predict(filtered[t], actions[:, t]))
        return stack_beliefs(predicted), stack_beliefs(filtered)

    def rate_distortion(self, batch: Sequences, generator: torch.Generator | None = None) -> RateDistortion:
        target, posterior = self.to_unit(batch.observations), self.encode(batch.observations)
        features = posterior.rsample(generator)
        (mean, covariance), _ = self._run(features, batch.actions)
        seen, projection = self.position_size, self._projection()
        innovation = covariance[..., :seen, :seen] + self._feature_noise()
        evidence = gaussian_log_prob(features.double(), mean @ projection.T, cholesky(innovation)).sum(1)
        picture = self._decode(features)
        error = (picture.mean - target).square().flatten(2).mean((1, 2))
        rate = posterior.log_prob(features).sum(1) - evidence
        return RateDistortion(rate.float(), -picture.log_prob(target).sum(1), error)

    def initial_belief(self, observation: Tensor) -> Belief:
        self.check_observation(observation)
        return self._update(self._start(len(observation)), self.encode(observation).mean)

    def filter(self, belief: Belief, action: Tensor, observation: Tensor | None) -> Belief:
        predicted = self._predict(Belief(belief.mean.double(), belief.covariance.double()), action)
        return predicted if observation is None else self._update(predicted, self.encode(observation).mean)

    def smooth(self, observations: Tensor, actions: Tensor) -> Belief:
        self.check_observation(observations)
        predicted, filtered = self._run(self.encode(observations).mean, actions)
        steps = (len(actions), actions.shape[1], -1, -1)
        noise = self.log_process_noise.double().exp().diag()
        return kalman.smooth_all(filtered, predicted, self.state_matrix.double().expand(steps), noise.expand(steps))

    def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
        mean = state @ self.state_matrix.T + action @ self.control_matrix.T
        return DiagonalGaussian(mean, self.log_process_noise.exp())

    def emission(self, state: Tensor) -> PixelGaussian:
        return self._decode(state[..., : self.position_size])

    def _decode(self, features: Tensor) -> PixelGaussian:
        flat = self.decoder(features.reshape(-1, self.position_size))
        shape = self.spec.observation_shape
        return PixelGaussian(flat.reshape(*features.shape[:-1], *shape), self.log_sigma.exp(), len(shape))

    def encode_goal(self, observations: Tensor, actions: Tensor | None = None) -> Tensor:
        self.check_observation(observations)
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
