"""The deep variational Bayes smoother and filter (Latent Matters, 4.1.3.2; Karl et al. 2017, 2019).

    p(z_t | z_{t-1}, u_{t-1})                 = N(F z_{t-1} + B u_{t-1}, Q)         locally linear, Eq. 4.13-4.14
    q(z_t | z_{t-1}, x_t:T, u_{t-1:T})       prop. to p(z_t | z_{t-1}, u_{t-1}) q(z_t | x_t:T, u_t:T)         Eq. 4.12
    rate = E_q[ log q(z_1) - F_VHP(z_1) + sum_t KL(q(z_t | z_{t-1}, ...) || p(z_t | z_{t-1}, u_{t-1})) ]

The factor q(z_t | x_t:T, u_t:T) is a backward LSTM's (DVBS) or, for t >= 2, a network's of x_t alone (DVBF). With the
VHP the same LSTM gives q(z_1 | x_1:T). Without, z_1 = f(zeta) with zeta ~ N(0, I) and q(zeta | x_1:T): the first term
of the rate is then KL(q(zeta) || N(0, I)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from latentrl.inference.backends import REFERENCE, Backend
from latentrl.inference.posterior_chain import chain_moments
from latentrl.models.deep_ssm import DeepStateSpaceModel
from latentrl.models.spec import DataSpec
from latentrl.networks.dense import DiagonalGaussianMLP, VectorEncoder, mlp_jacobian
from latentrl.networks.recognition import RecurrentFeatures
from latentrl.numerics.distributions import DiagonalGaussian, Gaussian, diagonal_kl
from latentrl.priors.base import InitialDistribution
from latentrl.priors.transformed_normal import TransformedNormal
from latentrl.transitions.frozen import FrozenTransition
from latentrl.transitions.locally_linear import LocallyLinearTransition
from latentrl.types import Belief


@dataclass(frozen=True)
class DVBSSettings:
    """Sizes and variants of a DVBS; the defaults are those of Table A.4, whose system has one joint.

    Attributes:
        state_size: Dz.
        position_size: Da, leading dimensions of the state that are decoded: the position; None decodes all of it.
        recurrent_hidden: units of the LSTM.
        head_hidden: hidden layers between the LSTM and its normals.
        encoder_hidden: hidden layers of q(z_t | x_t) in the filter version; the source names none: these are the
            EKVAE's.
        decoder_hidden: hidden layers of the decoder.
        base_matrices: M.
        gate_hidden: hidden layers of the alpha network.
        prior: initial distribution: ``"vhp"`` or ``"vamp"``, or ``"normal"`` for z_1 = f(zeta).
        prior_hidden: hidden layers of the VHP's two networks, or of f.
        samples: importance samples of the VHP's bound; one as in the source.
        version: what the factor of Eq. 4.12 knows: ``"smoother"`` x_t:T, ``"filter"`` x_t.
        initial_sigma: standard deviation of p(x | z) at the start, in units of the observation.
        standardise: the networks see standardised observations (:mod:`latentrl.networks.standardisation`).
        each_reading: where they do, every dimension has a scale of its own, which its errors and sigma are in units of.
        shortest: frames of a sequence's beginning that a gradient step sees, at least; how many is drawn. 0: all.
        noise_floor: added to the variances of the transition.
    """

    state_size: int = 3
    position_size: int | None = None
    recurrent_hidden: int = 128
    head_hidden: tuple[int, ...] = (64,)
    encoder_hidden: tuple[int, ...] = (128, 128, 128)
    decoder_hidden: tuple[int, ...] = (128, 128, 128)
    base_matrices: int = 16
    gate_hidden: tuple[int, ...] = (64,)
    prior: str = "vhp"
    prior_hidden: tuple[int, ...] = (64, 64)
    samples: int = 1
    version: Literal["smoother", "filter"] = "smoother"
    initial_sigma: float = 0.3
    standardise: bool = False
    each_reading: bool = False
    shortest: int = 0
    noise_floor: float = 1e-10


@dataclass(frozen=True)
class DVBFSettings(DVBSSettings):
    """The filter version: see :class:`DVBSSettings`."""

    version: Literal["smoother", "filter"] = "filter"


class DVBS(DeepStateSpaceModel):
    """The deep variational Bayes smoother: the posterior contains the transition (Latent Matters, 4.1.3.2; Table A.4).

    ``backend`` draws paths of the posterior, PyTorch in float32 unless a training sets another.

    Args:
        spec: of the data.
        settings: sizes and variants; the defaults if None.
    """

    settings: DVBSSettings
    backend: Backend = REFERENCE
    dynamics: LocallyLinearTransition
    recurrent: RecurrentFeatures
    first_head: DiagonalGaussianMLP
    initial_distribution: InitialDistribution
    frame_encoder: VectorEncoder | None
    factor_head: DiagonalGaussianMLP | None

    def __init__(self, spec: DataSpec, settings: DVBSSettings | None = None) -> None:
        settings = settings or DVBSSettings()
        super().__init__(
            spec, settings.state_size, settings.position_size, settings.decoder_hidden, settings.initial_sigma
        )
        self.standardise_observations(settings.standardise, settings.each_reading)
        self.settings = settings
        size, n_in = self.state_size, int(torch.Size(spec.observation_shape).numel())
        self.dynamics = LocallyLinearTransition(
            size, spec.action_size, settings.base_matrices, settings.gate_hidden, noise_floor=settings.noise_floor
        )
        self.dynamics.control_scale.copy_(self.control_scale)
        self.recurrent = RecurrentFeatures(n_in, spec.action_size, settings.recurrent_hidden, "backward")
        self.first_head = DiagonalGaussianMLP(self.recurrent.features, settings.head_hidden, size, log_variance=-4.0)
        # Without a hierarchical prior the original starts from z_1 = f(zeta), not from a normal z_1.
        transformed = settings.prior == "normal"
        self.initial_distribution = (
            TransformedNormal(size, settings.prior_hidden)
            if transformed
            else self.make_prior(settings.prior, settings.prior_hidden)
        )
        self.frame_encoder, self.factor_head = None, None
        if settings.version == "filter":
            self.frame_encoder = VectorEncoder(spec.observation_shape, settings.encoder_hidden, size)
        elif transformed:
            # Otherwise one head serves all time steps, the first included; zeta is no state, and has its own.
            self.factor_head = DiagonalGaussianMLP(
                self.recurrent.features, settings.head_hidden, size, log_variance=-4.0
            )

    def use_backend(self, backend: Backend) -> None:
        self.backend = backend

    # -- the posterior -----------------------------------------------------------------------------------------------

    def recognise(self, observations: Tensor, controls: Tensor) -> tuple[DiagonalGaussian, DiagonalGaussian]:
        """q(z_1 | x_1:T) or q(zeta | x_1:T) ``[B, Dz]``, and the factors of Eq. 4.12 for t >= 2 ``[B, T - 1, Dz]``."""
        features = self.recurrent(observations, controls)
        first = self.first_head(features[:, 0])
        if self.frame_encoder is not None:
            flat = self.frame_encoder(observations[:, 1:].flatten(0, 1))
            shape = (len(observations), -1, self.state_size)
            return first, DiagonalGaussian(flat.mean.reshape(shape), flat.variance.reshape(shape))
        return first, (self.factor_head or self.first_head)(features[:, 1:])

    def sample_posterior(
        self, observations: Tensor, controls: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        first, factors = self.recognise(observations, controls)
        state, rate = self._first_state(first, generator)
        states, divergence = self.backend.sample_chain(self.dynamics, state, factors, controls, generator)
        return states, rate + divergence

    def _first_state(self, first: DiagonalGaussian, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """z_1 ``[B, Dz]`` and what it costs ``[B]``."""
        sample = first.rsample(generator)
        if not isinstance(self.initial_distribution, TransformedNormal):
            return sample, first.log_prob(sample) - self.prior_bound(sample, generator)
        zeros = torch.zeros_like(sample)
        return self.initial_distribution(sample), diagonal_kl(first, DiagonalGaussian(zeros, zeros + 1))

    def posterior_moments(self, observations: Tensor, controls: Tensor) -> Belief:
        """First-order moments ``[B, T]`` of the chain of Eq. 4.12: F, B and Q at the mean, covariances through F."""
        first, factors = self.recognise(observations, controls)
        belief = Belief(first.mean, torch.diag_embed(first.variance))
        if isinstance(self.initial_distribution, TransformedNormal):
            mean, slope = mlp_jacobian(self.initial_distribution.network, first.mean)
            belief = Belief(mean, slope @ belief.covariance @ slope.mT)
        weights = self.dynamics.weights()
        gate_inputs = weights.gate_input(controls)

        def linearise(mean: Tensor, t: int) -> tuple[Tensor, Tensor, Tensor]:
            local = weights.linearise(mean, gate_inputs[:, t])
            return local.mean(mean, controls[:, t]), local.noise.diagonal(dim1=-2, dim2=-1), local.state_matrix

        return chain_moments(belief, factors, linearise)

    # -- prediction --------------------------------------------------------------------------------------------------

    def transition(self, state: Tensor, action: Tensor) -> Gaussian:
        return self.dynamics(state, action)

    def locally_linear(self) -> LocallyLinearTransition:
        return self.dynamics

    def frozen(self) -> FrozenTransition:
        return FrozenTransition(self.dynamics)

    def step(self, states: Tensor, controls: Tensor) -> tuple[Tensor, Tensor]:
        moved = self.dynamics(states, controls * self.control_scale)
        return moved.mean, moved.covariance

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        encoders = [self.recurrent, self.first_head, self.factor_head, self.frame_encoder]
        prior = list(self.initial_distribution.parameters())
        # z_1 = f(zeta) is part of the distortion, so f must learn before the constraint is met.
        with_encoder = isinstance(self.initial_distribution, TransformedNormal)
        return {
            "encoder": [p for part in encoders if part is not None for p in part.parameters()]
            + (prior if with_encoder else []),
            "decoder": list(self.decoder.parameters()),
            "emission_noise": [self.log_sigma],
            "transition": [
                *self.dynamics.gate.parameters(),
                self.dynamics.state_matrices,
                self.dynamics.control_matrices,
            ],
            "noise": [self.dynamics.log_noise],
            "prior": [] if with_encoder else prior,
        }
