"""The deep Kalman smoother and filter (Latent Matters, 4.1.3.1; Krishnan, Shalit and Sontag 2015).

    p(z_t | z_{t-1}, u_{t-1})  = N(z_{t-1} + g(z_{t-1}, u_{t-1}), diag s(z_{t-1}, u_{t-1}))    an MLP, Table A.3
    q(z_1:T | x_1:T, u_1:T-1)  = prod_t q(z_t | x_1:T, u_1:T-1)     DKS: a bidirectional LSTM
                               = prod_t q(z_t | x_1:t, u_1:t-1)     DKF: a forward LSTM
    rate                       = E_q[ log q(z_1) - F(z_1) + sum_t KL(q(z_t) || p(z_t | z_{t-1}, u_{t-1})) ]

with F = log p(z_1), or F_VHP of Eq. 4.7. The posterior is factorised over time, as the source writes it: it cannot say
that a state follows from the one before, and pays for that in the rate. Chained it can, by the product of Eq. 4.12:
see :mod:`latentrl.inference.posterior_chain`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from latentrl.inference.posterior_chain import chain_moments, sample_chain
from latentrl.models.deep_ssm import DeepStateSpaceModel
from latentrl.models.spec import DataSpec
from latentrl.networks.dense import DiagonalGaussianMLP, mlp_jacobian
from latentrl.networks.recognition import RecurrentRecognition
from latentrl.numerics.distributions import DiagonalGaussian, diagonal_kl
from latentrl.priors.base import InitialDistribution
from latentrl.transitions.residual import FrozenResidual, continued, moved
from latentrl.types import Belief


@dataclass(frozen=True)
class DKSSettings:
    """Sizes and variants of a DKS; the defaults are those of Table A.3, whose system has one joint.

    Attributes:
        state_size: Dz.
        position_size: Da, leading dimensions of the state that are decoded: the position; None decodes all of it.
        recurrent_hidden: units of the LSTM, in each direction.
        head_hidden: hidden layers between the LSTM and q(z_t).
        decoder_hidden: hidden layers of the decoder.
        transition_hidden: hidden layers of the transition.
        prior: initial distribution, ``"vhp"``, ``"normal"`` or ``"vamp"``.
        prior_hidden: hidden layers of the prior's two networks.
        samples: importance samples of the VHP's bound; one as in the source.
        posterior: ``"factorised"`` over time, as the source has it, or ``"chained"``: each state given the one before,
            by the product of Eq. 4.12.
        version: what q(z_t) knows: ``"smoother"`` x_1:T, ``"filter"`` x_1:t.
        initial_sigma: standard deviation of p(x | z) at the start, in units of the observation.
        standardise: the networks see standardised observations (:mod:`latentrl.networks.standardisation`).
        each_reading: where they do, every dimension has a scale of its own, which its errors and sigma are in units of.
        shortest: frames of a sequence's beginning that a gradient step sees, at least; how many is drawn. 0: all.
    """

    state_size: int = 3
    position_size: int | None = None
    recurrent_hidden: int = 128
    head_hidden: tuple[int, ...] = (64,)
    decoder_hidden: tuple[int, ...] = (128, 128, 128)
    transition_hidden: tuple[int, ...] = (128, 128, 128)
    prior: str = "vhp"
    prior_hidden: tuple[int, ...] = (64, 64)
    samples: int = 1
    posterior: Literal["factorised", "chained"] = "factorised"
    version: Literal["smoother", "filter"] = "smoother"
    initial_sigma: float = 0.3
    standardise: bool = False
    each_reading: bool = False
    shortest: int = 0


@dataclass(frozen=True)
class DKFSettings(DKSSettings):
    """The filter version: see :class:`DKSSettings`."""

    version: Literal["smoother", "filter"] = "filter"


class DKS(DeepStateSpaceModel):
    """The deep Kalman smoother, an MLP transition and an LSTM posterior (Latent Matters, 4.1.3.1; Table A.3).

    Args:
        spec: of the data.
        settings: sizes and variants; the defaults if None.
    """

    settings: DKSSettings
    recognition: RecurrentRecognition
    dynamics: DiagonalGaussianMLP
    initial_distribution: InitialDistribution

    def __init__(self, spec: DataSpec, settings: DKSSettings | None = None) -> None:
        settings = settings or DKSSettings()
        super().__init__(
            spec, settings.state_size, settings.position_size, settings.decoder_hidden, settings.initial_sigma
        )
        self.standardise_observations(settings.standardise, settings.each_reading)
        self.settings = settings
        self.recognition = RecurrentRecognition(
            int(torch.Size(spec.observation_shape).numel()),
            spec.action_size,
            settings.recurrent_hidden,
            settings.head_hidden,
            self.state_size,
            "both" if settings.version == "smoother" else "forward",
        )
        self.dynamics = DiagonalGaussianMLP(
            self.state_size + spec.action_size, settings.transition_hidden, self.state_size, log_variance=-4.0
        )
        self.initial_distribution = self.make_prior(settings.prior, settings.prior_hidden)

    def sample_posterior(
        self, observations: Tensor, controls: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        found = self.recognition(observations, controls)
        first, rest = _parted(found)
        if self.settings.posterior == "chained":

            def move(state: Tensor, t: int) -> tuple[Tensor, Tensor]:
                following = self._move(state, controls[:, t])
                return following.mean, following.variance

            states, divergence = sample_chain(first.rsample(generator), rest, move, generator)
        else:
            states = found.rsample(generator)
            divergence = diagonal_kl(rest, self._move(states[:, :-1], controls)).sum(1)
        prior = self.prior_bound(states[:, 0], generator)
        return states, first.log_prob(states[:, 0]) - prior + divergence

    def posterior_moments(self, observations: Tensor, controls: Tensor) -> Belief:
        found = self.recognition(observations, controls)
        if self.settings.posterior == "factorised":
            return Belief(found.mean, torch.diag_embed(found.variance))
        first, rest = _parted(found)
        belief = Belief(first.mean, torch.diag_embed(first.variance))
        return chain_moments(belief, rest, lambda mean, t: self._linearise(mean, controls[:, t]))

    def _linearise(self, state: Tensor, control: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The transition's mean and variances ``[B, Dz]`` and its slope in the state ``[B, Dz, Dz]``."""
        following = self._move(state, control)
        _, slopes = mlp_jacobian(self.dynamics.network, torch.cat((state, control), -1))
        eye = torch.eye(self.state_size, dtype=state.dtype, device=state.device)
        return following.mean, following.variance, eye + slopes[:, : self.state_size, : self.state_size]

    def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
        return continued(self.dynamics, state, action / self.control_scale)

    def frozen(self) -> FrozenResidual:
        return FrozenResidual(self.dynamics, self.control_scale)

    def step(self, states: Tensor, controls: Tensor) -> tuple[Tensor, Tensor]:
        following = continued(self.dynamics, states, controls)
        return following.mean, torch.diag_embed(following.variance)

    def _move(self, state: Tensor, control: Tensor) -> DiagonalGaussian:
        return moved(self.dynamics, state, control)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {
            "encoder": list(self.recognition.parameters()),
            "decoder": list(self.decoder.parameters()),
            "emission_noise": [self.log_sigma],
            "transition": list(self.dynamics.parameters()),
            "prior": list(self.initial_distribution.parameters()),
        }


def _parted(found: DiagonalGaussian) -> tuple[DiagonalGaussian, DiagonalGaussian]:
    """Normals ``[B, T, Dz]`` as that of the first step ``[B, Dz]`` and those of the later ones ``[B, T - 1, Dz]``."""
    first, rest = (DiagonalGaussian(found.mean[:, t], found.variance[:, t]) for t in (0, slice(1, None)))
    return first, rest
