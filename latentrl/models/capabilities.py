"""Capabilities: what a stage or a penalty of a training may ask of a model beyond being one.

A model has a capability by having its methods, whether it inherits it or not. Recipes ask for them by class or instance
(``issubclass``, ``isinstance``), so that nobody outside :mod:`latentrl.models` has to name a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from latentrl.inference.backends import Backend
from latentrl.numerics.distributions import DiagonalGaussian
from latentrl.priors import InitialDistribution
from latentrl.transitions.locally_linear import LocallyLinearTransition
from latentrl.types import RateDistortion, Sequences


class Sampled(NamedTuple):
    """What ``rate_distortion`` returns, and what it was estimated with, where somebody asked for it.

    Attributes:
        terms: see ``rate_distortion``.
        states: ``[B, T, Dz]``, or those before the last time step.
        positions: means of q(a | x) ``[B, T, Da]``.
    """

    terms: RateDistortion
    states: Tensor | None = None
    positions: Tensor | None = None


@runtime_checkable
class FrameEncoder(Protocol):
    """The position is read off each frame alone."""

    def encode(self, observations: Tensor) -> DiagonalGaussian:
        """q(a | x) with mean ``[..., Da]`` for ``observations [..., *observation_shape]``."""
        ...


@runtime_checkable
class FrameDecoder(Protocol):
    """Each frame is drawn from its position alone, by the parameters of the group ``decoder``."""

    def decode(self, positions: Tensor) -> Tensor:
        """Mean of p(x | a) for ``positions [..., Da]``."""
        ...

    def squared_error(self, positions: Tensor, observations: Tensor) -> Tensor:
        """Mean over the dimensions of (x - decoded a)^2, ``[...]``, images in [0, 1]."""
        ...

    def error_unit(self) -> Tensor:
        """The deviation, in observation units, that errors count in for the networks; a scalar, 1 if none is known."""
        ...

    def set_deviation(self, error: Tensor) -> None:
        """Set the standard deviation of p(x | a) to the root of ``error``, a scalar squared error."""
        ...


@runtime_checkable
class StateSampler(Protocol):
    """It tells which states its rate was estimated with."""

    def sampled_rate_distortion(self, batch: Sequences, generator: torch.Generator | None = None) -> Sampled:
        """Like ``rate_distortion``, with states and positions."""
        ...


@runtime_checkable
class LatentRate(Protocol):
    """Its rate can be estimated from positions, without a picture."""

    def sampled_rate_terms(
        self, posterior: DiagonalGaussian, positions: Tensor, actions: Tensor, generator: torch.Generator | None
    ) -> tuple[Sequence[Tensor], Tensor]:
        """The rate's terms, each ``[B]`` in nats, and the states ``[B, T, Dz]`` that they were estimated with.

        Args:
            posterior: q(a | x) ``[B, T, Da]``.
            positions: a sample of it.
            actions: ``[B, T - 1, Du]``, in the environment's units.
            generator: of the states.
        """
        ...


@runtime_checkable
class LocallyLinear(Protocol):
    """Its transition is mixed from base matrices, Eq. 4.13-4.14."""

    def locally_linear(self) -> LocallyLinearTransition:
        """The transition, by the parameters of the group ``transition`` and its own noise."""
        ...


@runtime_checkable
class PathSampler(Protocol):
    """It draws whole trajectories from its smoothing distribution."""

    def draw_paths(self, positions: Tensor, actions: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """One trajectory ``[B, T, Dz]``, float64, for each of ``positions [B, T, Da]``; no gradient.

        Args:
            positions: pseudo-observations.
            actions: ``[B, T - 1, Du]``, in the environment's units.
            generator: of the trajectories.
        """
        ...

    def fit_emission_noise(self, left: Tensor) -> None:
        """Set the variances of p(a | z), which also holds the noise floor, to ``left [Da]``."""
        ...


@runtime_checkable
class SplitState(Protocol):
    """The leading dimensions of its state are the position, the others the velocity."""

    def split(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """``state [..., Dz]`` -> position ``[..., Da]`` and velocity ``[..., Dv]``."""
        ...


@runtime_checkable
class ChangesCoordinates(Protocol):
    """Its latent space can be given other coordinates without another distribution over observations."""

    def change_coordinates(self, gauge: Tensor) -> None:
        """Replace z by ``gauge z``, in place, in everything that reads or writes z.

        Args:
            gauge: ``[Dz, Dz]``, unit lower triangular or a diagonal of ones and minus ones.

        Raises:
            ValueError: the prior is tied to its coordinates.
        """
        ...


@runtime_checkable
class FreshPrior(Protocol):
    """Its initial distribution can be begun afresh."""

    def fresh_prior(self) -> InitialDistribution | None:
        """One of the same kind and sizes with new weights; None where there is nothing to fit."""
        ...


@runtime_checkable
class RunsBackend(Protocol):
    """Its recursion over time can be computed in several ways."""

    def use_backend(self, backend: Backend) -> None:
        """Compute the recursion by ``backend`` from now on."""
        ...


CAPABILITIES: dict[type, str] = {
    FrameEncoder: "encoder of single frames",
    FrameDecoder: "decoder of single positions",
    StateSampler: "states that its rate is estimated with",
    LatentRate: "rate without pictures",
    LocallyLinear: "transition mixed from matrices",
    PathSampler: "draws of smoothed trajectories",
    SplitState: "velocity apart from the position",
    ChangesCoordinates: "change of its coordinates",
    FreshPrior: "prior that can be begun afresh",
    RunsBackend: "choice of backends",
}
"""All of them, with what a model that lacks one has not, in words."""
