"""The recursions as kernels that numba compiles for the processor: all time steps of eight sequences in one go.

In the order in which they need each other: ``lanes`` (eight numbers), ``small`` (their matrices), ``gate`` and
``steps`` (one time step), ``run`` (what one hands to another), ``filter``, ``linear``, ``paths``, ``density``,
``smoother``, ``moments`` and ``chain`` (the kernels, each with its adjoint), ``joint``, ``smoothed`` and ``marginals``
(several of them as one), ``caching`` (compiled once), ``functions`` (tensors with gradients). One thread: results do
not depend on how many there are.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from latentrl.inference.backends.base import Backend, Emission, Joint, Marginals, StateSpace, Transition
from latentrl.inference.backends.numba_kernels import functions
from latentrl.inference.backends.reference import Reference
from latentrl.inference.kalman import Filtered, Paths
from latentrl.numerics.distributions import DiagonalGaussian, standard_normal_like
from latentrl.types import Belief


class Mixed:
    """A transition's parameters as kernels read them.

    Attributes:
        widths: of the alpha network's layers ``[L]``, the last of them M.
        given: the parameters themselves: see :func:`functions.pack`.
        floor: of the variances.
        gauge: that Q is diagonal in ``[Dz, Dz]``.
    """

    def __init__(self, transition: Transition) -> None:
        layers = [layer for layer in transition.gate.children() if isinstance(layer, nn.Linear)]
        self.widths: NDArray[np.int_] = np.array([layer.out_features for layer in layers])
        flat = [parameter for layer in layers for parameter in (layer.weight, layer.bias)]
        self.given: tuple[Tensor, ...] = (
            transition.state_matrices,
            transition.control_matrices,
            transition.log_noise,
            *flat,
        )
        self.floor: float = transition.noise_floor
        self.gauge: Tensor = transition.gauge.double()
        self.control_scale: Tensor = transition.control_scale.double()

    @cached_property
    def read(self) -> tuple[Tensor, Tensor]:
        """Parameters of the alpha network, and what is mixed."""
        found: tuple[Tensor, Tensor] = functions.Packed.apply(self.floor, *self.given)
        return found

    def scaled(self, action: Tensor) -> Tensor:
        return action.double() / self.control_scale

    def ungauged(self) -> tuple[functions.Array, float]:
        """The inverse of the gauge, and the logarithm of its determinant."""
        # Of a few rows, and without gradient: NumPy has less to do before it begins.
        gauge = self.gauge.detach().numpy()
        return np.linalg.inv(gauge), float(np.linalg.slogdet(gauge).logabsdet)


class Numba(Backend):
    """Kernels for float64 on the processor; anything else goes to the reference."""

    otherwise: Reference

    def __init__(self) -> None:
        self.otherwise = Reference()

    def mixture(self, transition: Transition) -> Any:
        on_processor = transition.state_matrices.device.type == "cpu"
        return Mixed(transition) if on_processor else self.otherwise.mixture(transition)

    def filter(
        self,
        prior: Belief,
        observations: Tensor,
        controls: Tensor,
        emission: Emission,
        mixture: Any,
        missing: Tensor | None = None,
    ) -> Filtered:
        if not isinstance(mixture, Mixed):
            return self.otherwise.filter(prior, observations, controls, emission, mixture, missing)
        if missing is None:
            seen = None
        else:
            seen = (~(missing if missing.dim() == 3 else missing[..., None].expand_as(observations))).double()
        found = functions.Filter.apply(
            controls,
            seen,
            emission.matrix,
            mixture.gauge,
            mixture.widths,
            *prior,
            observations,
            emission.noise,
            *mixture.read,
        )
        return Filtered(Belief(*found[:2]), Belief(*found[2:4]), *found[4:])

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
        if not _fits(observations, dynamics):
            return self.otherwise.filter_linear(prior, observations, controls, emissions, noise, dynamics, noises)
        given = emissions.expand(*observations.shape[:2], *emissions.shape[-2:])
        found = functions.Linear.apply(controls, *prior, observations, given, noise, dynamics, noises)
        transitions = dynamics[..., : dynamics.shape[-2]]
        return Filtered(Belief(*found[:2]), Belief(*found[2:]), transitions, torch.diag_embed(noises))

    def smooth(self, run: Filtered) -> Belief:
        if not _fits(run.filtered.mean):
            return self.otherwise.smooth(run)
        return Belief(*functions.Smoother.apply(*run.filtered, *run.predicted, run.transitions, run.noises))

    def sample_paths(self, run: Filtered, generator: torch.Generator | None = None) -> Paths:
        if not _fits(run.filtered.mean):
            return self.otherwise.sample_paths(run, generator)
        draws = standard_normal_like(run.filtered.mean, generator)
        return Paths(*functions.Paths.apply(draws, *run.filtered, *run.predicted, run.transitions, run.noises))

    def log_densities(
        self, mixture: Any, states: Tensor, controls: Tensor, observations: Tensor, variance: Tensor
    ) -> tuple[Tensor, Tensor]:
        if not isinstance(mixture, Mixed):
            return self.otherwise.log_densities(mixture, states, controls, observations, variance)
        inverse, determinant = mixture.ungauged()
        given = states, observations, variance, *mixture.read
        emission, transition = functions.Density.apply(controls, torch.from_numpy(inverse), mixture.widths, *given)
        # The noise is independent in a gauge of its own.
        return emission, transition - determinant * (states.shape[1] - 1)

    def moments(self, mixture: Any, states: Tensor, controls: Tensor) -> tuple[Tensor, Tensor]:
        if not isinstance(mixture, Mixed):
            return self.otherwise.moments(mixture, states, controls)
        mean, variance = functions.Moments.apply(controls, mixture.widths, states, *mixture.read)
        return mean, variance @ mixture.gauge.square().T

    def joint(
        self, space: StateSpace, observations: Tensor, actions: Tensor, generator: torch.Generator | None = None
    ) -> Joint:
        if observations.device.type != "cpu":
            return super().joint(space, observations, actions, generator)
        mixture, (batch, length, _) = Mixed(space.transition), observations.shape
        inverse, determinant = mixture.ungauged()
        draws = torch.randn(batch, length, len(space.mean), dtype=torch.float64, generator=generator)
        fixed = functions.array(space.emission), functions.array(mixture.gauge), inverse
        states, emission, transition, posterior = functions.Drawn.apply(
            True, _controls(mixture, actions), draws, fixed, mixture.widths, mixture.floor,
            *_learned(space, observations), *mixture.given,
        )  # fmt: skip
        if determinant != 0:
            transition = transition - determinant * (length - 1)
        return Joint(states, emission, transition, posterior)

    def marginals(
        self,
        space: StateSpace,
        observations: Tensor,
        actions: Tensor,
        smoothing: bool,
        generator: torch.Generator | None = None,
    ) -> Marginals:
        if observations.device.type != "cpu":
            return super().marginals(space, observations, actions, smoothing, generator)
        mixture, (batch, length, _) = Mixed(space.transition), observations.shape
        draws = torch.randn(batch, max(length - 1, 1), len(space.mean), dtype=torch.float64, generator=generator)
        fixed = functions.array(space.emission), functions.array(mixture.gauge), smoothing
        found = functions.Drawn.apply(
            False, _controls(mixture, actions), draws, fixed, mixture.widths, mixture.floor,
            *_learned(space, observations), *mixture.given,
        )  # fmt: skip
        return Marginals(*found)

    def filter_and_smooth(self, space: StateSpace, observations: Tensor, actions: Tensor) -> tuple[Belief, Belief]:
        if observations.device.type != "cpu":
            return super().filter_and_smooth(space, observations, actions)
        mixture = Mixed(space.transition)
        fixed = functions.array(space.emission), functions.array(mixture.gauge)
        found = functions.Smoothed.apply(
            _controls(mixture, actions), fixed, mixture.widths, mixture.floor, *_learned(space, observations),
            *mixture.given,
        )  # fmt: skip
        return Belief(*found[:2]), Belief(*found[2:])

    def sample_chain(
        self,
        transition: Transition,
        first: Tensor,
        factors: DiagonalGaussian,
        controls: Tensor,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        if first.device.type != "cpu":
            return self.otherwise.sample_chain(transition, first, factors, controls, generator)
        mixture, draws = Mixed(transition), standard_normal_like(factors.mean, generator)
        given = first, factors.mean, factors.variance, *mixture.read
        found: tuple[Tensor, Tensor] = functions.Chain.apply(controls, draws, mixture.gauge, mixture.widths, *given)
        return found


def _learned(space: StateSpace, observations: Tensor) -> tuple[Tensor, ...]:
    return space.mean, space.log_variance, space.log_noise, observations


def _controls(mixture: Mixed, actions: Tensor) -> functions.Array:
    found: functions.Array = functions.array(actions) / mixture.control_scale.numpy()
    return found


def _fits(*tensors: Tensor) -> bool:
    return all(tensor.dtype == torch.float64 and tensor.device.type == "cpu" for tensor in tensors)
