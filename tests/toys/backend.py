"""A backend: the reference, one half of the sequences after the other."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from latentrl.inference.backends import Emission
from latentrl.inference.backends.reference import Reference, for_each
from latentrl.inference.kalman import Filtered
from latentrl.types import Belief


class ToyBackend(Reference):
    """It filters each half of the sequences alone."""

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
        middle = (len(observations) + 1) // 2
        for half in (slice(middle), slice(middle, None))[: len(observations)]:
            gap = None if missing is None else missing[half]
            start = Belief(prior.mean[half], prior.covariance[half])
            runs.append(super().filter(start, observations[half], controls[half], emission, mixture, gap))
        return Filtered(
            Belief(*map(torch.cat, zip(*(run.filtered for run in runs), strict=True))),
            Belief(*map(torch.cat, zip(*(run.predicted for run in runs), strict=True))),
            torch.cat([run.transitions for run in runs]),
            torch.cat([run.noises for run in runs]),
        )
