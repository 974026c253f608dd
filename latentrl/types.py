"""The few types that every room shares, and the protocols between models, planners and agents.

Shapes: ``B`` batch (any leading shape), ``T`` time steps, ``Dz`` latent state, ``Du`` action, ``H`` horizon.
Time is first-class: ``observations`` hold ``T`` steps and ``actions`` hold ``T - 1``; ``actions[:, t]`` acts between
``observations[:, t]`` and ``observations[:, t + 1]``. Actions are in the environment's units everywhere: a model scales
them itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, cast, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import TypeVar


@dataclass(frozen=True)
class Trajectory:
    """One recorded episode, in NumPy, as a collector makes it and a data set stores it.

    Attributes:
        observations: ``[T, ...]`` as the environment gave them (uint8 images or float32 sensors).
        actions: ``[T - 1, Du]`` float32, in the environment's units.
        infos: ground truth per step, each ``[T, ...]``. For evaluation alone: no model, planner or policy reads it.
        seed: what the episode was seeded with.
    """

    observations: np.ndarray
    actions: np.ndarray
    infos: dict[str, np.ndarray] = field(default_factory=dict)
    seed: int | None = None


Observations = TypeVar("Observations", bound="Tensor | Mapping[str, Tensor]", default=Tensor)
"""One sensor's readings, or those of several by name."""


@dataclass(frozen=True)
class Sequences(Generic[Observations]):
    """A batch of equally long sequences: all that a model ever learns from.

    Attributes:
        observations: ``[B, T, ...]``, uint8 (images, scaled by the model) or floating point; of several sensors a
            mapping from their names to such tensors.
        actions: ``[B, T - 1, Du]`` floating point, in the environment's units.
        times: seconds ``[B, T]``, where the steps are not all alike.
        seen: which observations arrived, boolean ``[B, T]``, or by sensor; None: all.

    Raises:
        ValueError: shapes that do not fit together.
    """

    observations: Observations
    actions: Tensor
    times: Tensor | None = None
    seen: Tensor | Mapping[str, Tensor] | None = None

    def __post_init__(self) -> None:
        act = self.actions.shape
        for name, values in _named(self.observations):
            obs = values.shape
            if len(act) != 3 or obs[0] != act[0] or obs[1] != act[1] + 1:
                raise ValueError(
                    f"sequences need observations [B, T, ...] and actions [B, T - 1, Du]; got {tuple(obs)}"
                    f"{f' of {name}' if name else ''} and {tuple(act)}"
                )
        for what, found in (("times", self.times), ("seen", self.seen)):
            for name, values in () if found is None else _named(found):
                if values.shape != (act[0], act[1] + 1):
                    raise ValueError(
                        f"sequences need {what} [B, T], here {[act[0], act[1] + 1]}; got {list(values.shape)}"
                        f"{f' of {name}' if name else ''}"
                    )

    def __len__(self) -> int:
        return self.actions.shape[0]

    @property
    def length(self) -> int:
        """Time steps T of every sequence."""
        return self.actions.shape[1] + 1

    def __getitem__(self, index: Tensor | slice) -> Sequences[Observations]:
        return self._each(lambda values: values[index], self.actions[index])

    def take(self, index: Tensor) -> Sequences[Observations]:
        """The sequences of the numbers ``index [K]``, counted from 0; for pictures ten times as fast as ``[index]``."""
        return self._each(lambda values: values.index_select(0, index), self.actions.index_select(0, index))

    def truncate(self, length: int) -> Sequences[Observations]:
        """The first ``length`` time steps."""
        return self._each(lambda values: values[:, :length], self.actions[:, : length - 1])

    def to(self, device: torch.device | str) -> Sequences[Observations]:
        """These sequences on ``device``."""
        return self._each(lambda values: values.to(device), self.actions.to(device))

    def _each(self, change: Callable[[Tensor], Tensor], actions: Tensor) -> Sequences[Observations]:
        """The sequences with ``change`` made to everything that is ``[B, T, ...]``."""
        times = None if self.times is None else change(self.times)
        seen = None if self.seen is None else _changed(self.seen, change)
        return Sequences(_changed(self.observations, change), actions, times, seen)


Some = TypeVar("Some", bound="Tensor | Mapping[str, Tensor]")


def _named(values: Tensor | Mapping[str, Tensor]) -> Iterable[tuple[str, Tensor]]:
    return (("", values),) if isinstance(values, Tensor) else values.items()


