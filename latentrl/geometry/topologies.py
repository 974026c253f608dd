"""Topologies by name, and which of them points lie on. A new one is a file or a folder, and a line here."""

from __future__ import annotations

from torch import Tensor

from latentrl.geometry.cylinder import Cylinder
from latentrl.geometry.plane import Plane
from latentrl.geometry.topology import Topology

TOPOLOGIES: dict[str, Topology] = {
    "cylinder": Cylinder(),
    "plane": Plane(),
}
"""In the order of detection, but for planes, which take whatever is left."""


def topology_of(points: Tensor) -> Topology:
    """The first of `TOPOLOGIES` that ``points [L, K]`` lie on; what no other detects is a plane."""
    planes_last = sorted(TOPOLOGIES.values(), key=lambda topology: isinstance(topology, Plane))
    return next(topology for topology in planes_last if topology.detects(points))
