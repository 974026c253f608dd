"""What a backend computes: the recursions of linear and locally linear transitions, with gradients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from latentrl.inference.kalman import Filtered, Paths
from latentrl.numerics.distributions import (
    DiagonalGaussian,
    cholesky,
    diagonal_log_prob,
    gaussian_log_prob,
    sample_gaussian,
)
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


class StateSpace(NamedTuple):
    """A locally linear model of positions, in parameters as models hold them, in any precision.

    Attributes:
        transition: p(z_{t+1} | z_t, u_t). Its ``noise_floor`` is added to the two variances below as well.
        mean: m_0 ``[Dz]`` of the prior that the filter starts from.
        log_variance: the logarithm ``[Dz]`` of what P_0 has on its diagonal in the transition's gauge.
        emission: H ``[Da, Dz]``, a constant.
        log_noise: the logarithm ``[Da]`` of the diagonal of R.
    """

    transition: Transition
    mean: Tensor
    log_variance: Tensor
    emission: Tensor
    log_noise: Tensor

    def prior(self) -> Belief:
        """N(m_0, P_0) ``[1]``, float64."""
        gauge, variance = self.transition.gauge.double(), self._variance(self.log_variance)
        return Belief(self.mean.double()[None], (gauge @ variance.diag() @ gauge.T)[None])

    def noise(self) -> Tensor:
        """The diagonal of R ``[Da]``, float64."""
        return self._variance(self.log_noise)

    def _variance(self, logarithm: Tensor) -> Tensor:
        return logarithm.double().exp() + self.transition.noise_floor


class Joint(NamedTuple):
    """Trajectories drawn backwards and their densities, each ``[B]`` in nats.

    Attributes:
        states: z ``[B, T, Dz]``, float64.
        emission: log p(a_1:T | z_1:T).
        transition: log p(z_2:T | z_1, u).
        posterior: log p(z_1:T | a_1:T, u).
    """

    states: Tensor
    emission: Tensor
    transition: Tensor
    posterior: Tensor


class Marginals(NamedTuple):
    """States drawn from the posterior's marginals, each for itself, and terms of Eq. 4.27-4.28, each ``[B]`` in nats.

    Attributes:
        states: z ``[B, max(T - 1, 1), Dz]``, float64: z_T appears in no term, unless it is z_1 too.
        emission: log p(a_1 | z_1).
        transition: sum_t log p(a_t | z_{t-1}, u_{t-1}).
        posterior: log q(z_1) + sum_t log q(z_{t-1}) - log p(z_{t-1} | a_1:t-1, u).
    """

    states: Tensor
    emission: Tensor
    transition: Tensor
    posterior: Tensor


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

    @abstractmethod
    def sample_chain(
        self,
        transition: Transition,
        first: Tensor,
        factors: DiagonalGaussian,
        controls: Tensor,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """A path ``[B, T, Dz]`` of the posterior of Eq. 4.12, and its divergence from the transition ``[B]`` in nats.

        Args:
            transition: p(z_{t+1} | z_t, u_t).
            first: z_1 ``[B, Dz]``, whose precision the results have.
            factors: N(mu_t, diag r_t) for t >= 2, ``[B, T - 1, Dz]``.
            controls: u ``[B, T - 1, Du]``, about [-1, 1]; they get no gradient.
            generator: of the path.
        """

    def joint(
        self, space: StateSpace, observations: Tensor, actions: Tensor, generator: torch.Generator | None = None
    ) -> Joint:
        """A trajectory for each sequence from p(z_1:T | a_1:T, u), and its densities: filter, paths and densities.

        Args:
            space: the model.
            observations: a ``[B, T, Da]``, in any precision.
            actions: ``[B, T - 1, Du]`` in the environment's units; they get no gradient.
            generator: of the draw.
        """
        mixture, positions = self.mixture(space.transition), observations.double()
        controls, noise = mixture.scaled(actions), space.noise()
        run = self.filter(space.prior(), positions, controls, Emission(space.emission, noise.diag()), mixture)
        paths = self.sample_paths(run, generator)
        densities = self.log_densities(mixture, paths.states, controls, positions, noise)
        return Joint(paths.states, *densities, paths.log_prob)

    def marginals(
        self,
        space: StateSpace,
        observations: Tensor,
        actions: Tensor,
        smoothing: bool,
        generator: torch.Generator | None = None,
    ) -> Marginals:
        """A state for each marginal q(z_t), and the terms of Eq. 4.27-4.28.

        Args:
            space: the model.
            observations: a ``[B, T, Da]``, in any precision.
            actions: ``[B, T - 1, Du]`` in the environment's units; they get no gradient.
            smoothing: whether the smoothed marginals or the filtered ones are drawn from.
            generator: of the draw.
        """
        mixture, a, noise = self.mixture(space.transition), observations.double(), space.noise()
        controls, (steps, seen) = mixture.scaled(actions), (a.shape[1] - 1, a.shape[2])
        run = self.filter(space.prior(), a, controls, Emission(space.emission, noise.diag()), mixture)
        chosen, kept = self.smooth(run) if smoothing else run.filtered, max(steps, 1)
        covariances = torch.stack((chosen.covariance[:, :kept], run.filtered.covariance[:, :kept]))
        factor, filter_factor = cholesky(covariances).unbind(0)
        states, log_chosen = sample_gaussian(chosen.mean[:, :kept], factor, generator)
        posterior, before = log_chosen[:, 0], states[:, :steps]
        if smoothing:
            log_filtered = gaussian_log_prob(states, run.filtered.mean[:, :kept], filter_factor)
            posterior = posterior + (log_chosen - log_filtered)[:, :steps].sum(1)
        # p(a_t | z_{t-1}, u_{t-1}) = N(H (F z + B u), H Q H' + R) is diagonal: H picks dimensions whose noise is.
        mean, variance = (moment[..., :seen] for moment in self.moments(mixture, before, controls))
        transition = diagonal_log_prob(a[:, 1:], mean, variance + noise)
        emission = diagonal_log_prob(a[:, 0], states[:, 0, :seen], noise)
        return Marginals(states, emission, transition.sum(1), posterior)

    def filter_and_smooth(self, space: StateSpace, observations: Tensor, actions: Tensor) -> tuple[Belief, Belief]:
        """The filtered and the smoothed beliefs ``[B, T]``; arguments as for :meth:`joint`."""
        mixture = self.mixture(space.transition)
        emission, controls = Emission(space.emission, space.noise().diag()), mixture.scaled(actions)
        run = self.filter(space.prior(), observations.double(), controls, emission, mixture)
        return run.filtered, self.smooth(run)
