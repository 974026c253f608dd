"""Geodesics as chains of points whose energy is least, by Gauss and Newton's method; not in the source.

The energy of a chain is the sum of the squared distances of neighbouring decoded points. It is a sum of squares, so
that the decoder's Jacobians give its curvature, and one that links neighbours alone: a step is one block tridiagonal
system for every chain. Where it is least the points lie on a geodesic and evenly (Shao, Kumar and Fletcher 2018
descend the same energy by its gradient).
"""

from __future__ import annotations

import torch
from torch import Tensor

from latentrl.geometry.geodesics.base import Curves, check_ends
from latentrl.geometry.geodesics.graph import GraphGeodesics
from latentrl.geometry.geodesics.starts import best_start
from latentrl.geometry.metric import VALUES_AT_ONCE, Decoder, curve_length, decoded, jacobian

DAMPED, LESS, MORE = 1e-2, 0.2, 5.0
"""The first damping (Levenberg 1944), in mean diagonals, and what it is multiplied by after a good and a bad step."""
SETTLED = 1e-6
"""Share of its energy that a chain gains at least in a step, or it is done."""


class DiscretisedCurve:
    """Chains of ``points`` points of least energy.

    Args:
        decoder: whose metric counts.
        nodes: points ``[L, d]`` where the data lies: a path through their graph is one of the starts. None: none is.
        points: K, of a chain, its ends included.
        iterations: of Gauss and Newton, at most.
        starts: Bezier curves that are tried beside the straight line.
        width: see `latentrl.geometry.geodesics.starts.bezier_curves`; wider than the source's, to get around holes.
    """

    decoder: Decoder
    points: int
    iterations: int
    starts: int
    width: float

    def __init__(
        self,
        decoder: Decoder,
        nodes: Tensor | None = None,
        points: int = 33,
        iterations: int = 40,
        starts: int = 8,
        width: float = 2.0,
    ) -> None:
        if points < 3 or iterations < 1:
            raise ValueError(f"a chain takes 3 points and 1 iteration or more, not {points} and {iterations}")
        self.decoder, self.points, self.iterations = decoder, points, iterations
        self.starts, self.width = starts, width
        self._graph = None if nodes is None else GraphGeodesics(decoder, nodes, points=points)

    @torch.no_grad()
    def __call__(self, start: Tensor, end: Tensor) -> Curves:
        """See `Geodesics`."""
        check_ends(start, end)
        others = None if self._graph is None else self._graph(start, end).points.unsqueeze(0)
        curves = best_start(self.decoder, start, end, self.starts, self.points, self.width, others)
        values = decoded(self.decoder, start[:1]).numel() * self.points * start.shape[-1]
        pieces = curves.split(max(1, VALUES_AT_ONCE // values))
        found = torch.cat([_relaxed(self.decoder, piece, self.iterations) for piece in pieces])
        return Curves(found, curve_length(self.decoder, found))


def _relaxed(decoder: Decoder, curves: Tensor, iterations: int) -> Tensor:
    """``curves [B, K, d]`` of the least energy near them, their ends where they are; those that settle are left."""
    curves = curves.clone()
    observed = decoded(decoder, curves)
    energy, damping = _energy(observed), curves.new_full((len(curves),), DAMPED)
    active = torch.arange(len(curves))
    for _ in range(iterations):
        some = curves[active]
        step = _gauss_newton(jacobian(decoder, some[:, 1:-1]), observed[active], damping[active])
        tried = some.clone()
        tried[:, 1:-1] += step
        seen = decoded(decoder, tried)
        reached, before = _energy(seen), energy[active]
        better = reached < before
        good = active[better]
        curves[good], observed[good], energy[good] = tried[better], seen[better], reached[better]
        damping[active] *= torch.where(better, LESS, MORE)
        # A chain is done when steps gain nothing, or when no damping makes them gain anything.
        going = torch.where(better, reached < (1 - SETTLED) * before, damping[active] < 1e6)
        active = active[going]
        if not len(active):
            break
    return curves


def _energy(observed: Tensor) -> Tensor:
    """Half the sum of squared steps of ``observed [B, K, D]``, ``[B]``."""
    return observed.diff(dim=1).square().sum((1, 2)) / 2


def _gauss_newton(jacobians: Tensor, observed: Tensor, damping: Tensor) -> Tensor:
    """Steps ``[B, K - 2, d]`` of the inner points, whose ``jacobians`` are ``[B, K - 2, D, d]``."""
    bent = observed[:, 2:] - 2 * observed[:, 1:-1] + observed[:, :-2]
    downhill = (jacobians.mT @ bent.unsqueeze(-1)).squeeze(-1)
    diagonal = 2 * jacobians.mT @ jacobians
    beside = -jacobians[:, :-1].mT @ jacobians[:, 1:]
    size = diagonal.shape[-1]
    usual = diagonal.diagonal(dim1=-2, dim2=-1).mean((1, 2)).clamp(min=1e-12)
    eye = torch.eye(size, dtype=diagonal.dtype, device=diagonal.device)
    damped = diagonal + (damping * usual)[:, None, None, None] * eye
    return solve_block_tridiagonal(damped.double(), beside.double(), downhill.double()).to(downhill.dtype)


def solve_block_tridiagonal(diagonal: Tensor, beside: Tensor, right: Tensor) -> Tensor:
    """``x [B, M, d]`` with ``A x = right`` for symmetric positive definite ``A`` by block elimination (Thomas).

    Args:
        diagonal: blocks on A's diagonal, ``[B, M, d, d]``.
        beside: blocks to the right of them, ``[B, M - 1, d, d]``; those below are their transposes.
        right: ``[B, M, d]``.
    """
    steps = diagonal.shape[1]
    pivots, sides = [diagonal[:, 0]], [right[:, 0].unsqueeze(-1)]
    for i in range(1, steps):
        carried = torch.linalg.solve(pivots[-1], torch.cat((beside[:, i - 1], sides[-1]), -1))
        below = beside[:, i - 1].mT
        pivots.append(diagonal[:, i] - below @ carried[..., :-1])
        sides.append(right[:, i].unsqueeze(-1) - below @ carried[..., -1:])
    found = [torch.linalg.solve(pivots[-1], sides[-1])]
    for i in reversed(range(steps - 1)):
        found.append(torch.linalg.solve(pivots[i], sides[i] - beside[:, i] @ found[-1]))
    return torch.cat(found[::-1], -1).mT
