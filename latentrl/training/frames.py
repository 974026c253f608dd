"""What a static model is trained on: frames, each a sequence of its own."""

from __future__ import annotations

import torch

from latentrl.models import STATICS
from latentrl.models.over_data import single_frames
from latentrl.support.errors import UserError
from latentrl.training.options import TrainOptions
from latentrl.types import Sequences


def data_of(options: TrainOptions, data: Sequences) -> Sequences:
    """``data`` as the model of ``options`` is to see it: flattened to single frames for a static one.

    Raises:
        UserError: a Bernoulli likelihood of values that are no probabilities.
    """
    if options.model not in STATICS:
        return data
    observations = data.observations
    if options.likelihood == "bernoulli" and observations.dtype != torch.uint8:
        low, high = float(observations.min()), float(observations.max())
        if low < 0 or high > 1:
            raise UserError(
                f"--likelihood bernoulli: {options.data} holds values from {low:.3g} to {high:.3g}, and not from 0 to "
                "1; leave it out"
            )
    return single_frames(data)
