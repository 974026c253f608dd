"""Straightening: of all charts of a cylinder, the one whose coordinates are an angle and a joint's position.

A ring and a line read off pictures (:mod:`latentrl.geometry.charts`) may still be distorted: the line stretched and
dependent on the angle, the angle shifted along the line. The frames themselves, without labels, tell what is straight:

    line   random motion covers its range evenly, at every angle: it becomes its rank among the frames of similar angle
    ring   the limb that turns looks the same wherever the line is: the shift is undone with which the angle alone
           explains most of the pictures
"""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from latentrl.numerics.least_squares import least_squares

ROUNDS = 2
LEAN, BENT = 2, 7
"""Harmonics of the angle, and degree in the line, of the function that smooths the ranks."""
TWIST = 7
"""Degree of the polynomial in the line that the angle is shifted by."""
HARMONICS = (4, 8, 16)
"""Of the angle, that pictures are explained with: few first, since many have many optima."""
EDGE = 1.1
"""Where the line ends: a little beyond the last rank, to whatever a polynomial would go on."""
ALIKE = 0.01
"""Share of the frames, on either side, whose angle counts as similar."""
PROJECTIONS = 512
"""Random directions that pictures are compared along."""


class Round(NamedTuple):
    """Coefficients of a line's straight coordinate ``[K]`` and of the ring's twist ``[TWIST]``, float64."""

    line: Tensor
    twist: Tensor


class Straightening(NamedTuple):
    """Smooth functions from a distorted cylinder's coordinates to straight ones, fitted to some points, for any.

    ``mean [3]`` and ``scale [3]`` of the bent coordinates, the line's ``reach``, and the coefficients of every round;
    float64.
    """

    mean: Tensor
    scale: Tensor
    reach: Tensor
    rounds: tuple[Round, ...]

    def __call__(self, chart: Tensor) -> Tensor:
        """``chart [..., 3]`` as ``(cos, sin, line)``, float32."""
        angle, line = angle_and_line(((chart.double() - self.mean) / self.scale).flatten(0, -2))
        straight = line
        for found in self.rounds:
            straight = (_line_design(angle, line, self.reach) @ found.line).clamp(-EDGE, EDGE)
            angle = angle - twist_design(straight) @ found.twist
        return torch.stack((angle.cos(), angle.sin(), straight), 1).float().view(chart.shape)


def straightening(chart: Tensor, pictures: Tensor) -> Straightening:
    """Fit the functions that straighten ``chart [L, 3]``, a ring and a line.

    Args:
        chart: two coordinates around a hole, and one along it.
        pictures: ``[L, D]``, sharp.
    """
    mean, scale = chart.double().mean(0), chart.double().std(0)
    angle, line = angle_and_line((chart.double() - mean) / scale)
    reach, seen = line.abs().max(), projected(pictures)
    rounds = []
    for _ in range(ROUNDS):
        design = _line_design(angle, line, reach)
        coefficients = least_squares(design, rank_among_like(angle, line).unsqueeze(1)).squeeze(1)
        straight = (design @ coefficients).clamp(-EDGE, EDGE)
        twist = untwisting(angle, straight, seen)
        angle = angle - twist_design(straight) @ twist
        rounds.append(Round(coefficients, twist))
    return Straightening(mean, scale, reach, tuple(rounds))


def angle_and_line(cylinder: Tensor) -> tuple[Tensor, Tensor]:
    """``[..., 3]`` -> the angle around the axis (radians) and the place along it, ``[...]`` each."""
    return torch.atan2(cylinder[..., 1], cylinder[..., 0]), cylinder[..., 2]


def projected(pictures: Tensor) -> Tensor:
    """``pictures [L, D]`` less their mean along random directions, ``[L, PROJECTIONS]`` float64.

    They keep the share of the variance that is explained, at a fraction of the work.
    """
    directions = torch.randn(pictures.shape[1], PROJECTIONS, generator=torch.Generator().manual_seed(0))
    return ((pictures - pictures.mean(0)) @ directions).double()


def rank_among_like(angle: Tensor, line: Tensor) -> Tensor:
    """The rank ``[L]`` of ``line [L]`` among the points of similar ``angle [L]`` (radians), from -1 to 1."""
    near = max(1, round(ALIKE * len(line)))
    order = angle.remainder(2 * math.pi).argsort()
    ordered = line[order]
    around = torch.cat((ordered[-near:], ordered, ordered[:near])).unfold(0, 2 * near + 1, 1)
    rank = torch.empty_like(line)
    rank[order] = 2 * (around < ordered.unsqueeze(1)).double().mean(1) - 1
    return rank


def untwisting(angle: Tensor, line: Tensor, pictures: Tensor) -> Tensor:
    """Coefficients ``[TWIST]`` of the polynomial ``g`` with which ``angle - g(line)`` explains most of ``pictures``.

    Args:
        angle: ``[L]``.
        line: ``[L]``.
        pictures: ``[L, D]`` with mean zero; all float64.
    """
    powers = twist_design(line)
    twist = torch.zeros(TWIST, dtype=torch.float64, requires_grad=True)
    for count in HARMONICS:
        optimiser = torch.optim.LBFGS([twist], max_iter=80, line_search_fn="strong_wolfe")
        optimiser.step(partial(_left_by_twist, optimiser, twist, angle, powers, pictures, count))
    return twist.detach()


def twist_design(line: Tensor) -> Tensor:
    """Powers ``[..., TWIST]`` of ``line [...]``, that coefficients of :func:`untwisting` belong to."""
    return line.unsqueeze(-1) ** torch.arange(1, TWIST + 1)


def harmonics(angle: Tensor, count: int) -> Tensor:
    """``angle [L]`` -> cosines, then sines, of its multiples 1 to ``count``, ``[L, 2 * count]``."""
    multiples = angle.unsqueeze(1) * torch.arange(1, count + 1)
    return torch.cat((multiples.cos(), multiples.sin()), 1)


def explained_by(design: Tensor, pictures: Tensor) -> Tensor:
    """The share of the variance of ``pictures [L, D]``, with mean zero, that is linear in ``design [L, K]``."""
    common = design.T @ pictures
    return (torch.linalg.solve(design.T @ design, common) * common).sum() / pictures.square().sum()


def _line_design(angle: Tensor, line: Tensor, reach: Tensor) -> Tensor:
    """Powers of ``line [L]`` times waves of ``angle [L]``, ``[L, (1 + 2 * LEAN) * (BENT + 1)]``."""
    powers = (line / reach).clamp(-1, 1).unsqueeze(1) ** torch.arange(BENT + 1)
    waves = torch.cat((torch.ones_like(line).unsqueeze(1), harmonics(angle, LEAN)), 1)
    return (waves.unsqueeze(2) * powers.unsqueeze(1)).flatten(1)


def _left_by_twist(
    optimiser: torch.optim.Optimizer, twist: Tensor, angle: Tensor, powers: Tensor, pictures: Tensor, count: int
) -> Tensor:
    """The share of ``pictures`` that the angle leaves unexplained without ``twist``, whose gradient is set."""
    optimiser.zero_grad()
    left = 1 - explained_by(harmonics(angle - powers @ twist, count), pictures)
    left.backward()
    return left
