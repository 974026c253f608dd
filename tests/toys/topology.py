"""A topology: a ring alone, whose points move around it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from latentrl.geometry.topology import Topology


class ToyRing(Topology):
    """Of two coordinates, cosine and sine; one direction to move in."""

    def detects(self, points: Tensor) -> bool:
        if points.shape[1] != 2:
            return False
        radius = ((points - points.mean(0)) / points.std(0)).norm(dim=1)
        return float((radius > 0.5 * radius.median()).float().mean()) > 0.99

    def dimension(self, coordinates: int) -> int:
        return 1

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        angle = 2 * math.pi * torch.rand(count, generator=generator)
        return torch.stack((angle.cos(), angle.sin()), -1)

    def displacements(self, positions: Tensor, places: Tensor) -> Tensor:
        centred = positions.detach() - positions.detach().mean((0, 1))
        turn = torch.atan2(centred[..., 1], centred[..., 0]).diff(dim=1)
        return torch.atan2(turn.sin(), turn.cos()).flatten().unsqueeze(1)
