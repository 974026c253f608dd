"""Flat latent spaces: how far a decoder's metric is from one that is the same everywhere and in every direction.

Where ``G(z) = c^2 1`` for every z (Latent Matters, Eq. 5.13), straight lines are geodesics and the Euclidean distance
is c times too short a Riemannian one. A decoder learns that from the points that it is asked about: encoded data, and
what lies between and a little beyond them (mixup, Zhang et al. 2018).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from latentrl.geometry.metric import condition_number


def mixup(points: Tensor, others: Tensor, share: Tensor) -> Tensor:
    """``(1 - rho) z_i + rho z_j`` ``[..., d]``, Eq. 5.14: on the line through two points.

    Args:
        points: z_i ``[..., d]``.
        others: z_j ``[..., d]``.
        share: rho ``[...]``; below 0 and above 1 it is beyond the points.
    """
    rho = share.unsqueeze(-1)
    return (1 - rho) * points + rho * others


def mean_square_scale(metric: Tensor) -> Tensor:
    """``c^2``, a scalar: the mean of the diagonals of ``metric [..., d, d]``, Eq. 5.15."""
    return metric.diagonal(dim1=-2, dim2=-1).mean()


def bentness(metric: Tensor, scale: Tensor | None = None) -> Tensor:
    """The mean of ``||G - c^2 1||_F^2`` over ``metric [..., d, d]``, a scalar: F_reg of Eq. 5.16.

    Args:
        metric: G at the points that are asked about.
        scale: ``c^2``; that of Eq. 5.15, as a constant, if None.
    """
    square = mean_square_scale(metric).detach() if scale is None else scale
    eye = torch.eye(metric.shape[-1], dtype=metric.dtype, device=metric.device)
    return (metric - square * eye).square().sum((-1, -2)).mean()


def relative_bentness(metric: Tensor) -> Tensor:
    """The mean of ``||G / c^2 - 1||_F^2``, a scalar: :func:`bentness` whatever the units of points and observations.

    c^2 is no constant here: it gains nothing to stretch the latent space or to shrink it.
    """
    square = mean_square_scale(metric).clamp(min=torch.finfo(metric.dtype).tiny)
    return bentness(metric / square, torch.ones_like(square))


def flatness_figures(metric: Tensor) -> dict[str, float]:
    """How flat a space is by the metric at many points, ``[N, d, d]`` (section 5.2.3): 1 and 0 where it is flat.

    ``condition_number`` is the median of the metric's, ``magnification_spread`` the deviation of the magnification
    factor over its mean. What is not finite is left out.
    """
    # Of many dimensions a determinant is too small or too large a number; only relations of factors are asked for.
    volume = torch.linalg.slogdet(metric.double()).logabsdet / 2
    factor = (volume - volume.max()).exp()
    found = {
        "condition_number": float(condition_number(metric).median()),
        "magnification_spread": float(factor.std(correction=min(1, len(factor) - 1)) / factor.mean()),
    }
    return {name: value for name, value in found.items() if math.isfinite(value)}
