"""A lean encoder and decoder for images, for a processor: few layers, each one dense matrix product.

    encoder   the image at half its height and width, FC 256, 128, 128, ReLU
    decoder   512 waves, FC 128, 128 features for every 16 x 16 pixels, 64 for every 4 x 4 of them, pixels; ReLU

The decoder's last layers have the same weights for all patches, like a transposed convolution whose stride is its
width: no pixel is written twice. A departure from the source, whose convolutions
(:mod:`latentrl.networks.convolutions`) are slow on a processor (docs/ekvae.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu

from latentrl.networks.convolutions import image_shape
from latentrl.networks.dense import mlp

WAVES, WAVE_NUMBER = 512, 3.0
PATCHES = (4, 4)
FEATURES = (64, 128)


def from_patches(patches: Tensor, size: int) -> Tensor:
    """Images ``[N, H, W, C]`` from the patches ``[N, H / size, W / size, size * size * C]`` that they are cut into."""
    count, rows, columns, values = patches.shape
    channels = values // size**2
    cut = patches.reshape(count, rows, columns, size, size * channels).transpose(2, 3)
    return cut.reshape(count, rows * size, columns * size, channels)


def halved(images: Tensor) -> Tensor:
    """``[N, H, W, C]`` averaged over squares of 2 x 2 pixels; odd sides are padded with zeros.

    Raises:
        ValueError: not images.
    """
    height, width, channels = image_shape(images.shape[1:], "lean")
    if height % 2 or width % 2:
        images = pad(images, (0, 0, 0, width % 2, 0, height % 2))
    count, height, width, _ = images.shape
    # Two sums of slices: a mean over two axes that are not the last ones is slower.
    rows = images.reshape(count, height // 2, 2, width // 2, 2 * channels)
    rows = rows[:, :, 0] + rows[:, :, 1]
    return 0.25 * (rows[..., :channels] + rows[..., channels:])


class Waves(nn.Module):
    """Learned Fourier features ``a -> (a, sin(W a + b))`` ``[N, size + count]`` (Tancik et al., 2020).

    With them a small network learns what changes within a fraction of the positions' range. ``W`` starts random.

    Args:
        size: Da.
        count: waves.
    """

    linear: nn.Linear

    def __init__(self, size: int, count: int) -> None:
        super().__init__()
        self.linear = nn.Linear(size, count)
        nn.init.normal_(self.linear.weight, std=WAVE_NUMBER)
        nn.init.uniform_(self.linear.bias, 0, 2 * math.pi)

    def forward(self, latents: Tensor) -> Tensor:
        return torch.cat((latents, math.sqrt(2) * self.linear(latents).sin()), -1)


class PatchDecoder(nn.Module):
    """The mean of p(x | a) for images: ``[N, size]`` -> ``[N, H, W, C]``.

    Args:
        size: Da.
        hidden: fully connected layers, of which only the first is used: the Fourier features replace the others.
        shape: height, width and channels of an image; one that is no whole number of patches is cut from one that is.

    Raises:
        ValueError: ``shape`` is not that of an image.
    """

    height: int
    width: int
    grid: tuple[int, int, int]
    waves: Waves
    body: nn.Sequential
    layers: nn.ModuleList

    def __init__(self, size: int, hidden: Sequence[int], shape: Sequence[int]) -> None:
        super().__init__()
        self.height, self.width, channels = image_shape(shape, "lean")
        stride = math.prod(PATCHES)
        self.grid = -(-self.height // stride), -(-self.width // stride), FEATURES[-1]
        self.waves = Waves(size, WAVES)
        self.body = mlp((size + WAVES, hidden[0], math.prod(self.grid)))
        n_out = (*FEATURES[-2::-1], channels)
        self.layers = nn.ModuleList(
            nn.Linear(before, after * patch**2)
            for before, after, patch in zip(FEATURES[::-1], n_out, PATCHES[::-1], strict=True)
        )

    def forward(self, latents: Tensor) -> Tensor:
        features = self.body(self.waves(latents)).unflatten(1, self.grid)
        for layer, patch in zip(self.layers, PATCHES[::-1], strict=True):
            features = from_patches(layer(relu(features)), patch)
        return features[:, : self.height, : self.width]
