"""The recurrent state-space model (Hafner et al. 2019) in the variant of Latent Matters, 4.4.3 and Table A.6.

    h_t = LSTM(z_1:t, u_1:t)                      deterministic state
    p(z_1), p(z_t | h_{t-1})                      initial distribution, prior: an MLP's normal
    q(z_t | h_{t-1}, x_t:T, u_t:T)                a backward LSTM over the frames, and h
    p(x_t | z_t)                                  decoder: it sees z alone

The path through h is not squeezed through z, so z is not Markovian: what h knows, z need not. A planner's state is
therefore ``(z_t, h_{t-1}, c_{t-1})`` of sizes Dz and twice the LSTM's: the memory has not taken z_t in yet, as that
happens together with u_t. The decoder reads the leading ``position_size`` dimensions of z, the position; in the
source all of them.

Online, the same recognition network is asked about one frame after another, as it is in training at t = T:
q(z_t | h_{t-1}, x_t), with h from the means of what was inferred before.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from latentrl.models.base import WorldModel, drawn_beginning
from latentrl.models.capabilities import Sampled
from latentrl.models.scaled import ScaledObservations
from latentrl.models.spec import DataSpec
from latentrl.networks.columns import Cell, Layers, Step, follow_columns, parameters_of
from latentrl.networks.dense import DiagonalGaussianMLP, VectorDecoder, mlp_jacobian
from latentrl.networks.recognition import RecurrentFeatures
from latentrl.networks.recurrence import PackedGaussian, Recurrence
from latentrl.numerics.distributions import (
    DiagonalGaussian,
    PixelGaussian,
    diagonal_kl,
    standard_normal_like,
)
from latentrl.numerics.rolling import all_recorded, follow, is_plain
from latentrl.numerics.slopes import slopes
from latentrl.priors.base import InitialDistribution
from latentrl.types import Belief, RateDistortion, Sequences


@dataclass(frozen=True)
class RSSMSettings:
    """Sizes and variants of an RSSM; the defaults are those of Table A.6, whose system has one joint.

    Attributes:
        state_size: Dz.
        position_size: Da, leading dimensions of z that are decoded: the position; None decodes all of it.
        recurrent_hidden: units of the deterministic state's LSTM.
        transition_hidden: hidden layers of p(z_t | h_{t-1}).
        recognition_hidden: units of the backward LSTM over the frames.
        head_hidden: hidden layers between that and q(z_t | ...).
        decoder_hidden: hidden layers of the decoder.
        prior: initial distribution, ``"vhp"``, ``"normal"`` or ``"vamp"``.
        prior_hidden: hidden layers of the initial distribution's two networks.
        samples: importance samples of the VHP's bound; one as in the source.
        initial_sigma: standard deviation of p(x | z) at the start, in units of the observation.
        standardise: the networks see standardised observations (:mod:`latentrl.networks.standardisation`).
        each_reading: where they do, every dimension has a scale of its own, which its errors and sigma are in units of.
        shortest: frames of a sequence's beginning that a gradient step sees, at least; how many is drawn. 0: all.
    """

    state_size: int = 3
    position_size: int | None = None
    recurrent_hidden: int = 64
    transition_hidden: tuple[int, ...] = (128, 128, 128)
    recognition_hidden: int = 128
    head_hidden: tuple[int, ...] = (64,)
    decoder_hidden: tuple[int, ...] = (128, 128, 128)
    prior: str = "vhp"
    prior_hidden: tuple[int, ...] = (64, 64)
    samples: int = 1
    initial_sigma: float = 0.3
    standardise: bool = False
    each_reading: bool = False
    shortest: int = 0


class RSSM(ScaledObservations, WorldModel):
    """The recurrent state-space model (Hafner et al. 2019; Latent Matters, 4.4.3 and Table A.6).

    Its states are ``(z_t, h_{t-1}, c_{t-1})``, of which the first ``latent_size`` dimensions are z.

    Args:
        spec: of the data.
        settings: sizes and variants; the defaults if None.
    """

    settings: RSSMSettings
    spec: DataSpec
    recurrence: Recurrence
    prior_network: DiagonalGaussianMLP
    recurrent: RecurrentFeatures
    head: DiagonalGaussianMLP
    position_size: int
    decoder: VectorDecoder
    initial_distribution: InitialDistribution
    log_sigma: nn.Parameter
    state_size: int

    def __init__(self, spec: DataSpec, settings: RSSMSettings | None = None) -> None:
        super().__init__()
        settings = settings or RSSMSettings()
        self.spec, self.settings = spec, settings
        size, actions, hidden = settings.state_size, spec.action_size, settings.recurrent_hidden
        n_in = int(torch.Size(spec.observation_shape).numel())
        self.recurrence = Recurrence(size + actions, hidden)
        self.prior_network = DiagonalGaussianMLP(hidden, settings.transition_hidden, size, log_variance=-2.0)
        self.recurrent = RecurrentFeatures(n_in, actions, settings.recognition_hidden, "backward")
        n_features = self.recurrent.features + hidden
        self.head = DiagonalGaussianMLP(n_features, settings.head_hidden, size, log_variance=-4.0)
        self.position_size = size if settings.position_size is None else settings.position_size
        if not 0 < self.position_size <= size:
            raise ValueError(f"position_size must lie in 1..state_size; got {settings.position_size}")
        self.decoder = VectorDecoder(self.position_size, settings.decoder_hidden, spec.observation_shape)
        self.initial_distribution = self.make_prior(settings.prior, settings.prior_hidden)
        self.log_sigma = nn.Parameter(torch.tensor(settings.initial_sigma).log())
        self.standardise_observations(settings.standardise, settings.each_reading)
        self.state_size = size + self.recurrence.memory_size
        self.register_buffer("control_scale", torch.tensor(spec.action_scale))
        self.control_scale: Tensor

    @property
    def latent_size(self) -> int:
        return self.settings.state_size

    # -- inference ---------------------------------------------------------------------------------------------------

    def recognise(self, features: Tensor, memory: Tensor) -> DiagonalGaussian:
        """q(z_t | h_{t-1}, x_t:T, u_t:T) ``[..., Dz]`` for a summary of the frames and a memory ``(h, c)_{t-1}``."""
        return self.head(torch.cat((features, self.recurrence.output(memory)), -1))

    def remember(self, latent: Tensor, control: Tensor, memory: Tensor) -> Tensor:
        """The memory ``(h, c)_t`` ``[..., K]`` after z_t ``[..., Dz]`` and u_t ``[..., Du]``."""
        return self.recurrence.step(torch.cat((latent, control), -1), memory)

    def smooth(self, observations: Tensor, actions: Tensor) -> Belief:
        """Means and variances ``[B, T]`` of q along the path of its means."""
        self.check_observation(observations)
        controls = actions / self.control_scale
        features = self.recurrent(self.seen(observations), controls)
        memory = self.recurrence.empty(len(observations))
        means, variances = [], []
        for t in range(observations.shape[1]):
            posterior = self.recognise(features[:, t], memory)
            means.append(torch.cat((posterior.mean, memory), -1))
            variances.append(posterior.variance)
            if t + 1 < observations.shape[1]:
                memory = self.remember(posterior.mean, controls[:, t], memory)
        return Belief(torch.stack(means, 1).double(), torch.diag_embed(torch.stack(variances, 1)).double())

    def initial_belief(self, observation: Tensor) -> Belief:
        return self._look(observation, self.recurrence.empty(len(observation)))

    def filter(self, belief: Belief, action: Tensor, observation: Tensor | None) -> Belief:
        """q(z_t | h_{t-1}, x_t) for ``action [B, Du]`` and ``observation [B, ...]``; without one p(z_t | h_{t-1}).

        The variance of the latter does not depend on how uncertain the last belief was.
        """
        memory = self._advance(belief.mean.float(), action)
        if observation is not None:
            return self._look(observation, memory)
        prior = self.prior_network(self.recurrence.output(memory))
        return _belief(prior, memory)

    def _look(self, observation: Tensor, memory: Tensor) -> Belief:
        self.check_observation(observation)
        frame = self.seen(observation).unsqueeze(1)
        none = frame.new_zeros(len(frame), 0, self.spec.action_size)
        return _belief(self.recognise(self.recurrent(frame, none)[:, 0], memory), memory)

    def _advance(self, state: Tensor, action: Tensor) -> Tensor:
        """The memory ``(h, c)_t`` that goes with the transition from a packed state."""
        return self._continued(state, action / self.control_scale)

    def _remembered(self, state: Tensor, control: Tensor) -> Tensor:
        """The same for controls in units of the training data's largest, of which none is larger."""
        return self.remember(state[..., : self.latent_size], control, state[..., self.latent_size :])

    def _continued(self, state: Tensor, control: Tensor) -> Tensor:
        """The same for any controls: linear beyond the training data's, where the gates have learned nothing."""
        excess = control.abs().amax(-1, keepdim=True).clamp(min=1.0)
        inside = control / excess
        # At once, so that what the memory gives to the gates is computed once.
        ahead, back = self._remembered(state.expand(2, *state.shape), torch.stack((inside, -inside)))
        return torch.where(excess > 1, 0.5 * (ahead + back + excess * (ahead - back)), ahead)

    # -- learning ----------------------------------------------------------------------------------------------------

    def rate_distortion(self, batch: Sequences, generator: torch.Generator | None = None) -> RateDistortion:
        return self.sampled_rate_distortion(batch, generator).terms

    def sampled_rate_distortion(self, batch: Sequences, generator: torch.Generator | None = None) -> Sampled:
        shortest = self.settings.shortest if self.training else 0
        shown = drawn_beginning(batch, shortest, generator)
        target, share = self.to_unit(shown.observations), shown.length / batch.length
        states, rate = self.sample_posterior(self.seen(target), shown.actions / self.control_scale, generator)
        error = self.mean_error(self.decode(states), target)
        terms = RateDistortion(rate / share, self.distortion(error).sum(1) / share, error.mean(1))
        return Sampled(terms, states, states[..., : self.position_size])

    def sample_posterior(
        self, observations: Tensor, controls: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """A sample z_1:T ``[B, T, Dz]`` of the posterior and the rate at it ``[B]`` in nats.

        The rate is log q(z_1) - F_VHP(z_1) + sum_t KL(q(z_t | h_{t-1}, x_t:T, u) || p(z_t | h_{t-1})).
        """
        features = self.recurrent(observations, controls).unbind(1)
        control = controls.unbind(1)
        memory = self.recurrence.empty(len(observations))
        noise = standard_normal_like(observations.new_empty(*observations.shape[:2], self.latent_size), generator)
        states, posteriors, memories = [], [], []
        for t, step_noise in enumerate(noise.unbind(1)):
            posterior = self.recognise(features[t], memory)
            state = posterior.mean + posterior.variance.sqrt() * step_noise
            states.append(state)
            posteriors.append(posterior)
            memories.append(memory)
            if t < len(control):
                memory = self.remember(state, control[t], memory)
        first = posteriors[0].log_prob(states[0]) - self.prior_bound(states[0], generator)
        if len(states) == 1:
            return torch.stack(states, 1), first
        later = DiagonalGaussian(
            torch.stack([p.mean for p in posteriors[1:]], 1), torch.stack([p.variance for p in posteriors[1:]], 1)
        )
        # The prior needs nothing but the memories: all its steps go at once.
        prior = self.prior_network(self.recurrence.output(torch.stack(memories[1:], 1)))
        return torch.stack(states, 1), first + diagonal_kl(later, prior).sum(1)

    # -- prediction and control --------------------------------------------------------------------------------------

    def decode(self, states: Tensor) -> Tensor:
        """Mean of p(x | z) for ``states [..., Dz]``, of which the position is decoded."""
        flat = self.decoder(states[..., : self.position_size].reshape(-1, self.position_size).float())
        return self.drawn(flat).reshape(*states.shape[:-1], *self.spec.observation_shape)

    def initial_states(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        initial = self.initial_distribution.sample(count, generator)
        return torch.cat((initial, self.recurrence.empty(count)), -1)

    def transition(self, state: Tensor, action: Tensor) -> PackedGaussian:
        memory = self._advance(state.float(), action)
        return PackedGaussian(self.prior_network(self.recurrence.output(memory)), memory)

    @torch.no_grad()
    def rollout(self, state: Tensor, actions: Tensor) -> Tensor:
        """Mean states ``[..., H, Dz + K]`` after ``actions [..., H, Du]`` from ``state [..., Dz + K]``; no gradient.

        Where no action is larger than those of the training data, the memory is not continued beyond them: half of its
        work.
        """
        controls = actions / self.control_scale
        state = state.float().expand(*actions.shape[:-2], state.shape[-1])
        if is_plain(state) and all_recorded(controls):
            return follow_columns(self._columns, state, controls)

        def step(state: Tensor, control: Tensor) -> Tensor:
            memory = self._continued(state, control)
            return torch.cat((self.prior_network(self.recurrence.output(memory)).mean, memory), -1)

        return follow(step, state, controls)

    @torch.no_grad()
    def jacobians(self, state: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """Slopes of the mean in the state ``[..., Dz + K, Dz + K]`` and the action ``[..., Dz + K, Du]``; no gradient.

        By automatic differentiation where an action is larger than those of the training data, or not on the processor.
        """
        controls = action / self.control_scale
        if not (is_plain(state) and all_recorded(controls)):
            return slopes(lambda *inputs: self.transition(*inputs).mean, state, action)
        size, lead = self.latent_size, state.shape[:-1]
        latent, memory = state.float().reshape(-1, state.shape[-1]).split((size, self.recurrence.memory_size), -1)
        inputs = torch.cat((latent, controls.reshape(-1, controls.shape[-1]).to(latent)), -1)
        memory, of_memory = self.recurrence.step_jacobian(inputs, memory)
        _, of_latent = mlp_jacobian(self.prior_network.network, self.recurrence.output(memory), size)
        by_control = of_memory[..., size : size + self.spec.action_size] / self.control_scale
        by_action = torch.cat((of_latent @ by_control[:, : self.recurrence.hidden], by_control), 1)
        by_state = of_memory.new_empty(len(latent), self.state_size, self.state_size)
        by_state[:, size:, :size] = of_memory[..., :size]
        by_state[:, size:, size:] = of_memory[..., size + self.spec.action_size :]
        by_state[:, :size] = of_latent @ by_state[:, size : size + self.recurrence.hidden]
        by_state, by_action = (one.view(*lead, *one.shape[1:]) for one in (by_state, by_action))
        return by_state.to(state), by_action.to(action)

    def _columns(self, count: int) -> Step:
        """A step of ``count`` states that are columns, within the training data's controls."""
        size = self.latent_size
        cell, prior = Cell(self.recurrence, count), Layers(parameters_of(self.prior_network.network, size), count)
        inputs = self.control_scale.new_empty(self.recurrence.input_size, count)

        def step(state: Tensor, control: Tensor, following: Tensor) -> None:
            inputs[:size], inputs[size:] = state[:size], control
            prior(cell(inputs, state[size:], following[size:]), following[:size])

        return step

    def emission(self, state: Tensor) -> PixelGaussian:
        return self.around(self.decode(state[..., : self.latent_size]))

    def encode_goal(self, observations: Tensor, actions: Tensor | None = None) -> Tensor:
        """The goal position ``[Da]`` of one image: where a sequence of that frame, with no action, ends.

        Where all of z is decoded, it is a whole z: a single frame leaves open what z says of the motion, and the
        motionless sequence says that the goal is to *rest*. With actions, the mean velocity ``[Dz - Da]`` of them.

        Raises:
            ValueError: ``actions`` are given, and no dimensions of z are the velocity's.
        """
        self.check_observation(observations)
        if actions is not None:
            if self.position_size == self.latent_size:
                raise ValueError("an RSSM that decodes all of z does not tell velocity from position")
            smoothed = self.smooth(observations[None], actions[None]).mean[0]
            return smoothed[:, self.position_size : self.latent_size].mean(0).float()
        return self.smooth(*self.motionless(observations)).mean[0, -1, : self.position_size].float()

    def split(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """Position ``[..., Da]`` and velocity ``[..., Dz - Da]`` of ``state [..., state_size]``."""
        return state[..., : self.position_size], state[..., self.position_size : self.latent_size]

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {
            "encoder": [*self.recurrent.parameters(), *self.head.parameters()],
            "decoder": list(self.decoder.parameters()),
            "emission_noise": [self.log_sigma],
            "transition": [*self.recurrence.parameters(), *self.prior_network.parameters()],
            "prior": list(self.initial_distribution.parameters()),
        }


def _belief(latent: DiagonalGaussian, memory: Tensor) -> Belief:
    return Belief(torch.cat((latent.mean, memory), -1).double(), torch.diag_embed(latent.variance).double())
