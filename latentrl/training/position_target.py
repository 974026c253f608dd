"""Where a training wants the position to be: components that it should predict linearly, and what they lie on."""

from __future__ import annotations

import torch
from torch import Tensor

from latentrl.geometry.plane import Plane
from latentrl.geometry.topologies import topology_of
from latentrl.geometry.topology import Topology


class PositionTarget:
    """Components of every training frame, shared by penalties and stages; a stage may move them.

    Attributes:
        components: ``[N, T, K]`` of unit variance; None where nothing is wanted of the position.
        topology: what they lie on, if the model has a velocity for every direction of it; else a plane.
    """

    def __init__(self, components: Tensor | None = None) -> None:
        self.components = components
        self.topology: Topology = Plane()

    def move(self, components: Tensor, velocities: int, device: torch.device) -> None:
        """Want other components from now on.

        Args:
            components: places on a chart ``[N, T, K]``, of unit variance.
            velocities: Dv of the model.
            device: the model's.
        """
        self.components = components.to(device)
        found = topology_of(components.flatten(0, 1))
        self.topology = found if found.dimension(components.shape[-1]) == velocities else Plane()
