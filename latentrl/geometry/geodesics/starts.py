"""Where the search for a geodesic starts: the best of several curves, for the nearest minimum need not be the least."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from latentrl.geometry.metric import Decoder, chord, decoded

CONTROLS = 3
"""Control points of a Bezier curve beside its ends; the source leaves the number open."""


def bezier_curves(
    start: Tensor, end: Tensor, count: int, points: int, width: float, generator: torch.Generator
) -> Tensor:
    """``count`` random Bezier curves ``[count, B, points, d]`` from ``start`` to ``end [B, d]`` (section 5.1.2.3).

    The control points lie evenly between the ends, each moved at random and orthogonally to the line between them.

    Args:
        start: where the curves begin.
        end: where they end.
        count: of curves for each pair.
        points: of a curve, its ends included.
        width: range in which control points are drawn, in distances of the ends; 1/2 in the source.
        generator: of the control points.
    """
    along = end - start
    distance = along.norm(dim=-1, keepdim=True)
    unit = along / distance.clamp(min=1e-12)
    shape = (count, len(start), CONTROLS, start.shape[-1])
    moved = torch.rand(shape, generator=generator, dtype=start.dtype).to(start.device) - 0.5
    moved = moved - (moved * unit.unsqueeze(1)).sum(-1, keepdim=True) * unit.unsqueeze(1)
    line = chord(start, end, CONTROLS + 2).expand(count, -1, -1, -1)
    controls = torch.cat(
        (line[..., :1, :], line[..., 1:-1, :] + width * distance.unsqueeze(1) * moved, line[..., -1:, :]), -2
    )
    curves = _bernstein(points, CONTROLS + 1, start) @ controls
    curves[..., 0, :], curves[..., -1, :] = start, end
    return curves


@torch.no_grad()
def best_start(
    decoder: Decoder, start: Tensor, end: Tensor, count: int, points: int, width: float, others: Tensor | None = None
) -> Tensor:
    """The shortest of the line, of ``count`` Bezier curves and of ``others [M, B, points, d]``: ``[B, points, d]``.

    Lengths are those of polygons through decoded points. The arguments are those of :func:`bezier_curves`; the same
    curves are drawn each time.
    """
    drawn = bezier_curves(start, end, count, points, width, torch.Generator().manual_seed(0))
    candidates = torch.cat([chord(start, end, points).unsqueeze(0), drawn, *([] if others is None else [others])])
    lengths = torch.stack([decoded(decoder, one).diff(dim=-2).norm(dim=-1).sum(-1) for one in candidates])
    return candidates[lengths.argmin(0), torch.arange(len(start))]


def _bernstein(points: int, degree: int, like: Tensor) -> Tensor:
    """Bernstein polynomials ``[points, degree + 1]`` at even times: de Casteljau's curve as weights of its controls."""
    time = torch.linspace(0, 1, points, dtype=like.dtype, device=like.device).unsqueeze(1)
    power = torch.arange(degree + 1, device=like.device)
    binomial = torch.tensor([math.comb(degree, i) for i in range(degree + 1)], dtype=like.dtype, device=like.device)
    return binomial * time**power * (1 - time) ** (degree - power)
