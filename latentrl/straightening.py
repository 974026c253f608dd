"""Straightening: of all charts of a cylinder, the one whose coordinates are an angle and a joint's position.

A ring and a line that belong to neighbouring pictures (:mod:`latentrl.charts`) may still be bent: the line stretched
here and there and leaning with the ring, the ring twisted along the line. A model starts with straight velocities where
the coordinates are straight. No label says what straight is; the frames do:

    line   random motion covers a joint's range evenly, wherever the other joint is: a coordinate becomes its rank
           among the frames of like angle
    ring   the limb that turns looks the same wherever the line is: the twist is undone for which the angle alone
           explains most of the pictures
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from latentrl.least_squares import least_squares

ROUNDS = 2
LEAN, BENT = 2, 7
"""Harmonics of the angle and degree in the line's coordinate that smooth the rank."""
TWIST = 7
"""Degree of the twist in the line's coordinate."""
HARMONICS = (4, 8, 16)
"""Of the angle, that pictures are explained with: few first, since many have many optima."""
ALIKE = 0.01
"""Share of the frames, on either side, whose angle counts as like."""
HOLE = 0.5
"""A ring has no point nearer to its centre than this share of its usual radius."""
PROJECTIONS = 512


def is_cylinder(chart: Tensor) -> bool:
    """Whether ``chart [L, 3]`` has a hole around the axis of its last coordinate."""
    if chart.shape[1] != 3:
        return False
    radius = chart[:, :2].norm(dim=1)
    return float(radius.quantile(0.01)) > HOLE * float(radius.median())


def straightened(chart: Tensor, pictures: Tensor) -> Tensor:
    """``chart [L, 3]``, a ring and a line, as ``(cos, sin, line)``; float32.

    Args:
        chart: two coordinates around a hole, and one along it.
        pictures: ``[L, D]``, sharp.
    """
    angle, line = torch.atan2(chart[:, 1], chart[:, 0]).double(), chart[:, 2].double()
    g = torch.Generator().manual_seed(0)
    # Random directions keep the variance that is explained, and a sixth of the work.
    seen = (pictures - pictures.mean(0)) @ torch.randn(pictures.shape[1], PROJECTIONS, generator=g)
    even = line
    for _ in range(ROUNDS):
        even = evened(angle, line)
        angle = untwisted(angle, even, seen.double())
    return torch.stack((angle.cos(), angle.sin(), even), 1).float()


def evened(angle: Tensor, line: Tensor) -> Tensor:
    """``line [L]`` as its rank among the points of like ``angle [L]``, from -1 to 1, smoothed over both."""
    near = max(1, round(ALIKE * len(line)))
    order = angle.remainder(2 * math.pi).argsort()
    ordered = line[order]
    around = torch.cat((ordered[-near:], ordered, ordered[:near])).unfold(0, 2 * near + 1, 1)
    rank = torch.empty_like(line)
    rank[order] = 2 * (around < ordered.unsqueeze(1)).double().mean(1) - 1
    powers = (line / line.abs().max()).unsqueeze(1) ** torch.arange(BENT + 1)
    waves = torch.cat((torch.ones_like(line).unsqueeze(1), harmonics(angle, LEAN)), 1)
    design = (waves.unsqueeze(2) * powers.unsqueeze(1)).flatten(1)
    return (design @ least_squares(design, rank.unsqueeze(1))).squeeze(1)


def harmonics(angle: Tensor, count: int) -> Tensor:
    """``angle [L]`` -> cosines, then sines, of its multiples 1 to ``count``, ``[L, 2 * count]``."""
    multiples = angle.unsqueeze(1) * torch.arange(1, count + 1)
    return torch.cat((multiples.cos(), multiples.sin()), 1)


def untwisted(angle: Tensor, line: Tensor, pictures: Tensor) -> Tensor:
    """``angle - g(line)`` for the polynomial ``g`` with which it explains most of ``pictures [L, D]``, all float64."""
    powers = line.unsqueeze(1) ** torch.arange(1, TWIST + 1)
    twist = torch.zeros(TWIST, dtype=torch.float64, requires_grad=True)
    for count in HARMONICS:
        optimiser = torch.optim.LBFGS([twist], max_iter=80, line_search_fn="strong_wolfe")

        def loss(count: int = count, optimiser: torch.optim.LBFGS = optimiser) -> Tensor:
            optimiser.zero_grad()
            left = 1 - explained_by(harmonics(angle - powers @ twist, count), pictures)
            left.backward()
            return left

        optimiser.step(loss)
    return angle - powers @ twist.detach()


def explained_by(design: Tensor, pictures: Tensor) -> Tensor:
    """The share of the variance of ``pictures [L, D]``, with mean zero, that is linear in ``design [L, K]``."""
    common = design.T @ pictures
    return (torch.linalg.solve(design.T @ design, common) * common).sum() / pictures.square().sum()
