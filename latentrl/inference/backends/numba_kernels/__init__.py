"""The recursions as kernels that numba compiles for the processor: all time steps of eight sequences in one go.

In the order in which they need each other: ``lanes`` (eight numbers), ``small`` (their matrices), ``gate`` and
``steps`` (one time step), ``filter``, ``paths``, ``density``, ``smoother`` and ``moments`` (the kernels, each with its
adjoint), ``caching`` (compiled once), ``functions`` (tensors with gradients). One thread: results do not depend on how
many there are.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from latentrl.inference.backends.base import Backend, Emission, Mixture
from latentrl.inference.backends.numba_kernels import functions
from latentrl.inference.backends.reference import Reference
from latentrl.inference.kalman import Filtered, Paths
from latentrl.numerics.distributions import standard_normal_like
from latentrl.types import Belief


class Numba(Backend):
    """Kernels for float64 on the processor; anything else goes to the reference."""

    def __init__(self) -> None:
        self.otherwise = Reference()

    def filter(
        self,
        prior: Belief,
        observations: Tensor,
        controls: Tensor,
        emission: Emission,
        mixture: Mixture,
        missing: Tensor | None = None,
    ) -> Filtered:
        if not _fits(observations, prior.mean, mixture.dynamics):
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
            *prior,
            observations,
            emission.noise,
            mixture.dynamics,
            mixture.variances,
            *_parameters(mixture),
        )
        return Filtered(Belief(*found[:2]), Belief(*found[2:4]), *found[4:])

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
        self, mixture: Mixture, states: Tensor, controls: Tensor, observations: Tensor, variance: Tensor
    ) -> tuple[Tensor, Tensor]:
        if not _fits(states, mixture.dynamics, observations, variance):
            return self.otherwise.log_densities(mixture, states, controls, observations, variance)
        # Of a few rows, and without gradient: NumPy has less to do before it begins.
        gauge = mixture.gauge.detach().numpy()
        inverse, determinant = torch.from_numpy(np.linalg.inv(gauge)), float(np.linalg.slogdet(gauge).logabsdet)
        given = states, observations, variance, mixture.dynamics, mixture.variances
        emission, transition = functions.Density.apply(controls, inverse, *given, *_parameters(mixture))
        # The noise is independent in a gauge of its own.
        return emission, transition - determinant * (states.shape[1] - 1)

    def moments(self, mixture: Mixture, states: Tensor, controls: Tensor) -> tuple[Tensor, Tensor]:
        if not _fits(states, mixture.dynamics):
            return self.otherwise.moments(mixture, states, controls)
        given = states, mixture.dynamics, mixture.variances
        mean, variance = functions.Moments.apply(controls, *given, *_parameters(mixture))
        return mean, variance @ mixture.gauge.square().T


def _fits(*tensors: Tensor) -> bool:
    return all(tensor.dtype == torch.float64 and tensor.device.type == "cpu" for tensor in tensors)


def _parameters(mixture: Mixture) -> list[Tensor]:
    """Those of the alpha network, in the order of :class:`latentrl.inference.backends.numba_kernels.functions.Network`.

    Layers of one kind follow each other: a weight, a bias.
    """
    first = (mixture.state_in, mixture.control_in, mixture.bias_in)
    return [*first, *(one for layer in mixture.layers for one in layer)]
