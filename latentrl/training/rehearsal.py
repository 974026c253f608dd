"""Half a step before the first: what is compiled is compiled then, and no clock counts it."""

from __future__ import annotations

import torch

from latentrl.models.capabilities import StateSampler
from latentrl.training.trainer import Trainer

SEQUENCES = 2


def rehearse(trainer: Trainer) -> None:
    """Compute a loss and its gradient on a few sequences, of which nothing is kept, so that kernels are there.

    No random numbers of the training are drawn: it comes to the same weights, to the last bit, as without.
    """
    model, generator = trainer.model, torch.Generator(device=trainer.device).manual_seed(0)
    batch = trainer.data[torch.arange(min(SEQUENCES, len(trainer.data)))].to(trainer.device)
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    with torch.random.fork_rng(devices=[]):
        terms = (
            model.sampled_rate_distortion(batch, generator).terms
            if isinstance(model, StateSampler)
            else model.rate_distortion(batch, generator)
        )
        torch.autograd.grad(terms.rate.mean() + terms.distortion.mean(), learned, allow_unused=True)
