"""The recursions as kernels that numba compiles for the processor: all time steps of eight sequences in one go.

In the order in which they need each other: ``lanes`` (eight numbers), ``small`` (their matrices), ``gate`` and
``steps`` (one time step), ``filter``, ``linear``, ``paths``, ``density``, ``smoother`` and ``moments`` (the kernels,
each with its adjoint), ``caching`` (compiled once), ``functions`` (tensors with gradients). One thread: results do not
depend on how many there are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from latentrl.inference.backends.base import Backend, Emission, Transition
from latentrl.inference.backends.numba_kernels import functions
from latentrl.inference.backends.reference import Reference
from latentrl.inference.kalman import Filtered, Paths
from latentrl.numerics.distributions import standard_normal_like
from latentrl.types import Belief


class Mixed:
    """A transition's parameters as kernels read them.

    Attributes:
        widths: of the alpha network's layers ``[L]``, the last of them M.
        read: parameters of the alpha network, base matrices and variances: see :class:`functions.Packed`.
        gauge: that Q is diagonal in ``[Dz, Dz]``.
    """

    def __init__(self, transition: Transition) -> None:
        layers = [layer for layer in transition.gate.children() if isinstance(layer, nn.Linear)]
        self.widths = np.array([layer.out_features for layer in layers])
        flat = [parameter for layer in layers for parameter in (layer.weight, layer.bias)]
        matrices = transition.state_matrices, transition.control_matrices
        self.read = functions.Packed.apply(transition.noise_floor, *matrices, transition.log_noise, *flat)
        self.gauge = transition.gauge.double()
        self.control_scale = transition.control_scale.double()

    def scaled(self, action: Tensor) -> Tensor:
        return action.double() / self.control_scale


class Numba(Backend):
    """Kernels for float64 on the processor; anything else goes to the reference."""

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
        # Of a few rows, and without gradient: NumPy has less to do before it begins.
        gauge = mixture.gauge.detach().numpy()
        inverse, determinant = torch.from_numpy(np.linalg.inv(gauge)), float(np.linalg.slogdet(gauge).logabsdet)
        given = states, observations, variance, *mixture.read
        emission, transition = functions.Density.apply(controls, inverse, mixture.widths, *given)
        # The noise is independent in a gauge of its own.
        return emission, transition - determinant * (states.shape[1] - 1)

    def moments(self, mixture: Any, states: Tensor, controls: Tensor) -> tuple[Tensor, Tensor]:
        if not isinstance(mixture, Mixed):
            return self.otherwise.moments(mixture, states, controls)
        mean, variance = functions.Moments.apply(controls, mixture.widths, states, *mixture.read)
        return mean, variance @ mixture.gauge.square().T


def _fits(*tensors: Tensor) -> bool:
    return all(tensor.dtype == torch.float64 and tensor.device.type == "cpu" for tensor in tensors)
