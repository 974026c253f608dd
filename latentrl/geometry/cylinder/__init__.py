"""A cylinder: a ring and a line, as of an arm whose first limb turns freely while the second is held by its joint."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from latentrl.geometry.cylinder.even_motion import even_line
from latentrl.geometry.cylinder.straightening import (
    angle_and_line,
    projected,
    straightening,
    twist_design,
    untwisting,
)
from latentrl.geometry.descriptors import LANDMARKS, thumbnails
from latentrl.geometry.topology import Topology, standardised
from latentrl.numerics.least_squares import predicted
from latentrl.numerics.pieces import spread_frames

HOLE = 0.5
"""A ring has no point nearer to its centre than this share of its usual radius."""


class Cylinder(Topology):
    """A ring, the first two coordinates, and a line, the third; straight, they are ``(cos, sin, line)``."""

    def detects(self, points: Tensor) -> bool:
        """Whether ``points [L, 3]`` have a hole around the axis of their last coordinate."""
        if points.shape[1] != 3:
            return False
        ring = points[:, :2] - points[:, :2].mean(0)
        radius = (ring / ring.std(0)).norm(dim=1)
        return float((radius > HOLE * radius.median()).float().mean()) > 0.99

    def dimension(self, coordinates: int) -> int:
        """Two: around and along."""
        return 2

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Points ``[count, 3]`` all over a cylinder of radius one, from -1 to 1 along its axis."""
        around, along = (2 * torch.rand(2, count, generator=generator) - 1).unbind()
        return torch.stack(((math.pi * around).cos(), (math.pi * around).sin(), along), -1)

    def straighten(self, places: Tensor, observations: Tensor, landmarks: int = LANDMARKS) -> Tensor:
        """``places [N, T, 3]`` with a unit ring and a straight line; see `Topology.straighten`."""
        return straightening(spread_frames(places, landmarks), _sharp(observations, landmarks))(places)

    def even(self, places: Tensor, observations: Tensor, landmarks: int = LANDMARKS) -> Tensor:
        """``places [N, T, 3]`` with a line along which, and around which, motion is even; see `Topology.even`."""
        centre, scale = places.double().mean((0, 1)), places.double().std((0, 1))
        angle, line = angle_and_line((places.double() - centre) / scale)
        line = even_line(angle, line)
        pictures = projected(_sharp(observations, landmarks))
        twist = untwisting(spread_frames(angle, landmarks), spread_frames(line, landmarks), pictures)
        angle = angle - twist_design(line) @ twist
        return standardised(torch.stack((angle.cos(), angle.sin(), line), -1).float())

    def displacements(self, positions: Tensor, places: Tensor) -> Tensor:
        """``[B * (T - 1), 2]``, around (radians) and along; see `Topology.displacements`.

        The position, nearly a linear map of the places, tells them; single places are less exact.
        """
        positions = positions.detach()
        flat = positions.flatten(0, 1)
        straight = predicted(flat, places.flatten(0, 1).to(flat)).view_as(positions)
        around = torch.atan2(straight[..., 1], straight[..., 0]).diff(dim=1)
        return torch.stack((torch.atan2(around.sin(), around.cos()), straight[..., 2].diff(dim=1)), -1).flatten(0, 1)


def _sharp(observations: Tensor, landmarks: int) -> Tensor:
    return thumbnails(spread_frames(observations, landmarks), 0.0)
