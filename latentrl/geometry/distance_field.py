"""How far it is to a goal along the data, as a smooth function for planners; not in the source.

The metric is Chapter 5's, the graph that of N. Chen et al. (2019): nodes are encoded data, and Dijkstra's algorithm
tells how far every node is from the goal. Between the nodes the distance has to be smooth, and as cheap as a
Euclidean one. So a few nodes are chosen as centres, and each sees the goal where it would lie were the space flat
with the centre's own metric G_k: at p_k, in the direction in which the way begins and as far as it is long. What is
told is a mixture,

    d^2(z) = sum_k w_k(z) ((z - p_k)' G_k (z - p_k) + r_k),   w_k(z) proportional to exp(-|z - c_k|^2 / 2 h^2),

with r_k = 0 but where ways in opposite directions are equally long. Never negative, differentiable as often as
wanted, defined everywhere; near the goal it becomes the goal's own quadratic form, which is least at the goal and
nowhere else; in a flat space it is the squared Euclidean distance.

Lengths are in latent units: the metric is divided by the mean of its diagonal (c^2 of Eq. 5.15).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph
import torch
from torch import Tensor

from latentrl.geometry.graph_search import LatentGraph, Lengths, decoded_lengths, latent_lengths
from latentrl.geometry.metric import Decoder, decoded, metric_tensor

NEIGHBOURS = 12
"""Of every node, that it is linked to."""
SEGMENTS = 2
"""Parts that a link is decoded in."""
CENTRES = 32
"""Nodes that the distance is told from."""
AT_ONCE = 4096
"""Positions whose distances are told at once."""
FLAT = 0.05
"""Share of the metric that is Euclidean: where the decoder tells nothing apart, there is still a way down."""
WIDTH = 0.7
"""h, in distances of a centre to its nearest other."""
NEAR = 0.5
"""Deviation within which the goal's own quadratic form is told, in the same."""


