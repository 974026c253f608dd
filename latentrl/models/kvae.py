"""The Kalman variational autoencoder (Fraccaro et al. 2017) as Latent Matters describes it (4.2, 4.4.3, Table A.5).

    h_t = LSTM(a_1:t)
    p(z_t | z_{t-1}, h_{t-1}, u_{t-1}) = N(F z + B u, Q)   F, B, Q mixed from base matrices by alpha(h_{t-1})
    p(a_t | z_t, h_{t-1})              = N(H z, R)         H mixed alike, or the rectangular identity
    p(x_t | a_t), q(a_t | x_t)                             decoder, encoder: as in the EKVAE

Given a_1:T the model is linear and Gaussian: Kalman filter and smoother are exact, and no trajectory of z need be drawn
for the rate. The price is that z is not Markovian: what h knows, z need not.

A planner's state is therefore ``(z_t, r_t, h_{t-1}, c_{t-1})`` of sizes Dz, Da and twice the LSTM's. The residual
``r_t = a_t - H z_t`` is what the frame said beyond z, and zero in imagination: from it the transition knows the a_t
that the memory takes in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from latentrl.inference import kalman
from latentrl.inference.backends import REFERENCE, Backend
from latentrl.models.base import WorldModel
from latentrl.models.capabilities import Sampled
from latentrl.models.frame_autoencoder import FrameAutoencoder
from latentrl.models.spec import DataSpec
from latentrl.networks import NetworkName
from latentrl.networks.columns import Cell, Layers, Step, follow_columns, parameters_of
from latentrl.networks.dense import mlp, mlp_jacobian
from latentrl.networks.recurrence import PackedGaussian, Recurrence
from latentrl.numerics.distributions import (
    DiagonalGaussian,
    PixelGaussian,
    cholesky,
    diagonal_log_prob,
    gaussian_log_prob,
    sample_gaussian,
)
from latentrl.numerics.rolling import follow, is_plain
from latentrl.numerics.slopes import slopes
from latentrl.priors.base import InitialDistribution
from latentrl.types import Belief, RateDistortion, Sequences


@dataclass(frozen=True)
class KVAESettings:
    """Sizes and variants of a KVAE; the defaults are those of Table A.5, whose system has one joint.

    Attributes:
        state_size: Dz.
        position_size: Da.
        base_matrices: M.
        recurrent_hidden: units of the LSTM over a ("dynamics parameter network").
        gate_hidden: hidden layers of the alpha network, which reads the LSTM's output.
        hidden: fully connected hidden layers of encoder and (reversed) decoder.
        prior: initial distribution, ``"vhp"``, ``"normal"`` or ``"vamp"``.
        prior_hidden: hidden layers of the prior's two networks.
        samples: importance samples of the VHP's bound; one as in the source.
        emission: H, ``"identity"`` as in the EKVAE, so that the leading dimensions of z are the position; or, as in the
            source, ``"mixed"``.
        initial_sigma: standard deviation of p(x | a) at the start, in units of the observation.
        noise_floor: added to every learned variance.
        standardise: encoder and decoder work on standardised observations (:mod:`latentrl.networks.standardisation`).
        each_reading: where they do, every dimension has a scale of its own, which its errors and sigma are in units of.
        network: encoder and decoder: see :class:`latentrl.models.ekvae.EKVAESettings`.
    """

    state_size: int = 3
    position_size: int = 2
    base_matrices: int = 16
    recurrent_hidden: int = 64
    gate_hidden: tuple[int, ...] = (64,)
    hidden: tuple[int, ...] = (128, 128, 128)
    prior: str = "vhp"
    prior_hidden: tuple[int, ...] = (64, 64)
    samples: int = 1
    emission: Literal["mixed", "identity"] = "identity"
    initial_sigma: float = 0.3
    noise_floor: float = 1e-10
    standardise: bool = False
    each_reading: bool = False
    network: NetworkName = "dense"


class Matrices(NamedTuple):
    """A linear-Gaussian model for each of ``[...]`` memories."""

    dynamics: Tensor  # [F | B]  [..., Dz, Dz + Du]
    noise: Tensor  # the diagonal of Q [..., Dz]
    emission: Tensor  # H [..., Da, Dz]

    def predict(self, state: Tensor, control: Tensor) -> Tensor:
        """F z + B u ``[..., Dz]`` for ``state [..., Dz]`` and ``control [..., Du]``."""
        return (self.dynamics @ torch.cat((state, control), -1).unsqueeze(-1)).squeeze(-1)

    def position(self, state: Tensor) -> Tensor:
        """H z ``[..., Da]`` for ``state [..., Dz]``."""
        return (self.emission @ state.unsqueeze(-1)).squeeze(-1)


class Parts(NamedTuple):
    """What a packed state holds."""

    state: Tensor  # z_t [..., Dz]
    residual: Tensor  # a_t - H z_t [..., Da]
    memory: Tensor  # (h, c)_{t-1}


class KVAE(FrameAutoencoder, WorldModel):
    """The Kalman variational autoencoder, linear given an LSTM's memory (Latent Matters, 4.4.3; Table A.5).

    The Kalman recursion runs in float64, the networks in float32; ``backend`` computes it, PyTorch unless a training
    sets another. Its states are ``(z_t, r_t, h_{t-1}, c_{t-1})``.

    Args:
        spec: of the data.
        settings: sizes and variants; the defaults if None.
    """

    settings: KVAESettings
    backend: Backend = REFERENCE
    spec: DataSpec
    recurrence: Recurrence
    gate: nn.Sequential
    state_size: int
    position_size: int
    state_matrices: nn.Parameter
    control_matrices: nn.Parameter
    log_noise: nn.Parameter
    log_emission_noise: nn.Parameter
    filter_mean: nn.Parameter
    log_filter_variance: nn.Parameter
    initial_distribution: InitialDistribution
    log_sigma: nn.Parameter

    def __init__(self, spec: DataSpec, settings: KVAESettings | None = None) -> None:
        super().__init__()
        settings = settings or KVAESettings()
        if not 0 < settings.position_size <= settings.state_size:
            raise ValueError(f"position_size must lie in 1..state_size; got {settings.position_size}")
        self.spec, self.settings = spec, settings
        size, observed, count = settings.state_size, settings.position_size, settings.base_matrices
        networks = settings.network, settings.hidden, observed
        self.make_networks(spec, *networks, settings.standardise, settings.each_reading)
        self.recurrence = Recurrence(observed, settings.recurrent_hidden)
        self.gate = mlp((settings.recurrent_hidden, *settings.gate_hidden, count))
        self.state_size = size + observed + self.recurrence.memory_size
        # With a mixed H no dimension of z is the position's.
        self.position_size = observed if settings.emission == "identity" else size
        eye = torch.eye(size).expand(count, -1, -1)
        self.state_matrices = nn.Parameter(eye + 0.05 * torch.randn(count, size, size))
        self.control_matrices = nn.Parameter(0.05 * torch.randn(count, size, spec.action_size))
        self.log_noise = nn.Parameter(torch.full((count, size), 2 * math.log(0.1)))
        projection = torch.eye(observed, size)
        if settings.emission == "mixed":
            self.emission_matrices: Tensor = nn.Parameter(projection + 0.05 * torch.randn(count, observed, size))
        else:
            self.register_buffer("emission_matrices", projection)
        self.log_emission_noise = nn.Parameter(2 * torch.full((observed,), 0.1).log())
        self.filter_mean = nn.Parameter(torch.zeros(size))
        self.log_filter_variance = nn.Parameter(torch.zeros(size))
        self.initial_distribution = self.make_prior(settings.prior, settings.prior_hidden)
        self.log_sigma = nn.Parameter(torch.tensor(settings.initial_sigma).log())
        self.register_buffer("control_scale", torch.tensor(spec.action_scale))
        self.control_scale: Tensor

    def use_backend(self, backend: Backend) -> None:
        self.backend = backend

    @property
    def latent_size(self) -> int:
        return self.settings.state_size

    # -- the linear-Gaussian model given the memory --------------------------------------------------------------------

    def matrices(self, output: Tensor, dtype: torch.dtype = torch.float64) -> Matrices:
        """F, B, Q into z_t and H of a_t for the LSTM's output ``h_{t-1} [..., hidden]``."""
        alpha = self.gate(output).softmax(-1).to(dtype)
        size = self.latent_size
        dynamics = torch.cat((self.state_matrices, self.control_matrices), -1).to(dtype)
        emission = self.emission_matrices.to(dtype)
        if emission.dim() == 3:
            emission = (alpha @ emission.flatten(1)).unflatten(-1, (-1, size))
        noise = self.log_noise.to(dtype).exp() + self.settings.noise_floor
        return Matrices((alpha @ dynamics.flatten(1)).unflatten(-1, (size, -1)), alpha @ noise, emission)

    def emission_variance(self) -> Tensor:
        """The diagonal of R ``[Da]``, float64, Eq. 4.17."""
        return self.log_emission_noise.double().exp() + self.settings.noise_floor

    def filter_prior(self, batch: int) -> Belief:
        """The learned N(m_0, P_0) that the filter starts from, before it has seen x_1."""
        variance = self.log_filter_variance.double().exp() + self.settings.noise_floor
        return Belief(self.filter_mean.double().expand(batch, -1), variance.diag().expand(batch, -1, -1))

    def run_filter(self, positions: Tensor, controls: Tensor, matrices: Matrices) -> kalman.Filtered:
        """The Kalman filter over pseudo-observations a ``[B, T, Da]``, ``matrices`` over ``[B, T]``; float64."""
        noise, dynamics, noises = self.emission_variance().diag(), matrices.dynamics[:, 1:], matrices.noise[:, 1:]
        prior = self.filter_prior(1)
        return self.backend.filter_linear(prior, positions, controls, matrices.emission, noise, dynamics, noises)

    def log_evidence(self, positions: Tensor, run: kalman.Filtered, matrices: Matrices) -> Tensor:
        """log p(a_1:T | u) ``[B]`` with z_1 ~ N(m_0, P_0), from the filter's innovations."""
        emission, (mean, covariance) = matrices.emission, run.predicted
        innovation = emission @ covariance @ emission.mT + self.emission_variance().diag()
        return gaussian_log_prob(positions, matrices.position(mean), cholesky(innovation)).sum(1)

    # -- inference ---------------------------------------------------------------------------------------------------

    def unpack(self, state: Tensor) -> Parts:
        """The parts of a packed state ``[..., state_size]``."""
        sizes = (self.settings.state_size, self.settings.position_size, self.recurrence.memory_size)
        return Parts(*state.split(sizes, -1))

    def smooth(self, observations: Tensor, actions: Tensor) -> Belief:
        """The Kalman smoother ``[B, T]`` on the means of q(a | x)."""
        self.check_observation(observations)
        positions = self.encode(observations).mean
        memory = [self.recurrence.empty(len(positions))]
        for position in positions[:, :-1].unbind(1):
            memory.append(self.recurrence.step(position, memory[-1]))
        memories = torch.stack(memory, 1)
        matrices = self.matrices(self.recurrence.output(memories))
        run = self.run_filter(positions.double(), (actions / self.control_scale).double(), matrices)
        return self._pack(self.backend.smooth(run), positions, memories, matrices)

    def initial_belief(self, observation: Tensor) -> Belief:
        self.check_observation(observation)
        memory = self.recurrence.empty(len(observation))
        return self._update(self.filter_prior(len(observation)), observation, memory)

    def filter(self, belief: Belief, action: Tensor, observation: Tensor | None) -> Belief:
        mean = belief.mean.double()
        state, memory = self.unpack(mean).state, self._remember(mean)
        matrices = self.matrices(self.recurrence.output(memory))
        transition = matrices.dynamics[..., : self.latent_size]
        control = (action / self.control_scale).double()
        predicted = kalman.predict_around(
            matrices.predict(state, control), belief.covariance.double(), transition, torch.diag_embed(matrices.noise)
        )
        if observation is None:
            predicted = kalman.no_wider(predicted, self.filter_prior(len(predicted.mean)))
            return self._pack(predicted, matrices.position(predicted.mean), memory, matrices)
        self.check_observation(observation)
        return self._update(predicted, observation, memory)

    def _update(self, predicted: Belief, observation: Tensor, memory: Tensor) -> Belief:
        position, matrices = self.encode(observation).mean, self.matrices(self.recurrence.output(memory))
        noise = self.emission_variance().diag()
        belief = kalman.update(predicted, position.double(), matrices.emission, noise)
        return self._pack(belief, position, memory, matrices)

    def _pack(self, belief: Belief, positions: Tensor, memory: Tensor, matrices: Matrices) -> Belief:
        residual = positions.double() - matrices.position(belief.mean)
        return Belief(torch.cat((belief.mean, residual, memory.double()), -1), belief.covariance)

    def split(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """Position ``[..., Da]`` and velocity ``[..., Dz - Da]`` of ``state [..., state_size]``; none if H is mixed."""
        return state[..., : self.position_size], state[..., self.position_size : self.latent_size]

    def _position(self, parts: Parts) -> Tensor:
        """a_t ``[..., Da]`` of a state."""
        output = self.recurrence.output(parts.memory.float())
        return self.matrices(output, parts.state.dtype).position(parts.state) + parts.residual

    def _remember(self, state: Tensor) -> Tensor:
        """The memory ``(h, c)_t``, float32, that goes with the transition from a packed state."""
        parts = self.unpack(state)
        return self.recurrence.step(self._position(parts).float(), parts.memory.float())

    # -- learning ----------------------------------------------------------------------------------------------------

    def rate_distortion(self, batch: Sequences, generator: torch.Generator | None = None) -> RateDistortion:
        return self.sampled_rate_distortion(batch, generator).terms

    def sampled_rate_distortion(self, batch: Sequences, generator: torch.Generator | None = None) -> Sampled:
        posterior = self.encode(batch.observations)
        positions = posterior.rsample(generator)
        error = self.squared_error(positions, batch.observations)
        distortion = self.distortion(error)
        rate, states = self.sampled_rate(posterior, positions, batch.actions, generator)
        return Sampled(RateDistortion(rate.float(), distortion.sum(1), error.mean(1)), states, posterior.mean)

    def rate(
        self,
        posterior: DiagonalGaussian,
        positions: Tensor,
        actions: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """The rate ``[B]`` in nats, float64, for a sample ``positions [B, T, Da]`` of ``posterior``.

            log q(a | x) - log p~(a | u) + log N(z_1; m_0, P_0) - F_VHP(z_1),    z_1 ~ p(z_1 | a_1:T, u)

        p~ is the model with the filter's Gaussian N(m_0, P_0) in the place of p(z_1): its evidence is the filter's, and
        stands for all terms in z_2:T of the bound, whatever trajectory one would draw.
        """
        return self.sampled_rate(posterior, positions, actions, generator)[0]

    def sampled_rate(
        self, posterior: DiagonalGaussian, positions: Tensor, actions: Tensor, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """The :meth:`rate`, and z ``[B, T, Dz]``, float64, each step drawn from its own smoothed marginal."""
        matrices = self.matrices(self.recurrence(positions))
        a, controls = positions.double(), (actions / self.control_scale).double()
        run = self.run_filter(a, controls, matrices)
        smoothed = self.backend.smooth(run)
        states, _ = sample_gaussian(smoothed.mean, cholesky(smoothed.covariance), generator)
        initial = states[:, 0]
        started = self.filter_prior(len(positions))
        stand_in = diagonal_log_prob(initial, started.mean, started.covariance.diagonal(dim1=-2, dim2=-1))
        prior = self.prior_bound(initial.float(), generator).double()
        encoded = posterior.log_prob(positions).sum(1).double()
        return encoded - self.log_evidence(a, run, matrices) + stand_in - prior, states

    # -- prediction and control --------------------------------------------------------------------------------------

    def initial_states(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        initial = self.initial_distribution.sample(count, generator)
        return torch.cat((initial, initial.new_zeros(count, self.state_size - self.latent_size)), -1)

    def transition(self, state: Tensor, action: Tensor) -> PackedGaussian:
        state, memory = state.float(), self._remember(state)
        matrices = self.matrices(self.recurrence.output(memory), torch.float32)
        parts = self.unpack(state)
        mean = matrices.predict(parts.state, action / self.control_scale)
        known = torch.cat((torch.zeros_like(parts.residual), memory), -1)
        return PackedGaussian(DiagonalGaussian(mean, matrices.noise), known)

    @torch.no_grad()
    def rollout(self, state: Tensor, actions: Tensor) -> Tensor:
        """Mean states ``[..., H, Dz + K]`` after ``actions [..., H, Du]`` from ``state [..., Dz + K]``; no gradient."""
        controls = actions / self.control_scale
        state = state.float().expand(*actions.shape[:-2], state.shape[-1])
        if self.emission_matrices.dim() == 2 and is_plain(state, controls):
            return follow_columns(self._columns, state, controls)
        return follow(lambda state, action: self.transition(state, action).mean, state, actions)

    @torch.no_grad()
    def jacobians(self, state: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """Slopes of the mean in the state ``[..., Dz + K, Dz + K]`` and the action ``[..., Dz + K, Du]``; no gradient.

        By automatic differentiation where H is mixed.
        """
        if self.emission_matrices.dim() == 3 or not is_plain(state, action):
            return slopes(lambda *inputs: self.transition(*inputs).mean, state, action)
        size, observed, lead = self.latent_size, self.settings.position_size, state.shape[:-1]
        parts = self.unpack(state.float().reshape(-1, state.shape[-1]))
        controls = (action / self.control_scale).float().reshape(-1, action.shape[-1])
        # The memory takes in a_t, the sum of z_t's position and the residual.
        memory, by_inputs = self.recurrence.step_jacobian(parts.state[:, :observed] + parts.residual, parts.memory)
        by_position, by_memory = by_inputs.split((observed, parts.memory.shape[-1]), -1)
        logits, of_gate = mlp_jacobian(self.gate, self.recurrence.output(memory))
        alpha, inputs = logits.softmax(-1), torch.cat((parts.state, controls), -1)
        bases = torch.cat((self.state_matrices, self.control_matrices), -1)
        each = torch.einsum("mij,nj->nim", bases, inputs)
        # Of the softmax: what a base's share adds is how far it leads from where all lead.
        of_share = (each - each @ alpha.unsqueeze(-1)) * alpha.unsqueeze(1)
        of_output = of_share @ of_gate
        mixed = (alpha @ bases.flatten(1)).unflatten(-1, (size, -1))
        found = state.new_zeros(len(inputs), self.state_size, self.state_size, dtype=mixed.dtype)
        found[:, :size, :size] = mixed[:, :, :size]
        found[:, size + observed :, size + observed :] = by_memory
        found[:, :size, size + observed :] = of_output @ by_memory[:, : self.recurrence.hidden]
        for columns in (slice(observed), slice(size, size + observed)):
            found[:, size + observed :, columns] = by_position
            found[:, :size, columns] += of_output @ by_position[:, : self.recurrence.hidden]
        by_action = found.new_zeros(len(inputs), self.state_size, controls.shape[-1])
        by_action[:, :size] = mixed[:, :, size:] / self.control_scale
        by_state, by_action = (one.view(*lead, *one.shape[1:]) for one in (found, by_action))
        return by_state.to(state), by_action.to(action)

    def _columns(self, count: int) -> Step:
        """A step of ``count`` states that are columns; for H = identity."""
        size, observed = self.latent_size, self.settings.position_size
        known = size + observed
        cell, gate = Cell(self.recurrence, count), Layers(parameters_of(self.gate), count)
        bases = torch.cat((self.state_matrices, self.control_matrices), -1).detach().flatten(1).T.contiguous()
        inputs = bases.new_empty(size + self.spec.action_size, count)

        def step(state: Tensor, control: Tensor, following: Tensor) -> None:
            output = cell(state[:observed] + state[size:known], state[known:], following[known:])
            inputs[:size], inputs[size:] = state[:size], control
            mixed = (bases @ gate(output).softmax(0)).unflatten(0, (size, -1))
            torch.sum(mixed.mul_(inputs), 1, out=following[:size])
            following[size:known] = 0.0

        return step

    def emission(self, state: Tensor) -> PixelGaussian:
        return self.around(self.decode(self._position(self.unpack(state))))

    def encode_goal(self, observations: Tensor, actions: Tensor | None = None) -> Tensor:
        """With H = identity as the EKVAE's. With a mixed H the goal ``[Dz]`` of one image is a whole z: the one that a
        motionless sequence of that frame ends in.

        Raises:
            ValueError: ``actions`` are given and H is mixed: no dimensions of z are the velocity's.
        """
        self.check_observation(observations)
        split = self.settings.emission == "identity"
        if actions is None and split:
            return self.encode(observations).mean
        if actions is None:
            return self._smoothed_latents(*self.motionless(observations))[-1]
        if not split:
            raise ValueError("a KVAE with mixed H does not tell velocity from position: it has no velocity goals")
        return self._smoothed_latents(observations[None], actions[None])[:, self.position_size :].mean(0)

    def _smoothed_latents(self, observations: Tensor, actions: Tensor) -> Tensor:
        """z ``[T, Dz]`` of one sequence, a batch of its own; float32."""
        return self.smooth(observations, actions).mean[0, :, : self.latent_size].float()

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        mixed = [self.emission_matrices] if isinstance(self.emission_matrices, nn.Parameter) else []
        return {
            "encoder": list(self.encoder.parameters()),
            "decoder": list(self.decoder.parameters()),
            "emission_noise": [self.log_sigma],
            "transition": [
                *self.recurrence.parameters(),
                *self.gate.parameters(),
                self.state_matrices,
                self.control_matrices,
                *mixed,
            ],
            "noise": [self.log_noise, self.log_emission_noise, self.filter_mean, self.log_filter_variance],
            "prior": list(self.initial_distribution.parameters()),
        }