def _changed(values: Some, change: Callable[[Tensor], Tensor]) -> Some:
    if isinstance(values, Tensor):
        return cast(Some, change(values))
    return cast(Some, {name: change(one) for name, one in values.items()})


class Belief(NamedTuple):
    """A Gaussian over the latent state: ``mean [..., Dz]`` and ``covariance [..., Dz, Dz]``.

    Models with a recurrent memory append it to ``mean``, where it is known: the covariance is that of the leading Dz
    dimensions alone, for the rest would be zeros.
    """

    mean: Tensor
    covariance: Tensor

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """A sample ``[..., Dz]`` (``[..., Dz + memory]``): normal in the leading dimensions, the mean in the rest."""
        size = self.covariance.shape[-1]
        mean, known = self.mean[..., :size], self.mean[..., size:]
        noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
        # No Cholesky factor: a direction that is known has no variance, or by rounding less than none.
        values, vectors = torch.linalg.eigh(self.covariance)
        factor = vectors * values.clamp(min=0).sqrt().unsqueeze(-2)
        return torch.cat((mean + (factor @ noise.unsqueeze(-1)).squeeze(-1), known), -1)


def stack_beliefs(beliefs: Sequence[Belief]) -> Belief:
    """Beliefs ``[B]`` of consecutive time steps as one belief ``[B, T]``."""
    return Belief(torch.stack([b.mean for b in beliefs], 1), torch.stack([b.covariance for b in beliefs], 1))


class RateDistortion(NamedTuple):
    """The terms of a batch that an objective weighs; each entry ``[B]``, summed over time.

    ``rate`` is KL(q(z_1:T | x, u) || p(z_1:T | u)) and ``distortion`` is -E_q[log p(x | z)], both in nats; ``error`` is
    the part of the distortion that constrained optimisation bounds (squared error per observation dimension, averaged
    over time and dimensions).
    """

    rate: Tensor
    distortion: Tensor
    error: Tensor


class Distribution(Protocol):
    """What a transition or an emission returns."""

    @property
    def mean(self) -> Tensor:
        """Expected value ``[..., D]``."""
        ...

    def rsample(self, generator: torch.Generator | None = None) -> Tensor:
        """A reparameterised sample ``[..., D]``."""
        ...

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density of ``value [..., D]`` in nats, ``[...]``."""
        ...


@runtime_checkable
class Dynamics(Protocol):
    """All a planner sees of a model."""

    def transition(self, state: Tensor, action: Tensor) -> Distribution:
        """p(z_{t+1} | z_t, u_t) for ``state [..., Dz]`` and ``action [..., Du]``."""
        ...


@runtime_checkable
class RolloutDynamics(Dynamics, Protocol):
    """Dynamics with a faster way to follow their mean than one call of ``transition`` a step."""

    def rollout(self, state: Tensor, actions: Tensor) -> Tensor:
        """Mean states ``[..., H, Dz]`` after each of ``actions [..., H, Du]`` from ``state [..., Dz]``; no gradient."""
        ...


@runtime_checkable
class RememberingDynamics(Dynamics, Protocol):
    """Dynamics whose state may hold a memory: what stands behind its first ``latent_size`` numbers, empty at first."""

    @property
    def latent_size(self) -> int:
        """How many of a state's numbers are z."""
        ...