@dataclass(frozen=True)
class GeodesicField:
    """What is known of distances before any goal is.

    Attributes:
        graph: of the data; its links are as long as the mixed metric says, in latent units.
        centres: numbers ``[M]`` of nodes.
        metrics: at the centres ``[M, Da, Da]``, in latent units.
        scale: c, observation units in a latent one.
        decoder: whose metric it is.
    """

    graph: LatentGraph
    centres: Tensor
    metrics: Tensor
    scale: Tensor
    decoder: Decoder

    @classmethod
    @torch.no_grad()
    def of(cls, decoder: Decoder, nodes: Tensor, centres: int = CENTRES, neighbours: int = NEIGHBOURS) -> GeodesicField:
        """The field of a decoder over ``nodes [L, Da]`` that lie where the data lies.

        Args:
            decoder: of positions.
            nodes: encoded data, 1000 of them, say; equal ones count once.
            centres: M, fewer if there are fewer nodes.
            neighbours: of every node.

        Raises:
            ValueError: fewer than two distinct nodes, nodes that are not finite, or a decoder that tells no two
                positions apart.
        """
        nodes = torch.unique(nodes.float(), dim=0)
        if len(nodes) < 2 or not nodes.isfinite().all():
            raise ValueError(f"distances along the data take two distinct positions or more; there are {len(nodes)}")
        metrics = metric_tensor(decoder, nodes)
        scale = metrics.diagonal(dim1=-2, dim2=-1).mean().sqrt()
        if not 0 < scale < torch.inf:
            raise ValueError("the decoder draws the same for every position: there is nothing to measure by")
        graph = LatentGraph.of(nodes, _mixed_lengths(decoder, scale), neighbours, decoded(decoder, nodes))
        chosen = spread_out(nodes, centres)
        return cls(graph, chosen, _mixed(metrics[chosen], scale), scale, decoder)

    def tensors(self) -> dict[str, Tensor]:
        """All of it but the decoder, to be stored."""
        upper = scipy.sparse.triu(self.graph.weights).tocoo()
        links = torch.from_numpy(np.stack((upper.row, upper.col)).astype(np.int64))
        return {
            "nodes": self.graph.nodes,
            "links": links,
            "lengths": torch.from_numpy(upper.data),
            "centres": self.centres,
            "metrics": self.metrics,
            "scale": self.scale,
        }

    @classmethod
    def from_tensors(cls, stored: Mapping[str, Tensor], decoder: Decoder) -> GeodesicField:
        """What :meth:`tensors` has told, with its decoder.

        Raises:
            KeyError: something is missing.
            ValueError: it does not fit together.
        """
        nodes, links, lengths = stored["nodes"], stored["links"], stored["lengths"]
        _check_stored(nodes, links, lengths, stored["centres"], stored["metrics"], stored["scale"])
        row, column = links.numpy()
        shape = (len(nodes), len(nodes))
        upper = scipy.sparse.csr_matrix((lengths.numpy(), (row, column)), shape=shape)
        with torch.no_grad():
            graph = LatentGraph(nodes, (upper + upper.T).tocsr(), decoded(decoder, nodes))
        return cls(graph, stored["centres"], stored["metrics"], stored["scale"], decoder)

    @torch.no_grad()
    def to(self, goals: Tensor) -> GeodesicDistance:
        """The distance to ``goals [Da]``, or to one for each of N parallel episodes, ``[N, Da]``.

        Raises:
            ValueError: goals of another size, or not finite.
        """
        nodes = self.graph.nodes
        if goals.shape[-1] != nodes.shape[1] or not goals.isfinite().all():
            raise ValueError(f"goals are finite points [{nodes.shape[1]}], not {tuple(goals.shape)}")
        single = goals.reshape(-1, goals.shape[-1]).float()
        far = self._distances(single)
        seen, rest = zip(*(self._seen_from(int(node), k, far) for k, node in enumerate(self.centres)), strict=True)
        own = _mixed(metric_tensor(self.decoder, single), self.scale)
        return GeodesicDistance(
            goal=goals.detach(),
            centres=nodes[self.centres],
            metrics=self.metrics,
            virtual=torch.stack(seen, 1).reshape(*goals.shape[:-1], len(self.centres), -1),
            rest=torch.stack(rest, 1).reshape(*goals.shape[:-1], len(self.centres)),
            goal_metric=own.reshape(*goals.shape, -1),
        )

    def mean_metric(self) -> Tensor:
        """The mean of the metrics at the centres ``[Da, Da]``, in latent units: its diagonal's mean is one.

        Where the space is flat it is the metric everywhere, and the identity (Eq. 5.13).
        """
        mean = self.metrics.mean(0)
        mean = (mean + mean.mT) / 2
        return mean / mean.diagonal().mean()

    def _distances(self, goals: Tensor) -> Tensor:
        """From every node to each of ``goals [N, Da]``, along the graph: ``[L, N]``, float64."""
        lengths, seen = _mixed_lengths(self.decoder, self.scale), decoded(self.decoder, goals)
        grown = self.graph.with_points(goals, lengths, NEIGHBOURS, seen)
        count = len(self.graph.nodes)
        # One goal after the other: a way through another goal's node would be none.
        found = []
        for goal in range(count, len(grown.nodes)):
            kept = np.append(np.arange(count), goal)
            found.append(scipy.sparse.csgraph.dijkstra(grown.weights[kept][:, kept], directed=False, indices=count))
        return torch.from_numpy(np.stack(found, 1)[:count])

    def _seen_from(self, node: int, centre: int, far: Tensor) -> tuple[Tensor, Tensor]:
        """Where a centre sees the goals ``[N, Da]``, and what of their squared distances ``[N]`` that leaves.

        By least squares over its neighbours j, whose squared distances would be ``|n_j - p|^2`` in a flat space.
        """
        weights = self.graph.weights
        some = slice(weights.indptr[node], weights.indptr[node + 1])
        beside, lengths = torch.from_numpy(weights.indices[some].astype(np.int64)), weights.data[some]
        metric, here = self.metrics[centre].double(), self.graph.nodes[node].double()
        moved = self.graph.nodes[beside].double() - here
        # Neighbours behind a wall are far, and say nothing of the way from here.
        trust = torch.from_numpy(np.exp(-0.5 * (lengths / np.median(lengths)) ** 2)).unsqueeze(1)
        squared = far.square()
        flat = (moved @ metric * moved).sum(-1, keepdim=True)
        # -2 moved' G v = d_j^2 - d^2 - |moved|^2 for v = p - here.
        design, wanted = -2 * moved @ metric, squared[beside] - squared[node] - flat
        normal = design.T @ (trust * design)
        ridge = 1e-3 * normal.diagonal().mean() * torch.eye(len(metric), dtype=metric.dtype)
        way = torch.linalg.solve(normal + ridge, design.T @ (trust * wanted)).T
        told = (way @ metric * way).sum(-1)
        shorter = (squared[node] / told.clamp(min=1e-12)).clamp(max=1.0)
        way, told = way * shorter.sqrt().unsqueeze(-1), told * shorter
        return (here + way).float(), (squared[node] - told).clamp(min=0).float()


