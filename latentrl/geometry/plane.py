"""A plane: coordinates without a hole or a seam, of which nothing is known to be bent."""

from __future__ import annotations

import torch
from torch import Tensor

from latentrl.geometry.topology import Topology


class Plane(Topology):
    """What points lie on of which nothing else is known; a point moves as far as its coordinates change."""

    def detects(self, points: Tensor) -> bool:
        """True for any ``points [L, K]``: the plane comes last."""
        return True

    def dimension(self, coordinates: int) -> int:
        """All of the ``coordinates``."""
        return coordinates

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Points ``[count, 2]`` of a square."""
        return 2 * torch.rand(count, 2, generator=generator) - 1

    def displacements(self, positions: Tensor, places: Tensor) -> Tensor:
        """Differences ``[B * (T - 1), K]`` of the positions themselves, for any linear coordinates are as straight."""
        return positions.diff(dim=1).flatten(0, 1).detach()
