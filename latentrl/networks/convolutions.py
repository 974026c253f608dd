"""The convolutional encoder and decoder of Latent Matters, Table A.2, for images.

    encoder   Conv 32, 64, 128 (5 x 5, stride 2), FC 256, ReLU
    decoder   the same in reverse, with transposed convolutions

A layer halves height and width, rounded up, so that any size will do.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from latentrl.networks.dense import DiagonalGaussianMLP, mlp
from latentrl.numerics.distributions import DiagonalGaussian

CHANNELS = (32, 64, 128)
KERNEL = 5


def image_shape(shape: Sequence[int], network: str) -> tuple[int, int, int]:
    """``shape`` as height, width and channels.

    Raises:
        ValueError: not the shape of an image ``[H, W, C]``.
    """
    if len(shape) != 3 or min(shape) < 1:
        raise ValueError(
            f"network {network!r} takes images [H, W, C]; these observations have the shape {tuple(shape)}"
        )
    return shape[0], shape[1], shape[2]


def halvings(size: int, layers: int) -> list[int]:
    """``size`` and what each of ``layers`` convolutions of stride 2 makes of it."""
    sizes = [size]
    for _ in range(layers):
        sizes.append((sizes[-1] + 1) // 2)
    return sizes


class ConvEncoder(nn.Module):
    """q(a | x) for images: ``[N, H, W, C]`` floating point -> diagonal normal ``[N, size]``.

    Args:
        shape: height, width and channels of an image.
        hidden: fully connected layers after the convolutions; the table's are ``(256,)``.
        size: Da.

    Raises:
        ValueError: ``shape`` is not that of an image.
    """

    convolutions: nn.Sequential
    body: DiagonalGaussianMLP

    def __init__(self, shape: Sequence[int], hidden: Sequence[int], size: int) -> None:
        super().__init__()
        height, width, channels = image_shape(shape, "conv")
        layers: list[nn.Module] = []
        for n_in, n_out in zip((channels, *CHANNELS), CHANNELS, strict=False):
            layers += [nn.Conv2d(n_in, n_out, KERNEL, stride=2, padding=KERNEL // 2), nn.ReLU()]
        self.convolutions = nn.Sequential(*layers)
        n_features = CHANNELS[-1] * halvings(height, len(CHANNELS))[-1] * halvings(width, len(CHANNELS))[-1]
        self.body = DiagonalGaussianMLP(n_features, hidden, size, log_variance=-4.0)

    def forward(self, observations: Tensor) -> DiagonalGaussian:
        return self.body(self.convolutions(observations.permute(0, 3, 1, 2)).flatten(1))


class ConvDecoder(nn.Module):
    """The mean of p(x | a) for images: ``[N, size]`` -> ``[N, H, W, C]``; see :class:`ConvEncoder`."""

    grid: tuple[int, int, int]
    body: nn.Sequential
    convolutions: nn.Sequential

    def __init__(self, size: int, hidden: Sequence[int], shape: Sequence[int]) -> None:
        super().__init__()
        height, width, channels = image_shape(shape, "conv")
        heights, widths = (halvings(n, len(CHANNELS))[::-1] for n in (height, width))
        self.grid = (CHANNELS[-1], heights[0], widths[0])
        self.body = mlp((size, *hidden, int(torch.Size(self.grid).numel())))
        n_out = (*CHANNELS[-2::-1], channels)
        layers: list[nn.Module] = []
        for i, (before, after) in enumerate(zip(CHANNELS[::-1], n_out, strict=True)):
            # A transposed convolution gives 2 n - 1 of n pixels, or one more.
            more = (heights[i + 1] - 2 * heights[i] + 1, widths[i + 1] - 2 * widths[i] + 1)
            layers += [nn.ReLU(), nn.ConvTranspose2d(before, after, KERNEL, 2, KERNEL // 2, more)]
        self.convolutions = nn.Sequential(*layers)

    def forward(self, latents: Tensor) -> Tensor:
        features = self.body(latents).unflatten(1, self.grid)
        return self.convolutions(features).permute(0, 2, 3, 1)
