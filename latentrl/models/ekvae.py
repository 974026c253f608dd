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

from latentrl.inference import kalman
from latentrl.inference.backends import REFERENCE, Backend, Emission, Joint, Marginals, Mixture, StateSpace
from latentrl.models.base import WorldModel
from latentrl.models.capabilities import Sampled
from latentrl.models.frame_autoencoder import FrameAutoencoder
from latentrl.models.spec import DataSpec
from latentrl.networks import NetworkName
from latentrl.numerics.distributions import (
    DiagonalGaussian,
    PixelGaussian,
)
from latentrl.priors.base import InitialDistribution
from latentrl.transitions.frozen import FrozenTransition
from latentrl.transitions.locally_linear import LocallyLinearGaussian, LocallyLinearTransition
from latentrl.types import Belief, RateDistortion, Sequences


@dataclass(frozen=True)
class EKVAESettings:
    """Sizes and variants of an EKVAE; the defaults are those of Table A.2, whose system has one joint.

    Attributes:
        state_size: Dz.
        position_size: Da, the number of leading state dimensions that hold the position.
        base_matrices: M.
        gate_hidden: hidden layers of the alpha network.
        hidden: fully connected hidden layers of encoder and (reversed) decoder.
        network: encoder and decoder, of :data:`latentrl.networks.NETWORKS`: ``"dense"`` is fully connected,
            ``"conv"`` with ``hidden=(256,)`` Table A.2's for larger images, ``"lean"`` a cheaper one for images.
        prior: initial distribution, ``"vhp"``, ``"normal"`` or ``"vamp"``.
        prior_hidden: hidden layers of the prior's two networks.
        samples: importance samples of the VHP's bound; one as in the source.
        version: posterior that the rate is estimated under: ``"smoother"`` (Eq. 4.27) and ``"filter"`` (4.2.5.3) are
            the source's and draw every z_t from its own marginal; ``"joint"`` draws whole trajectories from the
            smoother, which makes the bound tight where the transition is linear (docs/ekvae.md).
        initial_sigma: standard deviation of p(x | a) at the start, in units of the observation.
        noise_floor: added to every learned variance.
        standardise: encoder and decoder work on standardised observations (:mod:`latentrl.networks.standardisation`),
            whose mean and scale are fitted before training.
        each_reading: where they do, every dimension has a scale of its own, which its errors and sigma are in units
            of: for sensors whose units have nothing to do with each other.
        drawn_frames: frames of every sequence, drawn anew, that the distortion is estimated from in training; 0 for
            all. Decoding large images is what a training step costs most.
    """

    state_size: int = 3
    position_size: int = 2
    base_matrices: int = 16
    gate_hidden: tuple[int, ...] = (64,)
    hidden: tuple[int, ...] = (128, 128, 128)
    prior: str = "vhp"
    prior_hidden: tuple[int, ...] = (64, 64)
    samples: int = 1
    version: Literal["joint", "smoother", "filter"] = "joint"
    initial_sigma: float = 0.3
    noise_floor: float = 1e-10
    standardise: bool = False
    each_reading: bool = False
    network: NetworkName = "dense"
    drawn_frames: int = 0


class RateTerms(NamedTuple):
    """The terms of the rate, each ``[B]`` in nats and summed over time; the rate is their sum.

    ============  =====================================  =============================================
    term          smoother and filter (Eq. 4.27-4.28)    joint
    ============  =====================================  =============================================
    encoder       sum_t log q(a_t | x_t)                 the same
    emission      -log p(a_1 | z_1)                      -sum_t log p(a_t | z_t)
    prior         -F_VHP(z_1)                            the same
    transition    -sum_t log p(a_t | z_{t-1}, u_{t-1})   -sum_t log p(z_t | z_{t-1}, u_{t-1})
    posterior     log q(z_1) + sum_t log q(z_{t-1})      log p(z_1:T | a_1:T, u)
                  - log p(z_{t-1} | a_1:t-1, u)
    ============  =====================================  =============================================

    ``q(z)`` is the smoothed or the filtered marginal; in the filter version the sum over t cancels.
    """

    encoder: Tensor
    emission: Tensor
    prior: Tensor
    transition: Tensor
    posterior: Tensor


