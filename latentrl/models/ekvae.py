"""The extended Kalman variational autoencoder (Latent Matters, 4.2).

    p(z_{t+1} | z_t, u_t) = N(F z + B u, Q)   locally linear          Eq. 4.13
    p(a_t | z_t)          = N(H z, R)         H = rectangular identity Eq. 4.17, 4.31
    p(x_t | a_t)                              decoder                  Eq. 4.16
    q(a_t | x_t)                              encoder                  Eq. 4.18

The posterior over z given a is the extended Kalman smoother's, so there is no recurrent recognition network. The first
Da dimensions of z are the position, the others the velocity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from latentrl import kalman
from latentrl.distributions import (
    LOG_2PI,
    DiagonalGaussian,
    Gaussian,
    cholesky,
    diagonal_log_prob,
    gaussian_log_prob,
    half_log_det,
    standard_normal_like,
)
from latentrl.models.base import DataSpec, WorldModel, leading_shape
from latentrl.networks import VectorDecoder, VectorEncoder
from latentrl.priors import PRIORS
from latentrl.transitions import LocallyLinearTransition, Weights
from latentrl.types import Belief, RateDistortion, Sequences


@dataclass(frozen=True)
class EKVAESettings:
    """Sizes and variants of an EKVAE; the defaults are those of Table A.2 for the image pendulum.

    Attributes:
        state_size: Dz.
        position_size: Da, the number of leading state dimensions that hold the position.
        base_matrices: M.
        gate_hidden: hidden layers of the alpha network.
        hidden: hidden layers of encoder and (reversed) decoder.
        prior: initial distribution, ``"vhp"`` or ``"normal"``.
        prior_hidden: hidden layers of the prior's two networks.
        version: posterior that the rate is estimated under: ``"smoother"`` (Eq. 4.27) or ``"filter"`` (4.2.5.3).
        initial_sigma: standard deviation of p(x | a) at the start, in units of the observation.
        noise_floor: added to every learned variance.
    """

    state_size: int = 3
    position_size: int = 2
    base_matrices: int = 16
    gate_hidden: tuple[int, ...] = (64,)
    hidden: tuple[int, ...] = (128, 128, 128)
    prior: Literal["vhp", "normal"] = "vhp"
    prior_hidden: tuple[int, ...] = (64, 64)
    version: Literal["smoother", "filter"] = "smoother"
    initial_sigma: float = 0.3
    noise_floor: float = 1e-10
    tie: str = ""


class Filtered(NamedTuple):
    """One forward pass of the extended Kalman filter over ``[B, T]``."""

    predicted: Belief
    filtered: Belief
    transitions: Tensor  # F [B, T - 1, Dz, Dz]
    noises: Tensor  # Q [B, T - 1, Dz, Dz]


class RateTerms(NamedTuple):
    """The terms of Eq. 4.27-4.28, each ``[B]`` in nats and summed over time; the rate is their sum.

    ``encoder`` is log q(a | x); ``initial_emission`` is -log p(a_1 | z_1); ``initial_posterior`` is log p(z_1 | a);
    ``prior`` is -F_VHP(z_1); ``prediction`` is -sum_t log p(a_t | z_{t-1}, u_{t-1}); ``smoothing`` is
    sum_t log p_s(z_{t-1}) - log p_f(z_{t-1}), zero in the filter version.
    """

    encoder: Tensor
    initial_emission: Tensor
    initial_posterior: Tensor
    prior: Tensor
    prediction: Tensor
    smoothing: Tensor


class EKVAE(WorldModel):
    """See the module docstring. The Kalman recursion runs in float64, the networks in float32."""

    def __init__(self, spec: DataSpec, settings: EKVAESettings | None = None) -> None:
        super().__init__()
        settings = settings or EKVAESettings()
        if not 0 < settings.position_size <= settings.state_size:
            raise ValueError(f"position_size must lie in 1..state_size; got {settings.position_size}")
        self.spec, self.settings = spec, settings
        self.state_size, self.position_size = settings.state_size, settings.position_size
        self.encoder = VectorEncoder(spec.observation_shape, settings.hidden, self.position_size)
        self.decoder = VectorDecoder(self.position_size, settings.hidden[::-1], spec.observation_shape)
        self.dynamics = LocallyLinearTransition(
            self.state_size,
            spec.action_size,
            settings.base_matrices,
            settings.gate_hidden,
            noise_floor=settings.noise_floor,
            position_size=settings.position_size,
            tie=settings.tie,
        )
        self.dynamics.control_scale.copy_(torch.tensor(spec.action_scale))
        self.initial_distribution = PRIORS[settings.prior](self.state_size, settings.prior_hidden)
        self.log_sigma = nn.Parameter(torch.tensor(settings.initial_sigma).log())
        self.log_emission_noise = nn.Parameter(2 * torch.full((self.position_size,), 0.1).log())
        self.filter_mean = nn.Parameter(torch.zeros(self.state_size))
        self.log_filter_variance = nn.Parameter(torch.zeros(self.state_size))
        self.register_buffer("projection", torch.eye(self.position_size, self.state_size, dtype=torch.float64))
        self.projection: Tensor

    # -- inference ---------------------------------------------------------------------------------------------------

    def emission_variance(self) -> Tensor:
        """The diagonal of R ``[Da]``, float64."""
        return self.log_emission_noise.double().exp() + self.settings.noise_floor

    def filter_prior(self, batch: int) -> Belief:
        """The learned N(m_0, P_0) that the filter starts from, before it has seen x_1."""
        gauge = self.dynamics.gauge.double()
        variance = self.log_filter_variance.double().exp() + self.settings.noise_floor
        covariance = gauge @ variance.diag() @ gauge.T
        mean = self.filter_mean.double()
        return Belief(mean.expand(batch, -1), covariance.expand(batch, -1, -1))

    def run_filter(self, positions: Tensor, controls: Tensor, weights: Weights, missing: Tensor | None) -> Filtered:
        """The extended Kalman filter over pseudo-observations a ``[B, T, Da]`` (Eq. 4.21-4.23), float64."""
        batch, length = positions.shape[:2]
        emission, noise = self.projection, self.emission_variance().diag()
        gate_inputs = weights.gate_input(controls).unbind(1)
        control, position = controls.unbind(1), positions.unbind(1)
        skip = missing.unbind(1) if missing is not None else [None] * length
        belief = self.filter_prior(batch)
        predicted, filtered, locals_ = [belief], [], []
        for t in range(length):
            belief = kalman.update(predicted[t], position[t], emission, noise, skip[t])
            filtered.append(belief)
            if t + 1 < length:
                local = weights.linearise(belief.mean, gate_inputs[t])
                locals_.append(local)
                mean = local.mean(belief.mean, control[t])
                predicted.append(kalman.predict_around(mean, belief.covariance, local.state_matrix, local.noise))
        size = self.state_size
        empty = positions.new_zeros(batch, 0, size, size)
        return Filtered(
            Belief(torch.stack([b.mean for b in predicted], 1), torch.stack([b.covariance for b in predicted], 1)),
            Belief(torch.stack([b.mean for b in filtered], 1), torch.stack([b.covariance for b in filtered], 1)),
            torch.stack([x.dynamics for x in locals_], 1)[..., :size] if locals_ else empty,
            torch.stack([x.noise for x in locals_], 1) if locals_ else empty,
        )

    def encode(self, observations: Tensor) -> DiagonalGaussian:
        """q(a | x) for ``observations [..., *shape]``."""
        lead = leading_shape(observations, self.spec.observation_shape)
        flat = self.encoder(self.to_unit(observations).reshape(-1, *self.spec.observation_shape))
        return DiagonalGaussian(flat.mean.unflatten(0, lead), flat.variance.unflatten(0, lead))

    def decode(self, positions: Tensor) -> Tensor:
        """Mean of p(x | a) for ``positions [..., Da]``."""
        flat = self.decoder(positions.reshape(-1, self.position_size).float())
        return flat.unflatten(0, positions.shape[:-1])

    def smooth(self, observations: Tensor, actions: Tensor, missing: Tensor | None = None) -> Belief:
        """The extended Kalman smoother on the means of q(a | x); ``missing [B, T]`` skips observations."""
        self.check_observation(observations)
        weights = self.dynamics.weights(torch.float64)
        run = self.run_filter(self.encode(observations).mean.double(), weights.scaled(actions), weights, missing)
        return kalman.smooth_all(run.filtered, run.predicted, run.transitions, run.noises)

    def initial_belief(self, observation: Tensor) -> Belief:
        self.check_observation(observation)
        return self._update(self.filter_prior(observation.shape[0]), observation)

    def filter(self, belief: Belief, action: Tensor, observation: Tensor | None) -> Belief:
        weights = self.dynamics.weights(torch.float64)
        control = weights.scaled(action)
        mean, covariance = belief.mean.double(), belief.covariance.double()
        local = weights.linearise(mean, weights.gate_input(control))
        predicted = kalman.predict_around(local.mean(mean, control), covariance, local.state_matrix, local.noise)
        return predicted if observation is None else self._update(predicted, observation)

    def _update(self, predicted: Belief, observation: Tensor) -> Belief:
        self.check_observation(observation)
        position = self.encode(observation).mean.double()
        return kalman.update(predicted, position, self.projection, self.emission_variance().diag())

    # -- learning ----------------------------------------------------------------------------------------------------

    def rate_distortion(self, batch: Sequences, generator: torch.Generator | None = None) -> RateDistortion:
        target = self.to_unit(batch.observations)
        posterior = self.encode(target)
        positions = posterior.rsample(generator)
        error = (self.decode(positions) - target).square().flatten(2).mean(-1)
        dims = target[0, 0].numel()
        distortion = dims * (0.5 * error / (2 * self.log_sigma).exp() + self.log_sigma + 0.5 * LOG_2PI)
        terms = self.rate_terms(posterior, positions, batch.actions, generator)
        return RateDistortion(sum(terms[1:], terms[0]).float(), distortion.sum(1), error.mean(1))

    def rate_terms(
        self,
        posterior: DiagonalGaussian,
        positions: Tensor,
        actions: Tensor,
        generator: torch.Generator | None = None,
    ) -> RateTerms:
        """The terms of Eq. 4.27-4.28 for a sample ``positions [B, T, Da]`` of ``posterior``."""
        weights = self.dynamics.weights(torch.float64)
        controls = weights.scaled(actions)
        a = positions.double()
        run = self.run_filter(a, controls, weights, None)
        smoothing = self.settings.version == "smoother"
        if smoothing:
            chosen = kalman.smooth_all(run.filtered, run.predicted, run.transitions, run.noises)
        else:
            chosen = run.filtered
        # z_1 .. z_{T-1}: the last state appears in no term (z_1 alone where T = 1).
        kept = max(a.shape[1] - 1, 1)
        mean, covariance = chosen.mean[:, :kept], chosen.covariance[:, :kept]
        filtered = Belief(run.filtered.mean[:, :kept], run.filtered.covariance[:, :kept])
        if smoothing:
            factor, filter_factor = cholesky(torch.stack((covariance, filtered.covariance))).unbind(0)
        else:
            factor = filter_factor = cholesky(covariance)
        whitened = standard_normal_like(mean, generator)
        states = mean + (factor @ whitened.unsqueeze(-1)).squeeze(-1)
        log_chosen = -0.5 * (whitened.square().sum(-1) + self.state_size * LOG_2PI) - half_log_det(factor)
        if smoothing:
            log_filtered = gaussian_log_prob(states, filtered.mean, filter_factor)
            log_ratio = log_chosen - log_filtered
        else:
            log_ratio = torch.zeros_like(log_chosen)
        steps = a.shape[1] - 1
        noise = self.emission_variance()
        initial = states[:, 0]
        return RateTerms(
            encoder=posterior.log_prob(positions).sum(1).double(),
            initial_emission=-diagonal_log_prob(a[:, 0], initial[:, : self.position_size], noise),
            initial_posterior=log_chosen[:, 0],
            prior=-self.initial_distribution.bound(initial.float(), generator).double(),
            prediction=-self._predictive(states[:, :steps], controls, weights, noise).log_prob(a[:, 1:]).sum(1),
            smoothing=log_ratio[:, :steps].sum(1),
        )

    def _predictive(self, states: Tensor, controls: Tensor, weights: Weights, noise: Tensor) -> DiagonalGaussian:
        """p(a_{t+1} | z_t, u_t) = N(H (F z + B u), H Q H' + R); diagonal, because H picks dimensions whose noise is."""
        flat, flat_controls = states.flatten(0, 1), controls.flatten(0, 1)
        local = weights.linearise(flat, weights.gate_input(flat_controls))
        mean = local.mean(flat, flat_controls)[:, : self.position_size]
        variance = local.noise.diagonal(dim1=-2, dim2=-1)[:, : self.position_size] + noise
        return DiagonalGaussian(mean.unflatten(0, states.shape[:2]), variance.unflatten(0, states.shape[:2]))

    # -- prediction and control --------------------------------------------------------------------------------------

    def transition(self, state: Tensor, action: Tensor) -> Gaussian:
        return self.dynamics(state, action)

    def emission(self, state: Tensor) -> DiagonalGaussian:
        return DiagonalGaussian(self.decode(state[..., : self.position_size]), (2 * self.log_sigma).exp())

    def encode_goal(self, observations: Tensor, actions: Tensor | None = None) -> Tensor:
        self.check_observation(observations)
        if actions is None:
            return self.encode(observations).mean
        return self.smooth(observations.unsqueeze(0), actions.unsqueeze(0)).mean[0, :, self.position_size :].mean(0).float()

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {
            "encoder": list(self.encoder.parameters()),
            "decoder": list(self.decoder.parameters()),
            "emission_noise": [self.log_sigma],
            "transition": [*self.dynamics.gate.parameters(), self.dynamics.state_matrices, self.dynamics.control_matrices],
            "noise": [self.dynamics.log_noise, self.log_emission_noise, self.filter_mean, self.log_filter_variance],
            "prior": list(self.initial_distribution.parameters()),
        }
