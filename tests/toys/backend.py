"""A backend: the reference, one sequence after another."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from latentrl.inference.backends import Emission
from latentrl.inference.backends.reference import Reference, for_each
from latentrl.inference.kalman import Filtered
from latentrl.types import Belief


class ToyBackend(Reference):
    """It filters each sequence alone."""

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
        runs = []
        for n in range(len(observations)):
            one = slice(n, n + 1)
            gap = None if missing is None else missing[one]
            start = Belief(prior.mean[one], prior.covariance[one])
            runs.append(super().filter(start, observations[one], controls[one], emission, mixture, gap))
        return Filtered(
            Belief(*map(torch.cat, zip(*(run.filtered for run in runs), strict=True))),
            Belief(*map(torch.cat, zip(*(run.predicted for run in runs), strict=True))),
            torch.cat([run.transitions for run in runs]),
            torch.cat([run.noises for run in runs]),
        )
