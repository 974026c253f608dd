"""What every world model is: the interface that objectives, metrics, agents and verbs rely on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from latentrl.models.spec import DataSpec
from latentrl.priors import PRIORS, InitialDistribution
from latentrl.types import Belief, Distribution, Dynamics, RateDistortion, Sequences

GOAL_FRAMES = 15
"""Length of the motionless sequence that a goal picture stands for: the source's training sequences."""


class GenerativeModel(nn.Module, ABC):
    """A latent-variable model of observations: what can be learned, and sampled from its prior.

    Observations go in raw (uint8 images or floating-point sensors) and actions in the environment's units.
    ``state_size`` is the size of a state, ``latent_size`` how much of it is z, and ``position_size`` the number Da of
    leading latent dimensions that hold the position (all of z where the model makes no difference).
    """

    spec: DataSpec
    settings: Any
    """The model's own settings, a frozen dataclass of JSON values."""
    state_size: int
    position_size: int
    initial_distribution: InitialDistribution
    """p(z_1) over the ``latent_size`` dimensions of z; see :meth:`WorldModel.initial_states` for whole states."""

    @property
    def latent_size(self) -> int:
        """Dz: the leading dimensions of a state that are z; the others are memory, a function of what came before.

        A Markovian model has no memory. Where a model has one (RSSM, KVAE), a belief's covariance is that of z alone.
        """
        return self.state_size

    @abstractmethod
    def rate_distortion(self, batch: Sequences, generator: torch.Generator | None = None) -> RateDistortion:
        """One-sample estimates of rate, distortion and error, each ``[B]`` (Latent Matters, Eq. 4.3-4.5)."""

    @abstractmethod
    def emission(self, state: Tensor) -> Distribution:
        """p(x_t | z_t) with mean ``[..., *observation_shape]``; images in [0, 1]."""

    @abstractmethod
    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Every trainable parameter, once, by role.

        In Algorithm 3, ``encoder``, ``decoder`` and ``emission_noise`` are phi and theta, ``transition`` and ``noise``
        are psi, ``prior`` is psi_0 and phi_0.
        """

    def first_belief(self, frames: Tensor) -> Belief:
        """q(z_1 | x_1) over z, mean ``[N, Dz]``, for ``frames [N, *shape]``, images in [0, 1], with their gradient.

        Raises:
            NotImplementedError: the model does not say; then it has no prior that is made of it.
        """
        raise NotImplementedError(f"{type(self).__name__} does not tell what one frame says of z")

    def make_prior(self, name: str, hidden: Sequence[int]) -> InitialDistribution:
        """The initial distribution ``PRIORS[name]`` over z of this model, whose sizes are known."""
        return self.bound_prior(PRIORS[name](self.latent_size, hidden))

    def bound_prior(self, prior: InitialDistribution) -> InitialDistribution:
        """``prior``, as one of this model's own."""
        prior.bind(self.first_belief, self.spec.observation_shape, self.spec.is_image)
        return prior

    def prior_bound(self, state: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """log p(z_1) in nats ``[...]``, or its bound with the settings' ``samples``, for ``state [..., Dz]``."""
        return self.initial_distribution.bound(state, generator, self.settings.samples)

    def prepare(self, data: Sequences) -> None:
        """Fit, before the first step, what is read off the training data and not learned, and begin at the data."""
        self.begin_prior(self.initial_distribution, data)

    def begin_prior(self, prior: InitialDistribution, data: Sequences) -> None:
        """Let ``prior`` begin at first frames of ``data``, if it wants any."""
        if prior.examples:
            prior.begin_at(self.to_unit(first_frames(data, prior.examples)))

    def fresh_prior(self) -> InitialDistribution | None:
        """An initial distribution of the same kind and sizes with new weights; None where there is nothing to fit."""
        return self.initial_distribution.fresh()

    def to_unit(self, observations: Tensor) -> Tensor:
        """Observations as float32, images scaled to [0, 1]."""
        if observations.dtype == torch.uint8:
            return observations.float() / 255
        return observations.float()

    def reading_scale(self) -> Tensor | None:
        """What each reading is counted in, ``[*shape]``, in its own unit; None where all count alike."""
        return None

    def check_observation(self, observation: Tensor) -> None:
        """Raise a ``ValueError`` unless ``observation`` is ``[..., *observation_shape]``."""
        shape = self.spec.observation_shape
        if tuple(observation.shape[-len(shape) :]) != shape:
            raise ValueError(f"this model takes observations of shape {shape}; got {tuple(observation.shape)}")


class WorldModel(GenerativeModel):
    """A deep state-space model with controls: all that planners, policies and agents rely on.

    A state is *one* tensor ``[..., state_size]``: all that a planner sees.
    """

    @property
    def largest_actions(self) -> tuple[float, ...] | None:
        """The largest action per dimension ``[Du]`` that agents take in it unless told otherwise; None: any.

        A memory has learned what motion looks like under the recorded actions, and is at a loss with that of larger
        ones, however the transition goes on in the action itself (docs/kvae.md).
        """
        return self.spec.action_scale if self.latent_size < self.state_size else None

    def initial_states(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """``count`` states ``[count, state_size]`` with z from p(z_1), and an empty memory if there is one."""
        return self.initial_distribution.sample(count, generator)

    @abstractmethod
    def initial_belief(self, observation: Tensor) -> Belief:
        """q(z_1 | x_1) for ``observation [B, ...]``."""

    def first_belief(self, frames: Tensor) -> Belief:
        belief = self.initial_belief(frames)
        return Belief(belief.mean[:, : self.latent_size], belief.covariance)

    @abstractmethod
    def filter(self, belief: Belief, action: Tensor, observation: Tensor | None) -> Belief:
        """q(z_t | x_1:t, u_1:t-1) from the last belief, ``action [B, Du]``, ``observation [B, ...]`` or None."""

    @abstractmethod
    def smooth(self, observations: Tensor, actions: Tensor) -> Belief:
        """q(z_t | x_1:T, u_1:T-1) over ``[B, T]`` for ``observations [B, T, ...]``, ``actions [B, T - 1, Du]``."""

    @abstractmethod
    def transition(self, state: Tensor, action: Tensor) -> Distribution:
        """p(z_{t+1} | z_t, u_t) for ``state [..., Dz]`` and ``action [..., Du]``."""

    def frozen(self) -> Dynamics:
        """The transition as it is now, for planning: whatever can be prepared once is, and no gradient is kept for it.

        What happens to the model later may or may not reach it. A model that has nothing to prepare returns itself.
        """
        return self

    @abstractmethod
    def encode_goal(self, observations: Tensor, actions: Tensor | None = None) -> Tensor:
        """The goal position ``[Da]`` of one image, or with actions the goal velocity ``[Dv]`` of a sequence.

        The velocity is the mean over the smoothed sequence ``observations [T, ...]``, ``actions [T - 1, Du]``.
        """

    def motionless(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """What one frame ``[*shape]`` stands for where a state holds more than a position: a sequence of it at rest.

        Observations ``[1, GOAL_FRAMES, *shape]`` and no action, ``[1, GOAL_FRAMES - 1, Du]``.
        """
        actions = torch.zeros(1, GOAL_FRAMES - 1, self.spec.action_size, device=observation.device)
        return observation.expand(1, GOAL_FRAMES, *observation.shape), actions


def first_frames(data: Sequences, count: int) -> Tensor:
    """``count`` frames ``[count, *shape]``: the first of sequences evenly spread, then second ones if these are few."""
    places, n_sequences = torch.arange(count), len(data)
    if count <= n_sequences:
        return data.observations[places * n_sequences // count, 0]
    return data.observations[places % n_sequences, places // n_sequences % data.length]


def drawn_beginning(batch: Sequences, shortest: int, generator: torch.Generator | None = None) -> Sequences:
    """The beginning of the sequences, of a length drawn between ``shortest`` and all; 0 stands for all.

    A recurrent posterior that is trained on it can be asked about short sequences too.
    """
    if not 0 < shortest < batch.length:
        return batch
    device = batch.observations.device
    return batch.truncate(int(torch.randint(shortest, batch.length + 1, (), generator=generator, device=device)))


def leading_shape(tensor: Tensor, shape: Sequence[int]) -> torch.Size:
    """The batch shape of ``tensor [..., *shape]``."""
    return tensor.shape[: tensor.dim() - len(shape)]
