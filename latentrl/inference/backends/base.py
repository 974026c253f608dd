"""What a backend computes: the recursions of linear and locally linear transitions, with gradients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from latentrl.inference.kalman import Filtered, Paths
from latentrl.types import Belief


class Transition(Protocol):
    """A locally linear transition, Eq. 4.13-4.14: its parameters, in any precision, and what they are laid out as.

    The alpha network ``gate`` has linear layers with rectifiers between them. F, B and the logarithm of Q less
    ``noise_floor`` are ``[M, Dz, Dz]``, ``[M, Dz, Du]`` and ``[M, Dz]``; Q is ``gauge diag(q) gauge'``.
    """

    gate: nn.Sequential
    state_matrices: nn.Parameter
    control_matrices: nn.Parameter
    log_noise: nn.Parameter
    noise_floor: float
    gauge: Tensor
    control_scale: Tensor

    def weights(self, dtype: torch.dtype | None = None) -> Any:
        """The parameters as the reference reads them."""
        ...


class Mixture(Protocol):
    """A transition's parameters, prepared by a backend once for all of a pass; gradients flow through."""

    def scaled(self, action: Tensor) -> Tensor:
        """An action in the environment's units as a control, about [-1, 1]."""
        ...


class Emission(NamedTuple):
    """p(a | z) = N(H z, R): ``matrix [Da, Dz]``, a constant, and ``noise [Da, Da]``."""

    matrix: Tensor
    noise: Tensor


class Backend(ABC):
    """A way to compute the recursions. All ways give the same numbers and gradients, but for rounding."""

    @abstractmethod
    def mixture(self, transition: Transition) -> Mixture:
        """The transition as this backend's other methods take it."""

    @abstractmethod
    def filter(
        self,
        prior: Belief,
        observations: Tensor,
        controls: Tensor,
        emission: Emission,
        mixture: Any,
        missing: Tensor | None = None,
    ) -> Filtered:
        """The extended Kalman filter over ``[B, T]`` (Latent Matters, Eq. 4.21-4.23), float64.

        Args:
            prior: N(m_0, P_0) before the first observation, ``[B]``, or ``[1]`` where all have the same.
            observations: a ``[B, T, Da]``.
            controls: u ``[B, T - 1, Du]``; they get no gradient.
            emission: H and R.
            mixture: the transition, by :meth:`mixture`.
            missing: boolean ``[B, T]``, or ``[B, T, Da]`` by dimension; true where there is no observation.
        """

    @abstractmethod
    def filter_linear(
        self,
        prior: Belief,
        observations: Tensor,
        controls: Tensor,
        emissions: Tensor,
        noise: Tensor,
        dynamics: Tensor,
        noises: Tensor,
    ) -> Filtered:
        """The Kalman filter over ``[B, T]`` of a model whose matrices are given, float64.

        Args:
            prior: N(m_0, P_0) before the first observation, ``[B]``, or ``[1]`` where all have the same.
            observations: a ``[B, T, Da]``.
            controls: u ``[B, T - 1, Du]``; they get no gradient.
            emissions: H ``[B, T, Da, Dz]``, or ``[Da, Dz]`` for all.
            noise: R ``[Da, Da]``.
            dynamics: [F | B] ``[B, T - 1, Dz, Dz + Du]``.
            noises: the diagonal of Q ``[B, T - 1, Dz]``.
        """

    @abstractmethod
    def smooth(self, run: Filtered) -> Belief:
        """The smoothed beliefs ``[B, T]``, Eq. 2.26-2.28, of what :meth:`filter` has found."""

    @abstractmethod
    def sample_paths(self, run: Filtered, generator: torch.Generator | None = None) -> Paths:
        """A trajectory for each sequence: see :func:`latentrl.inference.kalman.sample_paths`."""

    @abstractmethod
    def log_densities(
        self, mixture: Any, states: Tensor, controls: Tensor, observations: Tensor, variance: Tensor
    ) -> tuple[Tensor, Tensor]:
        """log p(a_1:T | z_1:T) and log p(z_2:T | z_1, u), each ``[B]`` in nats.

        Args:
            mixture: the transition, by :meth:`mixture`.
            states: z ``[B, T, Dz]``.
            controls: u ``[B, T - 1, Du]``; they get no gradient.
            observations: a ``[B, T, Da]``, of the leading dimensions of z.
            variance: the diagonal of R ``[Da]``.
        """

    @abstractmethod
    def moments(self, mixture: Any, states: Tensor, controls: Tensor) -> tuple[Tensor, Tensor]:
        """F z + B u and the diagonal of Q ``[B, T, Dz]`` at ``states [B, T, Dz]`` and ``controls [B, T, Du]``."""
