"""The initial distribution of a model that began on a chart, fitted anew once all else is trained.

Trained along with everything else, from one sample of zeta, a VHP may stay a stretched normal (docs/ekvae.md). Begun
afresh, with importance weights (Klushyn et al., 2019, use them for models of single frames) and first states that no
longer change, it finds their manifold. This is the bound's ascent in the prior's parameters alone; that it begins
afresh is a departure from the source.
"""

from __future__ import annotations

import time
from typing import ClassVar

import torch

from latentrl.live.bars import Shown
from latentrl.models.base import WorldModel
from latentrl.models.capabilities import FreshPrior
from latentrl.models.over_data import smooth, spread_sample
from latentrl.numerics.distributions import cholesky
from latentrl.priors import PRIORS
from latentrl.training.fitting import Fitting
from latentrl.training.settings import TrainSettings
from latentrl.training.situation import Situation
from latentrl.training.stages.base import Stage
from latentrl.training.training import Training
from latentrl.types import Sequences

BATCH, SAMPLES = 128, 8
"""First states in a step, and importance samples of zeta for each."""
SEQUENCES = 10_000
"""Sequences that the first states are from, at least, where there are so many."""
LEARNING_RATE = 3e-3


class PriorAfresh(Stage):
    """The initial distribution is begun afresh and fitted to the smoothed first states."""

    needs: ClassVar[tuple[type, ...]] = (FreshPrior,)

    def why(self, situation: Situation, settings: TrainSettings) -> str | None:
        if not settings.prior_steps or not PRIORS[situation.options.prior].can_begin_afresh():
            return None
        return f"{settings.prior_steps} steps on first states that no longer change: fitted along, it is too wide"

    def run(self, training: Training) -> None:
        training.trainer.seconds += fit_prior(
            training.model, training.data, training.settings.prior_steps, training.seed, training.progress
        )


def fit_prior(model: WorldModel, data: Sequences, steps: int, seed: int = 0, progress: Shown = True) -> float:
    """Fit the prior of ``model`` to samples of the smoothed first states, in place; one with no weights stays.

    Args:
        model: trained.
        data: the training sequences.
        steps: none leave the prior as it is.
        seed: of the prior's first weights and of the samples.
        progress: show a progress bar.

    Returns:
        How long it took, in seconds.
    """
    began, prior = time.perf_counter(), model.initial_distribution
    if not steps:
        return 0.0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = model.fresh_prior()
    if fresh is None:
        return 0.0
    device = next(prior.parameters()).device
    fresh.to(device)
    belief = smooth(model, spread_sample(data, SEQUENCES))
    mean, factor = belief.mean[:, 0].float(), cholesky(belief.covariance[:, 0]).float()
    fresh.take_coordinates(prior)
    model.begin_prior(fresh, data)
    generator = torch.Generator(device).manual_seed(seed)
    fitting = Fitting(torch.optim.Adam(fresh.parameters(), lr=LEARNING_RATE), steps, "prior", progress, shown="nats")
    for _ in fitting:
        index = torch.randint(len(mean), (BATCH,), generator=generator, device=device)
        noise = torch.randn(BATCH, prior.size, 1, generator=generator, device=device)
        state = mean[index] + (factor[index] @ noise).squeeze(-1)
        loss = -fresh.bound(state, generator, SAMPLES).mean()
        fitting.step(loss)
    prior.load_state_dict(fresh.state_dict())
    return time.perf_counter() - began
