"""The recursions without a loop over time where the matrices are given, in PyTorch: for long sequences on a GPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from latentrl.inference.backends.base import Emission
from latentrl.inference.backends.reference import Reference, for_each
from latentrl.inference.filtering import Linearised
from latentrl.inference.kalman import Filtered
from latentrl.inference.kalman_parallel import filter_iterated, filter_parallel, smooth_parallel
from latentrl.types import Belief


class Parallel(Reference):
    """Scans over time; the reference's loop for paths, and for an extended filter whose gradient is wanted."""

    def filter(
        self,
        prior: Belief,
        observations: Tensor,
        controls: Tensor,
        emission: Emission,
        mixture: Any,
        missing: Tensor | None = None,
    ) -> Filtered:
        if not torch.is_grad_enabled() and observations.shape[1] > 1:
            gate_inputs = mixture.gate_input(controls).flatten(0, 1)

            def linearise(states: Tensor) -> Linearised:
                found: Linearised = mixture.linearise(states, gate_inputs)
                return found

            start = for_each(prior, len(observations))
            run = filter_iterated(start, observations, controls, *emission, linearise, missing)
            if run is not None:
                return run
        return super().filter(prior, observations, controls, emission, mixture, missing)

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
        start = for_each(prior, len(observations))
        spreads = torch.diag_embed(noises)
        return filter_parallel(start, observations, controls, emissions, noise, dynamics, spreads)

    def smooth(self, run: Filtered) -> Belief:
        return smooth_parallel(run)
