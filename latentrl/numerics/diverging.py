"""Which roll-outs diverged: told by the others alone, for what is large in a latent space nobody knows beforehand."""

from __future__ import annotations

import torch
from torch import Tensor

FAR = 1000.0
"""Times the half-width of what most states are: what grows step by step is soon beyond, and a part that seldom moves,
an object that is pushed now and then, is not."""
MOST = 0.8
"""Of all states, those around the median: up to a tenth may diverge to either side."""


def diverging(paths: Tensor) -> Tensor:
    """Which of ``paths [T, N, D]`` leave, at any step, what most states of all paths are, or are not finite: ``[N]``.

    Dimensions in which most states are the same do not count; without dimensions nothing diverges.
    """
    if paths.shape[2] == 0:
        return torch.zeros(paths.shape[1], dtype=torch.bool, device=paths.device)
    # There are no quantiles of half precision, in which a thousand times what is usual may be no number either.
    paths = paths.float() if paths.dtype in (torch.float16, torch.bfloat16) else paths
    known = paths.flatten(0, 1)
    known = known[known.isfinite().all(-1)]
    if not len(known):
        return torch.ones(paths.shape[1], dtype=torch.bool, device=paths.device)
    share = torch.tensor([(1 - MOST) / 2, 0.5, (1 + MOST) / 2], dtype=paths.dtype, device=paths.device)
    low, middle, high = torch.quantile(known, share, dim=0)
    reach = FAR * (high - low) / 2
    # NaN is not within anything.
    within = ((paths - middle).abs() <= reach) | ((reach == 0) & paths.isfinite())
    return ~within.all(-1).all(0)


def stands_in(which: Tensor) -> Tensor:
    """Indices ``[N]`` that put one of ``which [N]`` in the place of every other, in turn; all stay where none is."""
    own = torch.arange(len(which), device=which.device)
    chosen = which.nonzero().flatten()
    return torch.where(which, own, chosen[own % len(chosen)]) if len(chosen) else own