class GeodesicDistance:
    """The distance to one goal, or to one for each of N episodes; implements `latentrl.rewards.distance.Distance`.

    Args:
        goal: ``[Da]`` or ``[N, Da]``.
        centres: c ``[M, Da]``.
        metrics: G ``[M, Da, Da]``.
        virtual: p, where each centre sees the goal, ``[M, Da]`` or ``[N, M, Da]``.
        rest: r ``[M]`` or ``[N, M]``.
        goal_metric: G at the goal, ``[Da, Da]`` or ``[N, Da, Da]``.
    """

    def __init__(
        self, goal: Tensor, centres: Tensor, metrics: Tensor, virtual: Tensor, rest: Tensor, goal_metric: Tensor
    ) -> None:
        self.goal = goal
        self._parts = centres, metrics, virtual, rest, goal_metric
        spacing = _spacing(centres)
        width = (WIDTH * spacing) ** 2
        # Around the middle of the data, where products of coordinates are small and little is lost in rounding.
        self._middle = centres.mean(0)
        shifted, own = centres - self._middle, goal - self._middle
        size = centres.shape[-1]
        self._rows, self._columns = torch.triu_indices(size, size).unbind()
        # All quadratic forms as one matrix: those of the centres, the goal's own, and the exponent of its weight.
        nearer = torch.eye(size).expand_as(goal_metric) / (2 * (NEAR * spacing) ** 2)
        forms = torch.cat(
            (
                self._linear(metrics.expand(*virtual.shape, size), virtual - self._middle, rest),
                self._linear(goal_metric.unsqueeze(-3), own.unsqueeze(-2), own.new_zeros(1)),
                self._linear(nearer.unsqueeze(-3), own.unsqueeze(-2), own.new_zeros(1)),
            ),
            -2,
        )
        self._forms = forms.mT.contiguous()
        # What all centres have in common in the exponents of their weights cancels.
        exponents = torch.cat((shifted / width, -shifted.square().sum(-1, keepdim=True) / (2 * width)), -1)
        self._nearness = exponents.mT.contiguous()

    def squared(self, position: Tensor) -> Tensor:
        """Squared distances ``[...]``, latent, of ``position [..., Da]``; with N goals, of ``[..., N, S, Da]``."""
        many, size = self.goal.dim() > 1, position.shape[-1]
        moved = position.movedim(-3, 0) if many else position
        flat = moved.float().reshape(*self.goal.shape[:-1], -1, size)
        # What fits into a processor's caches takes half the time of all at once.
        found = torch.cat([self._squared(piece) for piece in flat.split(AT_ONCE, -2)], -1).reshape(moved.shape[:-1])
        return found.movedim(0, -2) if many else found

    def _squared(self, positions: Tensor) -> Tensor:
        """``[P]`` for ``positions [P, Da]``, or with a leading dimension of goals."""
        size = positions.shape[-1]
        # One coordinate after the other: products along a short last dimension are slow.
        along = positions.mT.contiguous() - self._middle.unsqueeze(-1)
        one = along.new_ones(()).expand_as(along[..., :1, :])
        products = torch.cat((along[..., self._rows, :] * along[..., self._columns, :], along, one), -2)
        told = products.mT @ self._forms
        weights = torch.softmax(products[..., -size - 1 :, :].mT @ self._nearness, -1)
        mixed, own, exponent = (weights * told[..., :-2]).sum(-1), told[..., -2], told[..., -1]
        # Flat at the goal, so that the goal's own form is the whole of the second derivative there.
        near = torch.exp(-exponent.square())
        # Rounding alone makes it negative.
        return (near * own + (1 - near) * mixed).clamp(min=0)

    def only(self, index: int) -> GeodesicDistance:
        """The distance to the goal of one of N episodes, still one for each of 1."""
        centres, metrics, virtual, rest, goal_metric = self._parts
        one = slice(index, index + 1)
        return GeodesicDistance(self.goal[one], centres, metrics, virtual[one], rest[one], goal_metric[one])

    def _linear(self, metric: Tensor, place: Tensor, rest: Tensor) -> Tensor:
        """``(z - place)' metric (z - place) + rest`` as a linear form in products of z's entries, z and 1."""
        pulled = (metric @ place.unsqueeze(-1)).squeeze(-1)
        twice = torch.where(self._rows == self._columns, 1.0, 2.0)
        constant = (pulled * place).sum(-1) + rest
        return torch.cat((metric[..., self._rows, self._columns] * twice, -2 * pulled, constant.unsqueeze(-1)), -1)


