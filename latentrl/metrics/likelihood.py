"""What a static model says of held-out frames: likelihoods by importance sampling, and which of its units it uses."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from latentrl.models.statics.base import StaticModel
from latentrl.priors.vhp import VHP

SAMPLES = 5000
"""Of each frame, as in the source (3.5.3)."""
AT_ONCE = 2**14
"""Samples that are decoded at once."""
ACTIVE = 0.01
"""Variance of a unit's mean over the data from which on it counts as active (Burda et al., 2016)."""


@torch.no_grad()
def log_likelihood(
    model: StaticModel, frames: Tensor, generator: torch.Generator | None = None, samples: int = SAMPLES
) -> Tensor:
    """log p(x) ``[N]`` in nats of ``frames [N, *shape]``, by importance sampling: Eq. 2.17 with many samples.

    A lower bound on average, and the tighter the more samples there are. With the VHP a zeta is drawn for every z, and
    both are weighed together.
    """
    count = max(1, min(samples, AT_ONCE // max(1, len(frames))))
    found = torch.full((len(frames),), -math.inf, device=frames.device, dtype=torch.float64)
    for piece in torch.arange(samples).split(count):
        weights = model.draw(frames, len(piece), generator).log_weights.double()
        found = torch.logaddexp(found, weights.logsumexp(0))
    return found - math.log(samples)


def active_units(means: Tensor) -> int:
    """How many dimensions of ``means [N, Dz]``, those of q(z | x), vary with x: A_u of Burda et al. (2016).

    Samples vary even where q(z | x) says nothing of x, and are not to be given here.
    """
    return int((means.var(0, correction=0) > ACTIVE).sum())


@torch.no_grad()
def unit_rates(prior: VHP, latents: Tensor) -> Tensor:
    """KL(q(zeta_d | z) || N(0, 1)) in nats ``[Dz]``, the mean over ``latents [N, Dz]``: the bars of Figure 3.12.

    With a sample of q(z | x) for every x it is an upper bound of the figure's KL(q(zeta_d | x) || p(zeta_d)).
    """
    found = prior.encoder(latents)
    return 0.5 * (found.variance + found.mean.square() - 1 - found.variance.log()).mean(0)
