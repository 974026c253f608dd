"""Surfaces as decoders, with metrics and geodesics in closed form."""

from __future__ import annotations

import torch
from torch import Tensor

LARGE, SMALL = 2.0, 0.7
"""Radii of the torus."""


def sphere(z: Tensor) -> Tensor:
    """``(theta, phi) [..., 2]`` to the unit sphere ``[..., 3]``; geodesics are great circles."""
    theta, phi = z.unbind(-1)
    return torch.stack((theta.sin() * phi.cos(), theta.sin() * phi.sin(), theta.cos()), -1)


def sphere_metric(z: Tensor) -> Tensor:
    """``[..., 2, 2]``."""
    theta = z[..., 0]
    return torch.diag_embed(torch.stack((torch.ones_like(theta), theta.sin().square()), -1))


def sphere_distance(start: Tensor, end: Tensor) -> Tensor:
    """Along the great circle, ``[...]``."""
    return torch.acos((sphere(start) * sphere(end)).sum(-1).clamp(-1, 1))


def torus(z: Tensor) -> Tensor:
    """``(u, v) [..., 2]``, around and through the hole, to a torus ``[..., 3]``."""
    u, v = z.unbind(-1)
    radius = LARGE + SMALL * v.cos()
    return torch.stack((radius * u.cos(), radius * u.sin(), SMALL * v.sin()), -1)


def torus_metric(z: Tensor) -> Tensor:
    """``[..., 2, 2]``."""
    radius = LARGE + SMALL * z[..., 1].cos()
    return torch.diag_embed(torch.stack((radius.square(), torch.full_like(radius, SMALL**2)), -1))


def clairaut(z: Tensor) -> Tensor:
    """``rho^2 du / ds`` ``[..., K - 1]`` along ``z [..., K, 2]`` on the torus: the same all along a geodesic."""
    step, middle = z.diff(dim=-2), (z[..., 1:, :] + z[..., :-1, :]) / 2
    metric = torus_metric(middle)
    along = (step.unsqueeze(-2) @ metric @ step.unsqueeze(-1)).squeeze((-1, -2)).sqrt()
    return metric[..., 0, 0] * step[..., 0] / along