class EKVAE(FrameAutoencoder, WorldModel):
    """The extended Kalman variational autoencoder (Latent Matters, 4.2; Table A.2).

    The Kalman recursion runs in float64, the networks in float32. ``backend`` computes it, PyTorch unless a training
    sets another.

    Args:
        spec: of the data.
        settings: sizes and variants; the defaults if None.
    """

    settings: EKVAESettings
    backend: Backend = REFERENCE
    spec: DataSpec
    state_size: int
    position_size: int
    dynamics: LocallyLinearTransition
    initial_distribution: InitialDistribution
    log_sigma: nn.Parameter
    log_emission_noise: nn.Parameter
    filter_mean: nn.Parameter
    log_filter_variance: nn.Parameter

    def __init__(self, spec: DataSpec, settings: EKVAESettings | None = None) -> None:
        super().__init__()
        settings = settings or EKVAESettings()
        if not 0 < settings.position_size <= settings.state_size:
            raise ValueError(f"position_size must lie in 1..state_size; got {settings.position_size}")
        self.spec, self.settings = spec, settings
        self.state_size, self.position_size = settings.state_size, settings.position_size
        networks = settings.network, settings.hidden, self.position_size
        self.make_networks(spec, *networks, settings.standardise, settings.each_reading)
        self.dynamics = LocallyLinearTransition(
            self.state_size,
            spec.action_size,
            settings.base_matrices,
            settings.gate_hidden,
            noise_floor=settings.noise_floor,
            kinematic=self.state_size == 2 * self.position_size,
        )
        self.dynamics.control_scale.copy_(torch.tensor(spec.action_scale))
        self.initial_distribution = self.make_prior(settings.prior, settings.prior_hidden)
        self.log_sigma = nn.Parameter(torch.tensor(settings.initial_sigma).log())
        self.log_emission_noise = nn.Parameter(2 * torch.full((self.position_size,), 0.1).log())
        self.filter_mean = nn.Parameter(torch.zeros(self.state_size))
        self.log_filter_variance = nn.Parameter(torch.zeros(self.state_size))
        self.register_buffer("projection", torch.eye(self.position_size, self.state_size, dtype=torch.float64))
        self.projection: Tensor

    def use_backend(self, backend: Backend) -> None:
        self.backend = backend

    # -- inference ---------------------------------------------------------------------------------------------------

    def emission_variance(self) -> Tensor:
        """The diagonal of R ``[Da]``, float64, Eq. 4.17."""
        return self.log_emission_noise.double().exp() + self.settings.noise_floor

    def state_space(self) -> StateSpace:
        """The model of the pseudo-observations a, Eq. 4.13, 4.17."""
        return StateSpace(
            self.dynamics, self.filter_mean, self.log_filter_variance, self.projection, self.log_emission_noise
        )

    def filter_prior(self, batch: int) -> Belief:
        """The learned N(m_0, P_0) that the filter starts from, before it has seen x_1."""
        gauge = self.dynamics.gauge.double()
        variance = self.log_filter_variance.double().exp() + self.settings.noise_floor
        covariance = gauge @ variance.diag() @ gauge.T
        mean = self.filter_mean.double()
        return Belief(mean.expand(batch, -1), covariance.expand(batch, -1, -1))

    def run_filter(
        self, positions: Tensor, controls: Tensor, weights: Mixture, missing: Tensor | None = None
    ) -> kalman.Filtered:
        """The extended Kalman filter over pseudo-observations a ``[B, T, Da]`` (Eq. 4.21-4.23), float64."""
        emission = Emission(self.projection, self.emission_variance().diag())
        return self.backend.filter(self.filter_prior(1), positions, controls, emission, weights, missing)

    def smooth(self, observations: Tensor, actions: Tensor, missing: Tensor | None = None) -> Belief:
        """The extended Kalman smoother on the means of q(a | x); ``missing [B, T]`` skips observations."""
        self.check_observation(observations)
        weights = self.backend.mixture(self.dynamics)
        run = self.run_filter(self.encode(observations).mean.double(), weights.scaled(actions), weights, missing)
        return self.backend.smooth(run)

    def initial_belief(self, observation: Tensor) -> Belief:
        return self._update(self.filter_prior(observation.shape[0]), observation)

    def filter(self, belief: Belief, action: Tensor, observation: Tensor | None) -> Belief:
        weights = self.dynamics.weights(torch.float64)
        control = weights.scaled(action)
        mean, covariance = belief.mean.double(), belief.covariance.double()
        local = weights.linearise(mean, weights.gate_input(control))
        predicted = kalman.predict_around(local.mean(mean, control), covariance, local.state_matrix, local.noise)
        if observation is None:
            return kalman.no_wider(predicted, self.filter_prior(len(predicted.mean)))
        return self._update(predicted, observation)

    def _update(self, predicted: Belief, observation: Tensor) -> Belief:
        self.check_observation(observation)
        position = self.encode(observation).mean.double()
        return kalman.update(predicted, position, self.projection, self.emission_variance().diag())

    # -- learning ----------------------------------------------------------------------------------------------------

    def rate_distortion(self, batch: Sequences, generator: torch.Generator | None = None) -> RateDistortion:
        return self.sampled_rate_distortion(batch, generator).terms

    def sampled_rate_distortion(self, batch: Sequences, generator: torch.Generator | None = None) -> Sampled:
        posterior = self.encode(batch.observations)
        positions = posterior.rsample(generator)
        error = self._errors(positions, batch.observations, generator)
        distortion = self.distortion(error)
        rate_terms, states = self.sampled_rate_terms(posterior, positions, batch.actions, generator)
        rate = torch.stack(rate_terms).sum(0).float()
        terms = RateDistortion(rate, distortion.mean(1) * batch.length, error.mean(1))
        return Sampled(terms, states, posterior.mean)

    def _errors(self, positions: Tensor, observations: Tensor, generator: torch.Generator | None) -> Tensor:
        """Squared errors ``[B, K]`` of the frames that are drawn: all ``T`` unless the settings say less."""
        length, drawn = positions.shape[1], self.settings.drawn_frames
        if not self.training or not 0 < drawn < length:
            return self.squared_error(positions, observations)
        index = torch.randperm(length, generator=generator, device=positions.device)[:drawn]
        return self.squared_error(positions.index_select(1, index), observations.index_select(1, index))

    def rate_terms(
        self,
        posterior: DiagonalGaussian,
        positions: Tensor,
        actions: Tensor,
        generator: torch.Generator | None = None,
    ) -> RateTerms:
        """The terms of the rate for a sample ``positions [B, T, Da]`` of ``posterior``; see :class:`RateTerms`."""
        return self.sampled_rate_terms(posterior, positions, actions, generator)[0]

    def sampled_rate_terms(
        self, posterior: DiagonalGaussian, positions: Tensor, actions: Tensor, generator: torch.Generator | None
    ) -> tuple[RateTerms, Tensor]:
        """The terms of :meth:`rate_terms`, and the sampled states ``[B, T, Dz]`` that they were estimated with."""
        states, emission, transition, log_posterior = self._drawn(positions, actions, generator)
        terms = RateTerms(
            encoder=posterior.log_prob(positions).sum(1).double(),
            emission=-emission,
            prior=-self.prior_bound(states[:, 0].float(), generator).double(),
            transition=-transition,
            posterior=log_posterior,
        )
        return terms, states

    def _drawn(self, positions: Tensor, actions: Tensor, generator: torch.Generator | None) -> Joint | Marginals:
        """States of one trajectory from the joint smoothing distribution, or of the marginals, and their densities."""
        space, version = self.state_space(), self.settings.version
        if version == "joint":
            return self.backend.joint(space, positions, actions, generator)
        return self.backend.marginals(space, positions, actions, version == "smoother", generator)

    # -- what stages of a training ask for ---------------------------------------------------------------------------

    def locally_linear(self) -> LocallyLinearTransition:
        return self.dynamics

    @torch.no_grad()
    def draw_paths(self, positions: Tensor, actions: Tensor, generator: torch.Generator | None = None) -> Tensor:
        weights = self.backend.mixture(self.dynamics)
        run = self.run_filter(positions.double(), weights.scaled(actions), weights)
        return self.backend.sample_paths(run, generator).states

    @torch.no_grad()
    def fit_emission_noise(self, left: Tensor) -> None:
        floor = self.settings.noise_floor
        self.log_emission_noise.copy_((left - floor).clamp(min=floor).log())

    def split(self, state: Tensor) -> tuple[Tensor, Tensor]:
        return state[..., : self.position_size], state[..., self.position_size :]

    @torch.no_grad()
    def change_coordinates(self, gauge: Tensor) -> None:
        """F -> T F T^-1, B -> T B, Q -> T Q T', m_0 -> T m_0, P_0 -> T P_0 T'; alpha network and prior read T^-1 z."""
        self.initial_distribution.change_coordinates(gauge)
        self.dynamics.change_coordinates(gauge)
        self.filter_mean.copy_(gauge @ self.filter_mean.double())

    # -- prediction and control --------------------------------------------------------------------------------------

    def transition(self, state: Tensor, action: Tensor) -> LocallyLinearGaussian:
        return self.dynamics.forward(state, action)

    def frozen(self) -> FrozenTransition:
        return FrozenTransition(self.dynamics)

    def emission(self, state: Tensor) -> PixelGaussian:
        return self.around(self.decode(state[..., : self.position_size]))

    def encode_goal(self, observations: Tensor, actions: Tensor | None = None) -> Tensor:
        self.check_observation(observations)
        if actions is None:
            return self.encode(observations).mean
        return (
            self.smooth(observations.unsqueeze(0), actions.unsqueeze(0))
            .mean[0, :, self.position_size :]
            .mean(0)
            .float()
        )

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {
            "encoder": list(self.encoder.parameters()),
            "decoder": list(self.decoder.parameters()),
            "emission_noise": [self.log_sigma],
            "transition": [
                *self.dynamics.gate.parameters(),
                self.dynamics.state_matrices,
                self.dynamics.control_matrices,
            ],
            "noise": [self.dynamics.log_noise, self.log_emission_noise, self.filter_mean, self.log_filter_variance],
            "prior": list(self.initial_distribution.parameters()),
        }
