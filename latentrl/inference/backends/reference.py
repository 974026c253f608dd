"""The recursions in PyTorch, one time step after another: on any device, and what other backends are held to."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from latentrl.inference import kalman
from latentrl.inference.backends.base import Backend, Emission, Transition
from latentrl.inference.filtering import Linearised, Local, filter_all
from latentrl.inference.kalman import Filtered, Paths
from latentrl.inference.posterior_chain import sample_chain
from latentrl.numerics.distributions import DiagonalGaussian, diagonal_log_prob
from latentrl.types import Belief


def for_each(prior: Belief, count: int) -> Belief:
    """A prior ``[1]`` or ``[count]`` as ``[count]``."""
    return Belief(*(one.expand(count, *one.shape[1:]) for one in prior))


class Reference(Backend):
    """PyTorch."""

    def mixture(self, transition: Transition) -> Any:
        return transition.weights(torch.float64)

    def filter(
        self,
        prior: Belief,
        observations: Tensor,
        controls: Tensor,
        emission: Emission,
        mixture: Any,
        missing: Tensor | None = None,
    ) -> Filtered:
        prior = for_each(prior, len(observations))
        gate_inputs = mixture.gate_input(controls).unbind(1)

        def linearise(t: int, mean: Tensor) -> Linearised:
            return mixture.linearise(mean, gate_inputs[t])

        emissions = [emission.matrix] * observations.shape[1]
        return filter_all(prior, observations, controls, emissions, emission.noise, linearise, missing)

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
        prior = for_each(prior, len(observations))
        steps, spreads = dynamics.unbind(1), torch.diag_embed(noises).unbind(1)
        given = [emissions] * observations.shape[1] if emissions.dim() == 2 else list(emissions.unbind(1))
        return filter_all(prior, observations, controls, given, noise, lambda t, _: Local(steps[t], spreads[t]))

    def smooth(self, run: Filtered) -> Belief:
        return kalman.smooth_all(*run)

    def sample_paths(self, run: Filtered, generator: torch.Generator | None = None) -> Paths:
        return kalman.sample_paths(*run, generator)

    def log_densities(
        self, mixture: Any, states: Tensor, controls: Tensor, observations: Tensor, variance: Tensor
    ) -> tuple[Tensor, Tensor]:
        positions = states[..., : observations.shape[-1]]
        emission = diagonal_log_prob(observations, positions, variance).sum(1)
        return emission, mixture.conditional(states[:, :-1], controls).log_prob(states[:, 1:]).sum(1)

    def moments(self, mixture: Any, states: Tensor, controls: Tensor) -> tuple[Tensor, Tensor]:
        flat, control = states.flatten(0, 1), controls.flatten(0, 1)
        local = mixture.linearise(flat, mixture.gate_input(control))
        mean = (local.dynamics @ torch.cat((flat, control), -1).unsqueeze(-1)).squeeze(-1)
        variance = local.noise.diagonal(dim1=-2, dim2=-1)
        return mean.view(states.shape), variance.reshape(states.shape)

    def sample_chain(
        self,
        transition: Transition,
        first: Tensor,
        factors: DiagonalGaussian,
        controls: Tensor,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        weights = transition.weights(first.dtype)
        gate_inputs, control = weights.gate_input(controls).unbind(1), controls.unbind(1)

        def move(state: Tensor, t: int) -> tuple[Tensor, Tensor]:
            local = weights.linearise(state, gate_inputs[t])
            return local.mean(state, control[t]), local.noise.diagonal(dim1=-2, dim2=-1)

        return sample_chain(first, factors, move, generator)
