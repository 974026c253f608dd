"""What a latent plane is like beside the observations: ratios of lengths, and how smooth ways through it decode.

Latent Matters, Tables 5.1 and 5.2 (length ratios), Figures 3.11 and 5.17 (smoothness).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse.csgraph
import torch
from torch import Tensor

from latentrl.geometry.geodesics.graph import resampled
from latentrl.geometry.graph_search import LatentGraph, Lengths, decoded_lengths, latent_lengths, roughness
from latentrl.geometry.metric import Decoder, chord, curve_length, decoded
from latentrl.metrics.geodesic_lengths import refined

NEIGHBOURS, INTERPOLATION_NEIGHBOURS = 12, 15
"""Of every node: of Table 5.1's graph of 14,400, and of Table A.1's for interpolations in motion data."""
POINTS = 33
"""Points that a way is decoded at, evenly along it, so that second differences of two models are of like steps."""


@dataclass(frozen=True)
class Ratios:
    """Of B pairs, each ``[B]``.

    Attributes:
        latent: the Euclidean distance over the geodesic's length in the latent space.
        observed: the Riemannian length of the straight line over that of the geodesic.
    """

    latent: Tensor
    observed: Tensor


@torch.no_grad()
def length_ratios(decoder: Decoder, curves: Sequence[Tensor]) -> Ratios:
    """Straight lines against geodesics ``[K, d]`` between the same ends, all measured alike (Tables 5.1 and 5.2).

    Where G = c² 1 both are 1. A ratio in the observations below 1 tells that a geodesic was found badly.
    """
    lines = [chord(curve[0], curve[-1], POINTS) for curve in curves]
    ways = torch.stack([curve.diff(dim=0).norm(dim=-1).sum() for curve in curves])
    straight = torch.stack([(curve[-1] - curve[0]).norm() for curve in curves])
    riemannian = [torch.stack([curve_length(decoder, refined(one)) for one in some]) for some in (lines, curves)]
    return Ratios(straight / ways.clamp(min=1e-12), riemannian[0] / riemannian[1].clamp(min=1e-12))


def ratio_figures(found: Ratios, kind: str) -> dict[str, float]:
    """Mean and deviation over pairs by name: ``latent_ratio_KIND``, ``latent_ratio_KIND_std``, ``observed_...``."""
    told = {"latent": found.latent, "observed": found.observed}
    figures = {f"{name}_ratio_{kind}": float(values.mean()) for name, values in told.items()}
    deviation = {name: values.std(correction=min(1, len(values) - 1)) for name, values in told.items()}
    return figures | {f"{name}_ratio_{kind}_std": float(value) for name, value in deviation.items()}


def riemannian_graph(decoder: Decoder, nodes: Tensor, neighbours: int = NEIGHBOURS) -> LatentGraph:
    """``nodes [L, d]``, each linked to its nearest in the latent space by Riemannian lengths (5.2.3.1)."""
    return LatentGraph.of(nodes, decoded_lengths(decoder), neighbours)


@torch.no_grad()
def shortest_ways(
    graph: LatentGraph, start: Tensor, end: Tensor, lengths: Lengths = latent_lengths, neighbours: int = NEIGHBOURS
) -> list[Tensor]:
    """Shortest ways ``[P, d]`` through a graph between pairs of points ``[B, d]``, which become nodes of it.

    By Dijkstra's algorithm, whose ways are as short as those of A*.
    """
    pairs = len(start)
    grown = graph.with_points(torch.cat((start, end)), lengths, neighbours)
    first = len(graph.nodes)
    begins = np.arange(first, first + pairs)
    _, before = scipy.sparse.csgraph.dijkstra(grown.weights, directed=False, indices=begins, return_predecessors=True)
    ways = []
    for pair in range(pairs):
        way = [first + pairs + pair]
        while way[-1] != begins[pair]:
            way.append(int(before[pair, way[-1]]))
        ways.append(grown.nodes[way[::-1]])
    return ways


def evenly(ways: Sequence[Tensor], points: int = POINTS) -> Tensor:
    """``[B, points, d]``: each way at even distances along itself."""
    return torch.stack([resampled(way, latent_lengths(way[:-1], way[1:]), points) for way in ways])


def interpolations(nodes: Tensor, start: Tensor, end: Tensor, neighbours: int = INTERPOLATION_NEIGHBOURS) -> Tensor:
    """Graph-based interpolations (section 3.4) through ``nodes [L, d]`` between pairs ``[B, d]``: ``[B, K, d]``."""
    graph = LatentGraph.of(nodes, latent_lengths, neighbours)
    return evenly(shortest_ways(graph, start, end, latent_lengths, neighbours))


@torch.no_grad()
def smoothness(decoder: Decoder, curves: Tensor) -> Tensor:
    """The smoothness factor ``[B, D]`` of what ``curves [B, K, d]`` decode to, of every observed number (3.5.2)."""
    return roughness(decoded(decoder, curves))