def spread_out(points: Tensor, count: int) -> Tensor:
    """Numbers ``[count]`` of points far from each other, each the farthest from those before (Gonzalez 1985)."""
    chosen = [int((points - points.mean(0)).square().sum(-1).argmin())]
    apart = (points - points[chosen[0]]).square().sum(-1)
    while len(chosen) < min(count, len(points)):
        chosen.append(int(apart.argmax()))
        apart = torch.minimum(apart, (points - points[chosen[-1]]).square().sum(-1))
    return torch.tensor(chosen)


def _spacing(centres: Tensor) -> float:
    """The usual distance of a centre to its nearest other; 1 where there is one alone."""
    if len(centres) < 2:
        return 1.0
    apart = torch.cdist(centres, centres)
    return float(apart.fill_diagonal_(torch.inf).amin(1).median())


def _mixed(metric: Tensor, scale: Tensor) -> Tensor:
    """The metric ``[..., Da, Da]`` in latent units, with its share of a flat one."""
    return (1 - FLAT) * metric / scale.square() + FLAT * torch.eye(metric.shape[-1])


def _mixed_lengths(decoder: Decoder, scale: Tensor) -> Lengths:
    """Lengths by the same mixture."""
    observed = decoded_lengths(decoder, SEGMENTS)

    def lengths(start: Tensor, end: Tensor) -> Tensor:
        bent, straight = observed(start, end) / scale, latent_lengths(start, end)
        return ((1 - FLAT) * bent.square() + FLAT * straight.square()).sqrt()

    return lengths


def _check_stored(
    nodes: Tensor, links: Tensor, lengths: Tensor, centres: Tensor, metrics: Tensor, scale: Tensor
) -> None:
    """Refuse what no field has stored: a shortest path along lengths below zero would be looked for without end.

    Raises:
        ValueError: shapes, numbers of nodes out of range, or values that are not finite or below zero.
    """
    count, size = nodes.shape
    shapes = links.shape == (2, len(lengths)) and metrics.shape == (len(centres), size, size) and scale.shape == ()
    if not shapes or lengths.ndim != 1 or centres.ndim != 1 or not len(centres):
        raise ValueError("shapes do not fit together")
    for numbers in (links, centres):
        whole = numbers.dtype == torch.int64
        if not whole or (numbers.numel() and not 0 <= int(numbers.min()) <= int(numbers.max()) < count):
            raise ValueError(f"numbers of nodes lie in 0 to {count - 1}")
    finite = all(bool(values.isfinite().all()) for values in (nodes, lengths, metrics, scale))
    if not finite or bool((lengths < 0).any()) or not scale > 0:
        raise ValueError("lengths are finite and not below zero")
