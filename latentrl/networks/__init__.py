"""Which encoder and decoder a model has, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from latentrl.networks.convolutions import ConvDecoder, ConvEncoder
from latentrl.networks.dense import VectorDecoder, VectorEncoder
from latentrl.networks.lean import PatchDecoder, halved
from latentrl.types import is_image_shape

NetworkName = Literal["dense", "conv", "lean"]
SMALL_SIDE = 32
"""Pixels a side up to which an image is small: fully connected layers are then the cheapest and good enough."""


class Network(NamedTuple):
    """A pair of networks and the fully connected layers that they are meant to have.

    ``encoder(shape, hidden, size)`` maps ``[N, *shape]`` to a diagonal normal ``[N, size]``, ``decoder(size, hidden,
    shape)`` maps ``[N, size]`` to ``[N, *shape]``. Where the encoder is made for less than the whole observation,
    ``reduce`` maps ``[N, *shape]`` to what is left; it is linear and has no parameters.
    """

    encoder: Callable[[Sequence[int], Sequence[int], int], nn.Module]
    decoder: Callable[[int, Sequence[int], Sequence[int]], nn.Module]
    hidden: tuple[int, ...]
    reduce: Callable[[Tensor], Tensor] | None = None


NETWORKS: dict[NetworkName, Network] = {
    "dense": Network(VectorEncoder, VectorDecoder, (128, 128, 128)),
    "conv": Network(ConvEncoder, ConvDecoder, (256,)),
    "lean": Network(VectorEncoder, PatchDecoder, (256, 128, 128), halved),
}


def suggested_network(observations: Tensor, device: torch.device) -> NetworkName:
    """What suits ``observations [N, T, ...]`` for a model on ``device``.

    Dense layers for sensors and small images; for larger ones Table A.2's convolutions on a GPU, and the lean network
    on a processor, where it is much faster.
    """
    shape = observations.shape[2:]
    if observations.dtype != torch.uint8 or not is_image_shape(shape) or max(shape[:2]) <= SMALL_SIDE:
        return "dense"
    return "conv" if device.type == "cuda" else "lean"
