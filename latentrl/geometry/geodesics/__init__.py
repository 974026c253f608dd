"""Geodesics by name. A new way to find them is a file, and a line here."""

from __future__ import annotations

from latentrl.geometry.geodesics.base import Curves, Geodesics, MakesGeodesics
from latentrl.geometry.geodesics.discretised import DiscretisedCurve
from latentrl.geometry.geodesics.graph import GraphGeodesics
from latentrl.geometry.geodesics.network import NetworkCurve

GEODESICS: dict[str, MakesGeodesics] = {
    "network": NetworkCurve,
    "graph": GraphGeodesics,
    "discretised": DiscretisedCurve,
}
"""By name: the source's networks, the graph that its chapter ends with, and chains of points, which are ours."""

__all__ = ["GEODESICS", "Curves", "DiscretisedCurve", "Geodesics", "GraphGeodesics", "MakesGeodesics", "NetworkCurve"]
