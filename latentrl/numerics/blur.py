"""Gaussian blur of pictures."""

from __future__ import annotations

import torch
from torch import Tensor


def gaussian_matrix(size: int, sigma: float, device: torch.device) -> Tensor:
    """``[size, size]`` matrix that blurs a line of pixels by ``sigma`` pixels; rows sum to one, also at the edges."""
    position = torch.arange(size, dtype=torch.float32, device=device)
    weights = torch.exp(-0.5 * ((position[:, None] - position) / sigma).square())
    return weights / weights.sum(1, keepdim=True)


def blur(images: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of ``images [..., H, W, C]`` (floating point) by ``sigma`` pixels."""
    rows = gaussian_matrix(images.shape[-3], sigma, images.device)
    columns = gaussian_matrix(images.shape[-2], sigma, images.device)
    return blur_by(images, rows, columns)


def blur_by(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """``images [..., H, W, C]`` (floating point), lines mixed by ``rows [H, H]`` and ``columns [W, W]``."""
    return torch.einsum("ih,...hwc,jw->...ijc", rows, images, columns)
