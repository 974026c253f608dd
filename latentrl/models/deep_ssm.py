"""What DKS and DVBS share: a Markovian deep state-space model.

    p(x_1:T, z_1:T | u_1:T-1) = p(z_1) p(x_1 | z_1) prod_t p(z_t | z_{t-1}, u_{t-1}) p(x_t | z_t)  (Eq. 4.1)

A model adds its transition, its posterior over z_1:T, and the rate. The decoder reads the leading ``position_size``
dimensions of the state: a goal is a position, and the others are what one frame does not show. Where it reads all of
them, as in the source, the state is not split, and a goal is a whole state. Position dimensions are a departure from
the source (docs/dks.md), as are beginnings of sequences in training.

The recognition networks look at whole sequences, so they cannot take one frame after another. Online, states are
filtered in the learned model itself, p(z_t | z_{t-1}, u_{t-1}) and p(x_t | z_t): see
:mod:`latentrl.inference.emission_filter`. Such a belief has no memory besides mean and covariance, takes missing
frames, and does not depend on how long the training sequences were.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

from latentrl.inference.emission_filter import EmissionFilter, predict
from latentrl.models.base import GOAL_FRAMES, WorldModel, drawn_beginning
from latentrl.models.capabilities import Sampled
from latentrl.models.scaled import ScaledObservations
from latentrl.models.spec import DataSpec
from latentrl.networks.dense import VectorDecoder
from latentrl.numerics.distributions import PixelGaussian
from latentrl.types import Belief, RateDistortion, Sequences


class DeepStateSpaceModel(ScaledObservations, WorldModel):
    """A Markovian deep state-space model (Eq. 4.1); a base class.

    It filters online in its own transition and decoder, because its recognition networks read whole sequences.

    Args:
        spec: of the data.
        state_size: Dz.
        position_size: Da, the leading dimensions that are decoded; None: all of them, and the state is not split.
        decoder_hidden: hidden layers of the decoder.
        initial_sigma: standard deviation of p(x | z) at the start, in units of the observation.
    """

    spec: DataSpec
    state_size: int
    position_size: int
    decoder: VectorDecoder
    log_sigma: nn.Parameter

    def __init__(
        self,
        spec: DataSpec,
        state_size: int,
        position_size: int | None,
        decoder_hidden: tuple[int, ...],
        initial_sigma: float,
    ) -> None:
        super().__init__()
        self.spec, self.state_size = spec, state_size
        self.position_size = state_size if position_size is None else position_size
        if not 0 < self.position_size <= state_size:
            raise ValueError(f"position_size must lie in 1..state_size; got {position_size}")
        self.decoder = VectorDecoder(self.position_size, decoder_hidden, spec.observation_shape)
        self.log_sigma = nn.Parameter(torch.tensor(initial_sigma).log())
        self.register_buffer("control_scale", torch.tensor(spec.action_scale))
        self.control_scale: Tensor

    # -- what a model adds -------------------------------------------------------------------------------------------

    @abstractmethod
    def sample_posterior(
        self, observations: Tensor, controls: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """A sample z_1:T ``[B, T, Dz]`` of the posterior and the rate at it ``[B]`` in nats.

        ``observations [B, T, ...]`` are as the networks see them, ``controls [B, T - 1, Du]`` actions on the training
        data's scale.
        """

    @abstractmethod
    def posterior_moments(self, observations: Tensor, controls: Tensor) -> Belief:
        """Means and covariances over ``[B, T]`` of the posterior's marginals, for inputs of `sample_posterior`."""

    @abstractmethod
    def step(self, states: Tensor, controls: Tensor) -> tuple[Tensor, Tensor]:
        """The transition's mean ``[..., Dz]`` and noise covariance ``[..., Dz, Dz]``; inputs as for the posterior."""

    # -- learning and smoothing --------------------------------------------------------------------------------------

    def rate_distortion(self, batch: Sequences, generator: torch.Generator | None = None) -> RateDistortion:
        return self.sampled_rate_distortion(batch, generator).terms

    def sampled_rate_distortion(self, batch: Sequences, generator: torch.Generator | None = None) -> Sampled:
        shown = drawn_beginning(batch, self.settings.shortest, generator) if self.training else batch
        target, share = self.to_unit(shown.observations), shown.length / batch.length
        states, rate = self.sample_posterior(self.seen(target), shown.actions / self.control_scale, generator)
        error = self.mean_error(self.decode(states), target)
        terms = RateDistortion(rate / share, self.distortion(error).sum(1) / share, error.mean(1))
        return Sampled(terms, states, states[..., : self.position_size])

    def smooth(self, observations: Tensor, actions: Tensor) -> Belief:
        self.check_observation(observations)
        belief = self.posterior_moments(self.seen(observations), actions / self.control_scale)
        return Belief(belief.mean.double(), belief.covariance.double())

    def first_belief(self, frames: Tensor) -> Belief:
        """By the recognition networks, asked about a sequence of one frame: the online belief is the prior's own."""
        none = frames.new_zeros(len(frames), 0, self.spec.action_size)
        belief = self.posterior_moments(self.seen(frames).unsqueeze(1), none)
        return Belief(belief.mean[:, 0], belief.covariance[:, 0])

    def decode(self, states: Tensor) -> Tensor:
        """Mean of p(x | z) for ``states [..., Dz]``."""
        position = states[..., : self.position_size]
        flat = self.decoder(position.reshape(-1, self.position_size).float())
        return self.drawn(flat).reshape(*states.shape[:-1], *self.spec.observation_shape)

    def emission(self, state: Tensor) -> PixelGaussian:
        return self.around(self.decode(state))

    # -- online ------------------------------------------------------------------------------------------------------

    def initial_belief(self, observation: Tensor) -> Belief:
        """p(z_1 | x_1) for ``observation [B, ...]``: the prior's samples, weighted by how well they explain it."""
        self.check_observation(observation)
        return self._filter().initial(self.initial_states, self.seen(observation))

    def filter(self, belief: Belief, action: Tensor, observation: Tensor | None) -> Belief:
        control = (action / self.control_scale)[:, None].expand(-1, 2 * self.state_size, -1)
        predicted = predict(belief, lambda states: self.step(states.float(), control))
        if observation is None:
            return predicted
        self.check_observation(observation)
        return self._filter().update(predicted, self.seen(observation))

    def _filter(self) -> EmissionFilter:
        # In units of the networks', where every dimension has one sigma; a tensor, for a number would have to be known
        # when the filter is traced.
        sigma = (self.log_sigma.detach().exp() / self.error_unit()).double()
        return EmissionFilter(self.decoder.body, sigma, position_size=self.position_size)

    def encode_goal(self, observations: Tensor, actions: Tensor | None = None) -> Tensor:
        """The goal position ``[Da]`` of one image: where a sequence of that frame, with no action, is half-way.

        A single frame leaves the velocity open; the motionless sequence says that it is none. With actions, the mean
        velocity ``[Dz - Da]`` of a sequence.

        Raises:
            ValueError: ``actions`` are given, and no dimensions of the state are the velocity's.
        """
        self.check_observation(observations)
        if actions is None:
            return self.smooth(*self.motionless(observations)).mean[0, GOAL_FRAMES // 2, : self.position_size].float()
        if self.position_size == self.state_size:
            raise ValueError(f"{type(self).__name__} does not tell velocity from position: it has no velocity goals")
        smoothed = self.smooth(observations.unsqueeze(0), actions.unsqueeze(0)).mean[0]
        return smoothed[:, self.position_size :].mean(0).float()

    def split(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """Position ``[..., Da]`` and velocity ``[..., Dz - Da]`` of ``state [..., Dz]``."""
        return state[..., : self.position_size], state[..., self.position_size :]
