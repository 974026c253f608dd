"""A lean encoder and decoder for images: the matrix products of a few layers over patches that do not overlap.

    encoder   patches of 4 x 4 pixels -> 16 features; 4 x 4 of those -> 64 features; FC 128; ReLU
    decoder   the same in reverse

Like a convolution whose stride is its width (Dosovitskiy et al. 2021 begin with one), a layer has the same weights for
all patches and costs one dense matrix product, with no pixel read twice. The table's convolutions
(:mod:`latentrl.convolutions`) would keep a machine of two cores busy for half a day. A departure from the source.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu

from latentrl.convolutions import image_shape
from latentrl.distributions import DiagonalGaussian
from latentrl.networks import DiagonalGaussianMLP, mlp

PATCHES = (4, 4)
FEATURES = (16, 64)


def to_patches(images: Tensor, size: int) -> Tensor:
    """``[N, H, W, C]`` -> ``[N, H / size, W / size, size * size * C]``."""
    count, height, width, channels = images.shape
    cut = images.reshape(count, height // size, size, width // size, size * channels)
    return cut.transpose(2, 3).flatten(3)


def from_patches(patches: Tensor, size: int) -> Tensor:
    """The inverse of :func:`to_patches`."""
    count, rows, columns, values = patches.shape
    channels = values // size**2
    cut = patches.reshape(count, rows, columns, size, size * channels).transpose(2, 3)
    return cut.reshape(count, rows * size, columns * size, channels)


class Grid:
    """How an image is cut: its size, padded to whole patches, and the grid that is left after all layers."""

    def __init__(self, shape: Sequence[int]) -> None:
        self.height, self.width, self.channels = image_shape(shape, "lean")
        stride = int(torch.Size(PATCHES).numel())
        self.rows, self.columns = -(-self.height // stride), -(-self.width // stride)
        self.missing = self.rows * stride - self.height, self.columns * stride - self.width
        self.shape = (self.rows, self.columns, FEATURES[-1])


class PatchEncoder(nn.Module):
    """q(a | x) for images: ``[N, H, W, C]`` floating point -> diagonal normal ``[N, size]``.

    An image whose sides are no multiples of 16 is padded with zeros.

    Args:
        shape: height, width and channels of an image.
        hidden: fully connected layers after those over patches.
        size: Da.

    Raises:
        ValueError: ``shape`` is not that of an image.
    """

    def __init__(self, shape: Sequence[int], hidden: Sequence[int], size: int) -> None:
        super().__init__()
        self.grid = Grid(shape)
        n_in = (self.grid.channels, *FEATURES)
        self.layers = nn.ModuleList(
            nn.Linear(before * patch**2, after) for before, after, patch in zip(n_in, FEATURES, PATCHES, strict=False)
        )
        n_features = int(torch.Size(self.grid.shape).numel())
        self.body = DiagonalGaussianMLP(n_features, hidden, size, log_variance=-4.0)

    def forward(self, observations: Tensor) -> DiagonalGaussian:
        features, (below, right) = observations, self.grid.missing
        if below or right:
            features = pad(features, (0, 0, 0, right, 0, below))
        for layer, patch in zip(self.layers, PATCHES, strict=True):
            features = relu(layer(to_patches(features, patch)))
        return self.body(features.flatten(1))


class PatchDecoder(nn.Module):
    """The mean of p(x | a) for images: ``[N, size]`` -> ``[N, H, W, C]``; see :class:`PatchEncoder`."""

    def __init__(self, size: int, hidden: Sequence[int], shape: Sequence[int]) -> None:
        super().__init__()
        self.grid = Grid(shape)
        self.body = mlp((size, *hidden, int(torch.Size(self.grid.shape).numel())))
        n_out = (*FEATURES[-2::-1], self.grid.channels)
        self.layers = nn.ModuleList(
            nn.Linear(before, after * patch**2)
            for before, after, patch in zip(FEATURES[::-1], n_out, PATCHES[::-1], strict=True)
        )

    def forward(self, latents: Tensor) -> Tensor:
        features = self.body(latents).unflatten(1, self.grid.shape)
        for layer, patch in zip(self.layers, PATCHES[::-1], strict=True):
            features = from_patches(layer(relu(features)), patch)
        return features[:, : self.grid.height, : self.grid.width]
