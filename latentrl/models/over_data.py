"""Positions and smoothed states of a whole data set: its frames, in single precision, need not fit into memory.

States are small where pictures are not, and those of a sample of the sequences tell as much about their distribution.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from latentrl.models.base import WorldModel
from latentrl.models.capabilities import FrameDecoder, FrameEncoder
from latentrl.numerics.distributions import DiagonalGaussian
from latentrl.types import Belief, Sequences

PIECE = 2**25
"""Observation values in a piece; data that holds no more is taken at once."""
SAMPLE = 2000
"""Sequences of a sample, at least."""


def piece_slices(observations: Tensor) -> Iterator[slice]:
    """Where to cut ``observations [N, T, ...]`` into pieces of whole sequences, at most ``PIECE`` values in each.

    A sequence that holds more by itself is a piece.
    """
    length = max(1, PIECE // max(1, observations[:1].numel()))
    for start in range(0, len(observations), length):
        yield slice(start, start + length)


def sequence_pieces(data: Sequences, device: torch.device) -> Iterator[Sequences]:
    """``data`` cut by :func:`piece_slices`, one piece after the other on ``device``."""
    for piece in piece_slices(data.observations):
        yield data[piece].to(device)


def spread_sample(data: Sequences, count: int = SAMPLE) -> Sequences:
    """Between one and two times ``count`` sequences, evenly spread; all of them if there are fewer. A view."""
    return data[:: max(1, len(data) // count)]


def single_frames(data: Sequences) -> Sequences:
    """Every frame of ``data [N, T]`` as a sequence of one, ``[N T, 1]``, without an action: for models without time.

    A view, where the observations are contiguous.
    """
    frames = data.observations.flatten(0, 1).unsqueeze(1)
    return Sequences(frames, data.actions.new_zeros(len(frames), 0, data.actions.shape[-1]))


@torch.no_grad()
def smooth(model: WorldModel, data: Sequences) -> Belief:
    """q(z_t | x_1:T, u_1:T-1) over ``[N, T]``, on the model's device; ``data`` may lie on another."""
    device = next(model.parameters()).device
    beliefs = [model.smooth(piece.observations, piece.actions) for piece in sequence_pieces(data, device)]
    return Belief(torch.cat([b.mean for b in beliefs]), torch.cat([b.covariance for b in beliefs]))


@torch.no_grad()
def encode_frames(model: WorldModel, data: Sequences) -> DiagonalGaussian:
    """q(a_t | x_t) of every frame, ``[N, T, Da]``, on the device of ``model``, a `FrameEncoder`; ``data`` may lie on
    another."""
    assert isinstance(model, FrameEncoder)
    device = next(model.parameters()).device
    found = [model.encode(piece.observations) for piece in sequence_pieces(data, device)]
    return DiagonalGaussian(torch.cat([one.mean for one in found]), torch.cat([one.variance for one in found]))


@torch.no_grad()
def redraw_errors(model: WorldModel, observations: Tensor) -> Tensor:
    """Root mean squared error ``[N]`` of frames ``[N, *shape]`` as ``model`` draws them from where it encodes them; a
    model of single frames, whose units they have."""
    assert isinstance(model, FrameEncoder) and isinstance(model, FrameDecoder)
    found = []
    for piece in piece_slices(observations.unsqueeze(1)):
        frames = observations[piece].to(next(model.parameters()).device)
        found.append(model.squared_error(model.encode(frames).mean, frames).sqrt())
    return torch.cat(found)
