"""What a backend computes: the recursions of a locally linear transition, with gradients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from latentrl.inference.filtering import Linearised
from latentrl.inference.kalman import Filtered, Paths
from latentrl.types import Belief


class Density(Protocol):
    """p(z' | z, u)."""

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density of ``value [..., Dz]`` in nats."""
        ...


class Mixture(Protocol):
    """F, B and Q mixed by an alpha network, Eq. 4.13-4.14: what is prepared once for all time steps.

    The parameters of the network are its first layer's, ``state_in [Dz, n]``, ``control_in [Du, n]`` and
    ``bias_in [n]``, and those of its further ``layers``, each ``[n_in, n_out]`` and ``[n_out]``. It mixes ``dynamics``
    ``[M, Dz (Dz + Du)]`` and ``variances [M, Dz]``: Q is ``gauge diag(q) gauge'``.
    """

    @property
    def state_in(self) -> Tensor: ...

    @property
    def control_in(self) -> Tensor: ...

    @property
    def bias_in(self) -> Tensor: ...

    @property
    def layers(self) -> tuple[tuple[Tensor, Tensor], ...]: ...

    @property
    def dynamics(self) -> Tensor: ...

    @property
    def variances(self) -> Tensor: ...

    @property
    def gauge(self) -> Tensor: ...

    def gate_input(self, control: Tensor) -> Tensor:
        """What ``control [..., Du]`` adds to the first layer."""
        ...

    def linearise(self, state: Tensor, gate_input: Tensor) -> Linearised:
        """The transition around ``state [N, Dz]``."""
        ...

    def conditional(self, state: Tensor, control: Tensor) -> Density:
        """p(z' | z, u) for ``state [..., Dz]`` and ``control [..., Du]``."""
        ...


class Emission(NamedTuple):
    """p(a | z) = N(H z, R): ``matrix [Da, Dz]``, a constant, and ``noise [Da, Da]``."""

    matrix: Tensor
    noise: Tensor


class Backend(ABC):
    """A way to compute the recursions. All ways give the same numbers and gradients, but for rounding."""

    @abstractmethod
    def filter(
        self,
        prior: Belief,
        observations: Tensor,
        controls: Tensor,
        emission: Emission,
        mixture: Mixture,
        missing: Tensor | None = None,
    ) -> Filtered:
        """The extended Kalman filter over ``[B, T]`` (Latent Matters, Eq. 4.21-4.23), float64.

        Args:
            prior: N(m_0, P_0) before the first observation, ``[B]``.
            observations: a ``[B, T, Da]``.
            controls: u ``[B, T - 1, Du]``; they get no gradient.
            emission: H and R.
            mixture: the transition.
            missing: boolean ``[B, T]``, or ``[B, T, Da]`` by dimension; true where there is no observation.
        """

    @abstractmethod
    def smooth(self, run: Filtered) -> Belief:
        """The smoothed beliefs ``[B, T]``, Eq. 2.26-2.28, of what :meth:`filter` has found."""

    @abstractmethod
    def sample_paths(self, run: Filtered, generator: torch.Generator | None = None) -> Paths:
        """A trajectory for each sequence: see :func:`latentrl.inference.kalman.sample_paths`."""

    @abstractmethod
    def log_densities(
        self, mixture: Mixture, states: Tensor, controls: Tensor, observations: Tensor, variance: Tensor
    ) -> tuple[Tensor, Tensor]:
        """log p(a_1:T | z_1:T) and log p(z_2:T | z_1, u), each ``[B]`` in nats.

        Args:
            mixture: the transition.
            states: z ``[B, T, Dz]``.
            controls: u ``[B, T - 1, Du]``; they get no gradient.
            observations: a ``[B, T, Da]``, of the leading dimensions of z.
            variance: the diagonal of R ``[Da]``.
        """

    @abstractmethod
    def moments(self, mixture: Mixture, states: Tensor, controls: Tensor) -> tuple[Tensor, Tensor]:
        """F z + B u and the diagonal of Q ``[B, T, Dz]`` at ``states [B, T, Dz]`` and ``controls [B, T, Du]``."""