@runtime_checkable
class LinearDynamics(Dynamics, Protocol):
    """Dynamics that know their own linearisation: near ``(state, action)``, z' = F z + B u + noise of covariance Q."""

    def linearise(self, state: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """F ``[..., Dz, Dz]``, B ``[..., Dz, Du]`` and Q ``[..., Dz, Dz]``."""
        ...


@runtime_checkable
class SmoothDynamics(Dynamics, Protocol):
    """Dynamics that know the derivatives of their mean."""

    def jacobians(self, state: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """Slopes of the mean in the state ``[..., Dz, Dz]`` and the action ``[..., Dz, Du]``; no gradient."""
        ...


@runtime_checkable
class FeedbackDynamics(Dynamics, Protocol):
    """Dynamics with a fast way to follow their mean under an affine policy within bounds."""

    def rollout_feedback(
        self, state: Tensor, base: Tensor, feedback: Tensor, around: Tensor, low: Tensor, high: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Actions ``[N, H, Du]`` and mean states ``[N, H, Dz]`` under ``u = base_t + feedback_t (z - around_t)``.

        ``state [N, Dz]``, ``base [N, H, Du]``, ``feedback [N, H, Du, Dz]``, ``around [N, H, Dz]``; every action is
        brought within ``low`` and ``high [Du]``. No gradient.
        """
        ...


class StepTape(Protocol):
    """Steps of a transition that are remembered, so that they can be gone back through; states are columns."""

    def forward(self, t: int, state: Tensor, action: Tensor, noise: Tensor | None = None) -> Tensor:
        """The next states ``[Dz, N]`` after step ``t`` from ``state [Dz, N]`` under ``action [Du, N]``.

        With standard normal ``noise [Dz, N]`` a sample, the one that ``rsample`` draws with it; else the mean.
        """
        ...

    def backward(self, t: int, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """From the gradient of the next states to those of ``state [Dz, N]`` and ``action [Du, N]``, both new."""
        ...


@runtime_checkable
class AdjointDynamics(Dynamics, Protocol):
    """Dynamics that go back through their own steps, faster than automatic differentiation does."""

    def tape(self, horizon: int, count: int, dtype: torch.dtype) -> StepTape:
        """To remember ``horizon`` steps of ``count`` states."""
        ...


@runtime_checkable
class Reward(Protocol):
    """A reward on latent states: ``state [..., Dz]``, ``action [..., Du]`` -> ``[...]``.

    Planners ask with ``[..., H, N S, Dz]``: the S candidates of the first of N parallel episodes come first.
    """

    def __call__(self, state: Tensor, action: Tensor) -> Tensor: ...


@runtime_checkable
class ConcaveReward(Reward, Protocol):
    """A concave reward that may know its derivatives."""

    def expansion(self, state: Tensor, action: Tensor) -> tuple[Tensor, Tensor] | None:
        """Gradient ``[..., Dz + Du]`` and Hessian ``[..., Dz + Du, Dz + Du]`` by state and action; inputs as for the
        reward. None: it does not know them, and need not be concave."""
        ...


@runtime_checkable
class Planner(Protocol):
    """Searches actions inside a model."""

    def plan(
        self,
        dynamics: Dynamics,
        reward: Reward,
        state: Tensor,
        warm_start: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Actions ``[B, H, Du]`` for ``state [B, Dz]``; ``warm_start [B, H, Du]`` is the last plan, already shifted."""
        ...


@runtime_checkable
class Filter(Protocol):
    """The online side of a model: what an agent needs to turn observations into beliefs."""

    def initial_belief(self, observation: Tensor) -> Belief:
        """q(z_1 | x_1) for ``observation [B, ...]``."""
        ...

    def filter(self, belief: Belief, action: Tensor, observation: Tensor | None) -> Belief:
        """q(z_t | x_1:t, u_1:t-1) from the last belief, ``action [B, Du]``, ``observation [B, ...]`` or None."""
        ...


class Observed(Protocol):
    """The shape and dtype of one observation."""

    @property
    def observation_shape(self) -> tuple[int, ...]:
        """For example ``(16, 16, 1)``."""
        ...

    @property
    def observation_dtype(self) -> str:
        """``"uint8"`` (images) or a floating-point one."""
        ...


@runtime_checkable
class Observing(Protocol):
    """A filter that says what it observes, so that an agent can refuse anything else."""

    @property
    def spec(self) -> Observed:
        """What one observation is."""
        ...


@runtime_checkable
class Agent(Protocol):
    """What acts in a real environment; batched over ``N`` parallel environments."""

    def reset(self, seed: int | None = None) -> None:
        """Forget everything: new episodes begin."""
        ...

    def act(self, observation: np.ndarray, seen: NDArray[np.bool_] | None = None) -> np.ndarray:
        """Actions ``[N, Du]`` float32 for observations ``[N, ...]``.

        ``seen [N]`` is False where no frame arrived, and the observation there is to be ignored; None: all arrived. The
        first frame of an episode always arrives.
        """
        ...


def is_image(observations: Tensor) -> bool:
    """Whether ``observations`` are uint8 images ``[N, T, H, W, C]``, which can be blurred."""
    return observations.dtype == torch.uint8 and observations.dim() == 5


def is_image_shape(shape: Sequence[int]) -> bool:
    """Whether observations of ``shape`` are images ``[H, W, C]``."""
    return len(shape) == 3
