"""The latent space as a Riemannian manifold: the metric that a decoder pulls back from the observations.

A step dz moves the decoded observation by ``J dz``, so that lengths are measured by ``G = J' J`` (Latent Matters,
5.1.1; Tosi et al. 2014). Everything here is a pure function of a decoder, of points and of curves, in the units of
what the decoder returns: for pictures in [0, 1] the root of a sum of squared differences of pixels.

Jacobians are exact, by forward-mode differentiation: one forward pass and one tangent a latent dimension, of which
there are few. Without gradients they are computed a piece at a time, so that any number of points fits into memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor
from torch.func import jvp, vmap

Decoder = Callable[[Tensor], Tensor]
"""Latent points ``[..., d]`` to observations ``[..., *shape]``, each from its own point alone; differentiable."""

VALUES_AT_ONCE = 2**23
"""Numbers in the Jacobians that are held at once where no gradient is wanted."""


def decoded(decoder: Decoder, points: Tensor) -> Tensor:
    """Observations ``[..., D]`` of ``points [..., d]``, flattened."""
    flat = points.reshape(-1, points.shape[-1])
    return decoder(flat).reshape(*points.shape[:-1], -1)


def pushed_forward(decoder: Decoder, points: Tensor, tangents: Tensor) -> Tensor:
    """``J(z) v`` ``[..., D]`` for ``points`` and ``tangents [..., d]``: how observations move as points do."""
    moved = jvp(lambda z: decoded(decoder, z), (points,), (tangents,))[1]
    return cast(Tensor, moved)


def jacobian(decoder: Decoder, points: Tensor) -> Tensor:
    """``J`` ``[..., D, d]`` at ``points [..., d]``, Eq. 5.4: column i is what a step along latent axis i changes."""
    axes = torch.eye(points.shape[-1], dtype=points.dtype, device=points.device)
    columns = vmap(lambda axis: pushed_forward(decoder, points, axis.expand_as(points)))(axes)
    return columns.movedim(0, -1)


def metric_tensor(decoder: Decoder, points: Tensor) -> Tensor:
    """The Riemannian metric ``G = J' J`` ``[..., d, d]`` at ``points [..., d]``, Eq. 5.3 and 5.4.

    Differentiable in the points. Without gradients, in pieces.
    """
    flat = points.reshape(-1, points.shape[-1])
    if torch.is_grad_enabled() and points.requires_grad:
        found = _metric(decoder, flat)
    else:
        values = decoded(decoder, flat[:1]).numel() * flat.shape[-1] if len(flat) else 1
        pieces = flat.split(max(1, VALUES_AT_ONCE // max(1, values)))
        found = torch.cat([_metric(decoder, piece) for piece in pieces])
    return found.reshape(*points.shape, points.shape[-1])


def magnification_factor(metric: Tensor) -> Tensor:
    """``sqrt(det G)`` ``[...]`` of ``metric [..., d, d]``, Eq. 5.11: how much volume the decoder makes of a unit."""
    return torch.linalg.det(metric).clamp(min=0).sqrt()


def condition_number(metric: Tensor) -> Tensor:
    """The largest over the smallest eigenvalue of ``metric [..., d, d]``, ``[...]``: 1 where no direction counts more.

    Infinite where a direction changes nothing.
    """
    values = torch.linalg.eigvalsh(metric)
    return values[..., -1] / values[..., 0].clamp(min=0)


def smoothed(metric: Tensor, strength: float | Tensor) -> Tensor:
    """The metric ``[..., d, d]`` with its singular values s made ``s^3 / (s^2 + strength)``, Eq. 5.10.

    As ``G (G^2 + strength)^-1 G^2``, which is the same function of G: a decomposition has no gradient where singular
    values coincide.
    """
    square = metric @ metric
    eye = torch.eye(metric.shape[-1], dtype=metric.dtype, device=metric.device)
    return metric @ torch.linalg.solve(square + strength * eye, square)


def speeds(decoder: Decoder, curve: Tensor) -> Tensor:
    """The velocity ``phi(t)`` of Eq. 5.5, ``[..., K - 1]``, between the points of ``curve [..., K, d]``.

    The curve is taken as straight between its points and its time as even, from 0 to 1.
    """
    steps = curve.diff(dim=-2)
    moved = pushed_forward(decoder, curve[..., :-1, :] + steps / 2, steps)
    return moved.norm(dim=-1) * steps.shape[-2]


def curve_length(decoder: Decoder, curve: Tensor) -> Tensor:
    """The Riemannian length ``[...]`` of ``curve [..., K, d]``, Eq. 5.5, by the midpoint rule between its points."""
    return speeds(decoder, curve).mean(-1)


def curve_energy(decoder: Decoder, curve: Tensor) -> Tensor:
    """``1/2 int phi(t)^2 dt`` ``[...]`` of ``curve [..., K, d]``: a geodesic at even speed has the least of all."""
    return speeds(decoder, curve).square().mean(-1) / 2


def chord(start: Tensor, end: Tensor, points: int) -> Tensor:
    """The straight line ``[..., points, d]`` from ``start`` to ``end [..., d]``, both included."""
    share = torch.linspace(0, 1, points, dtype=start.dtype, device=start.device).unsqueeze(-1)
    # Weighed, not stepped: both ends are met to the last bit.
    return (1 - share) * start.unsqueeze(-2) + share * end.unsqueeze(-2)


def _metric(decoder: Decoder, points: Tensor) -> Tensor:
    found = jacobian(decoder, points)
    return found.mT @ found
