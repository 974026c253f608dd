"""The standard deviation of p(x | a), set to the error that is left."""

from __future__ import annotations

import torch
from torch import Tensor

from latentrl.models.base import WorldModel
from latentrl.models.capabilities import FrameDecoder
from latentrl.models.over_data import smooth, spread_sample
from latentrl.numerics.pieces import spread_frames
from latentrl.types import Sequences

SEQUENCES = 10_000
"""Sequences that frames are drawn from, at least, where there are so many."""
SAMPLE = 10_000
"""Frames that sigma is estimated from."""


def sampled_positions(model: WorldModel, data: Sequences) -> tuple[Tensor, Tensor]:
    """Smoothed positions ``[n, T, Da]`` of sequences from all over ``data``, and their observations."""
    sample = spread_sample(data, SEQUENCES)
    return smooth(model, sample).mean[..., : model.position_size].float(), sample.observations


def fit_deviation(model: WorldModel, positions: Tensor, observations: Tensor) -> None:
    """Set sigma of ``model``, a `FrameDecoder`, to the error with which it draws ``observations`` from ``positions``.

    Args:
        model: changed in place.
        positions: ``[n, T, Da]``.
        observations: ``[n, T, *shape]``.
    """
    assert isinstance(model, FrameDecoder)
    device = positions.device
    with torch.no_grad():
        spread = (spread_frames(values, SAMPLE).to(device) for values in (positions, observations))
        model.set_deviation(model.squared_error(*spread).mean())
