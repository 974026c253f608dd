"""On how many threads a model is trained."""

from __future__ import annotations

import math
import os

import torch

from latentrl.support.threads import CHOSEN_BY, threads_that_gain
from latentrl.training.trainer import Trainer
from latentrl.types import is_image

WORTH_MEASURING = 4096
"""Values of an observation; of pictures of 16 x 16, and of sensors, a second thread saves a seventh at best."""


def training_threads(trainer: Trainer, most: int, before: object = None) -> int:
    """One for observations that are small; else as many as are measured to gain, now, in a moment at the start.

    Where ``OMP_NUM_THREADS`` says how many, so many.

    Args:
        trainer: left as it is.
        most: threads.
        before: what a run that is to be continued was begun with, and goes on with: another number of threads may
            round otherwise. None, or anything but a number, where nothing says.
    """
    if CHOSEN_BY in os.environ:
        return most
    if isinstance(before, int) and before >= 1:
        return min(before, most)
    shape = trainer.data.observations.shape[2:]
    if most == 1 or trainer.generator.device.type != "cpu" or math.prod(shape) < WORTH_MEASURING:
        return 1
    if not is_image(trainer.data.observations):
        return 1
    return threads_that_gain(lambda: bare_step(trainer), most)


def bare_step(trainer: Trainer) -> None:
    """Most of the work of a gradient step, of which nothing stays: no parameter, gradient or random number changes."""
    count = min(trainer.settings.batch, len(trainer.data))
    batch = trainer.data[torch.arange(count)]
    terms = trainer.model.rate_distortion(batch, torch.Generator().manual_seed(0))
    parameters = [parameter for parameter in trainer.model.parameters() if parameter.requires_grad]
    torch.autograd.grad((terms.rate + terms.distortion).sum(), parameters, allow_unused=True)
