"""Geodesics through a graph: encoded data as nodes, Riemannian links, A* (N. Chen et al. 2019, in 5.1.5)."""

from __future__ import annotations

import torch
from torch import Tensor

from latentrl.geometry.geodesics.base import Curves, check_ends
from latentrl.geometry.graph_search import NEIGHBOURS, LatentGraph, Lengths, decoded_lengths, shortest_path
from latentrl.geometry.metric import Decoder, decoded
from latentrl.numerics.neighbours import squared_distances

ROUNDING = 1e-5
"""Share that the heuristic stays below the distance: lengths in single precision are sums of rounded numbers."""


class GraphGeodesics:
    """Shortest paths through a graph of nodes; made once for any number of pairs.

    Paths never leave the nodes by more than a link, which keeps them on the data, and are longer than geodesics by
    their corners: a few per cent.

    Args:
        decoder: whose metric counts.
        nodes: ``[L, d]``, such as encoded pictures.
        neighbours: of every node.
        points: K, of the curves that are returned.

    Raises:
        ValueError: no nodes.
    """

    decoder: Decoder
    points: int
    neighbours: int
    lengths: Lengths
    graph: LatentGraph

    @torch.no_grad()
    def __init__(
        self, decoder: Decoder, nodes: Tensor | None = None, neighbours: int = NEIGHBOURS, points: int = 33
    ) -> None:
        if nodes is None:
            raise ValueError("a graph takes nodes [L, d]: points that lie where the data lies")
        self.decoder, self.points, self.neighbours = decoder, points, neighbours
        self.lengths = decoded_lengths(decoder)
        self.graph = LatentGraph.of(nodes, self.lengths, neighbours, decoded(decoder, nodes))

    @torch.no_grad()
    def __call__(self, start: Tensor, end: Tensor) -> Curves:
        """See `Geodesics`."""
        check_ends(start, end)
        count, pairs = len(self.graph.nodes), len(start)
        both = torch.cat((start, end))
        graph = self.graph.with_points(both, self.lengths, self.neighbours, decoded(self.decoder, both))
        direct, near = self.lengths(start, end), self._are_neighbours(start, end)
        assert graph.observed is not None
        observed = graph.observed.double()
        curves, lengths = [], []
        for pair in range(pairs):
            goal = count + pairs + pair
            # No way is shorter than the straight one between the observations themselves.
            bound = (1 - ROUNDING) * (observed - observed[goal]).norm(dim=-1).numpy()
            path, length = shortest_path(graph, count + pair, goal, bound)
            places = graph.nodes[path]
            if near[pair] and float(direct[pair]) <= length:
                places, length = torch.stack((start[pair], end[pair])), float(direct[pair])
            curves.append(resampled(places, self.lengths(places[:-1], places[1:]), self.points))
            lengths.append(length)
        return Curves(torch.stack(curves), torch.tensor(lengths, dtype=start.dtype))

    def _are_neighbours(self, start: Tensor, end: Tensor) -> Tensor:
        """Whether each pair would be linked, were it among the nodes: ``[B]``."""
        apart = squared_distances(start, self.graph.nodes)
        reach = apart.kthvalue(min(self.neighbours, apart.shape[1]), dim=1).values
        return (end - start).square().sum(-1) <= reach


def resampled(places: Tensor, lengths: Tensor, points: int) -> Tensor:
    """``[points, d]``, evenly along the polygon ``places [P, d]``, whose sides are so long: ``lengths [P - 1]``."""
    passed = torch.cat((lengths.new_zeros(1), lengths.cumsum(0)))
    wanted = torch.linspace(0, 1, points, dtype=lengths.dtype) * passed[-1]
    side = torch.searchsorted(passed, wanted, right=True).clamp(1, len(lengths)) - 1
    share = ((wanted - passed[side]) / lengths[side].clamp(min=1e-12)).clamp(0, 1).unsqueeze(-1)
    found = (1 - share) * places[side] + share * places[side + 1]
    found[0], found[-1] = places[0], places[-1]
    return found
