"""A graph in a latent space and shortest paths through it (Latent Matters, 3.4, and N. Chen et al. 2019 in 5.1.5).

Nodes are points, such as encoded pictures or samples of a prior, and every node is linked to its nearest. A link is as
long as the line between its nodes: in the latent space (3.4), or decoded, where it stands for the Riemannian length.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentrl.geometry.metric import Decoder, chord, decoded
from latentrl.numerics.neighbours import nearest, squared_distances

NEIGHBOURS = 18
"""Of every node, that it is linked to: the source's, for 1000 nodes."""
AMONG = 4
"""Times as many neighbours in the latent space, among which those in the observations are found."""
SEGMENTS = 4
"""Parts that a link is decoded in."""
DECODED_AT_ONCE = 2**22
"""Observation values of links that are held at once."""

Lengths = Callable[[Tensor, Tensor], Tensor]
"""``(start [E, d], end [E, d]) -> [E]``: how long links are."""


def latent_lengths(start: Tensor, end: Tensor) -> Tensor:
    """Euclidean lengths ``[E]`` of lines in the latent space, as in section 3.4."""
    return (end - start).norm(dim=-1)


def decoded_lengths(decoder: Decoder, segments: int = SEGMENTS) -> Lengths:
    """Riemannian lengths of lines, each as that of the polygon through ``segments + 1`` decoded points (Eq. 5.5).

    A polygon is never shorter than the distance of its ends, which makes that distance a heuristic for A*.
    """

    @torch.no_grad()
    def lengths(start: Tensor, end: Tensor) -> Tensor:
        if not len(start):
            return start.new_zeros(0)
        values = decoded(decoder, start[:1]).numel() * (segments + 1)
        at_once = max(1, DECODED_AT_ONCE // values)
        found = [
            decoded(decoder, chord(one, other, segments + 1)).diff(dim=-2).norm(dim=-1).sum(-1)
            for one, other in zip(start.split(at_once), end.split(at_once), strict=True)
        ]
        return torch.cat(found)

    return lengths


@dataclass(frozen=True)
class LatentGraph:
    """Points and undirected links between them.

    Attributes:
        nodes: ``[L, d]``.
        weights: lengths of links, ``[L, L]``, sparse and symmetric.
        observed: what the nodes are decoded to, ``[L, D]``, where neighbours are those in it.
    """

    nodes: Tensor
    weights: scipy.sparse.csr_matrix
    observed: Tensor | None = None

    @classmethod
    def of(
        cls,
        nodes: Tensor,
        lengths: Lengths = latent_lengths,
        neighbours: int = NEIGHBOURS,
        observed: Tensor | None = None,
    ) -> LatentGraph:
        """Every one of ``nodes [L, d]`` linked to its nearest; parts without a link are joined by the shortest line.

        Args:
            nodes: distinct points.
            lengths: of links.
            neighbours: of every node, at least.
            observed: what the nodes are decoded to, ``[L, D]``: of the nearest in the latent space, `AMONG` times as
                many, those nearest in it are linked. Where the metric stretches one direction, the others would lack
                links. None: the latent space alone counts, as in section 3.4.

        Raises:
            ValueError: fewer than two nodes, or nodes that are not finite.
        """
        if nodes.dim() != 2 or len(nodes) < 2 or not nodes.isfinite().all():
            raise ValueError(f"a graph takes two finite nodes [L, d] or more, not {tuple(nodes.shape)}")
        index = _neighbours(nodes, nodes, neighbours + 1, observed, observed)
        links = _joined(nodes, _links(index))
        weights = _symmetric(links, lengths(nodes[links[0]], nodes[links[1]]), len(nodes))
        return cls(nodes, weights, observed)

    def with_points(
        self,
        points: Tensor,
        lengths: Lengths = latent_lengths,
        neighbours: int = NEIGHBOURS,
        observed: Tensor | None = None,
    ) -> LatentGraph:
        """This graph with ``points [Q, d]`` as further nodes, the last ones, each linked to its nearest of the old.

        ``observed [Q, D]`` is what they are decoded to, where that counts.
        """
        count, total = len(self.nodes), len(self.nodes) + len(points)
        index = _neighbours(points, self.nodes, neighbours, observed, self.observed)
        rows = torch.arange(count, total).repeat_interleave(index.shape[1])
        links = torch.stack((index.flatten(), rows))
        nodes = torch.cat((self.nodes, points))
        added = _symmetric(links, lengths(nodes[links[0]], nodes[links[1]]), total)
        old = self.weights.tocoo()
        grown = scipy.sparse.csr_matrix((old.data, (old.row, old.col)), shape=(total, total))
        seen = None if observed is None or self.observed is None else torch.cat((self.observed, observed))
        return LatentGraph(nodes, (grown + added).tocsr(), seen)

    def distances_from(self, node: int) -> Tensor:
        """Lengths ``[L]``, float64, of the shortest paths from ``node`` to every node (Dijkstra 1959)."""
        found = scipy.sparse.csgraph.dijkstra(self.weights, directed=False, indices=node)
        return torch.from_numpy(np.asarray(found, np.float64))


def shortest_path(
    graph: LatentGraph, start: int, end: int, heuristic: NDArray[np.float64] | None = None
) -> tuple[list[int], float]:
    """The shortest path between two nodes by A* (Hart, Nilsson and Raphael 1968): its nodes, and its length.

    Args:
        graph: whose links are at least as long as the heuristic says.
        start: number of a node.
        end: number of a node.
        heuristic: a lower bound of the way from every node to ``end``, ``[L]``, that obeys the triangle inequality;
            None: zero, which is Dijkstra's algorithm.

    Raises:
        ValueError: no path leads there.
    """
    indptr, indices, data = graph.weights.indptr, graph.weights.indices, graph.weights.data
    guess = np.zeros(len(graph.nodes)) if heuristic is None else heuristic
    best = np.full(len(graph.nodes), np.inf)
    before, done = np.full(len(graph.nodes), -1), np.zeros(len(graph.nodes), bool)
    best[start] = 0.0
    heap = [(float(guess[start]), start)]
    while heap:
        _, node = heapq.heappop(heap)
        if done[node]:
            continue
        if node == end:
            return _traced(before, end), float(best[end])
        done[node] = True
        some = slice(indptr[node], indptr[node + 1])
        there, ways = indices[some], best[node] + data[some]
        shorter = ways < best[there]
        best[there[shorter]], before[there[shorter]] = ways[shorter], node
        for other, way in zip(there[shorter].tolist(), ways[shorter].tolist(), strict=True):
            heapq.heappush(heap, (way + float(guess[other]), other))
    raise ValueError(f"no path leads from node {start} to node {end}")


def interpolated(
    nodes: Tensor, start: Tensor, end: Tensor, neighbours: int = NEIGHBOURS, lengths: Lengths = latent_lengths
) -> Tensor:
    """The path ``[P, d]`` through ``nodes`` from ``start [d]`` to ``end [d]``: graph-based interpolation, section 3.4.

    Args:
        nodes: ``[L, d]``, samples of the (learned) prior; 1000 in the source.
        start: an encoded picture, which becomes a node.
        end: another.
        neighbours: of every node.
        lengths: of links; Euclidean in the source.
    """
    graph = LatentGraph.of(nodes, lengths, neighbours).with_points(torch.stack((start, end)), lengths, neighbours)
    count = len(nodes)
    bound = (graph.nodes - end).norm(dim=-1).double().numpy() if lengths is latent_lengths else None
    return graph.nodes[shortest_path(graph, count, count + 1, bound)[0]]


def roughness(path: Tensor) -> Tensor:
    """The source's smoothness factor ``[D]``: root mean square of the second differences of ``path [..., P, D]``.

    Smaller is smoother (section 3.5.2); of a path of fewer than three points, zero.
    """
    if path.shape[-2] < 3:
        return path.new_zeros(*path.shape[:-2], path.shape[-1])
    return path.diff(n=2, dim=-2).square().mean(-2).sqrt()


def _neighbours(
    points: Tensor, among: Tensor, count: int, seen: Tensor | None = None, seen_among: Tensor | None = None
) -> Tensor:
    """Numbers ``[N, count]`` of the nearest of ``among [L, d]`` to ``points [N, d]``, fewer if there are fewer."""
    if seen is None or seen_among is None:
        return nearest(points, among, min(count, len(among)))[1]
    candidates = nearest(points, among, min(AMONG * count, len(among)))[1]
    apart = squared_distances(seen, seen_among).gather(1, candidates)
    return candidates.gather(1, apart.topk(min(count, candidates.shape[1]), largest=False).indices)


def _links(index: Tensor) -> Tensor:
    """Undirected links ``[2, E]`` to neighbours ``[L, K]``, each once, the smaller number first."""
    rows = torch.arange(len(index)).unsqueeze(1).expand_as(index)
    pairs = torch.stack((rows.flatten(), index.flatten()))
    pairs = pairs[:, pairs[0] != pairs[1]]  # itself, which need not be the first where nodes coincide
    return torch.unique(pairs.sort(dim=0).values, dim=1)


def _joined(nodes: Tensor, links: Tensor) -> Tensor:
    """``links [2, E]`` and the shortest lines between parts that they leave apart."""
    while True:
        count = len(nodes)
        graph = scipy.sparse.coo_matrix((np.ones(links.shape[1]), links.numpy()), shape=(count, count))
        parts, part = scipy.sparse.csgraph.connected_components(graph, directed=False)
        if parts == 1:
            return links
        smallest = torch.from_numpy(part == np.bincount(part).argmin())
        here, there = smallest.nonzero().flatten(), (~smallest).nonzero().flatten()
        apart = squared_distances(nodes[here], nodes[there])
        row, column = divmod(int(apart.argmin()), len(there))
        pair = torch.stack((here[row], there[column])).sort().values
        links = torch.cat((links, pair.unsqueeze(1)), 1)


def _symmetric(links: Tensor, lengths: Tensor, count: int) -> scipy.sparse.csr_matrix:
    # scipy's searches take a stored zero for no link at all.
    values = lengths.double().clamp(min=1e-12).numpy()
    rows, columns = links.numpy()
    both = (np.concatenate((rows, columns)), np.concatenate((columns, rows)))
    return scipy.sparse.csr_matrix((np.concatenate((values, values)), both), shape=(count, count))


def _traced(before: NDArray[np.int64], end: int) -> list[int]:
    path = [end]
    while before[path[-1]] >= 0:
        path.append(int(before[path[-1]]))
    return path[::-1]
