"""The graph of nearest neighbours, and the slowest functions on it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph
import scipy.sparse.linalg
import torch
from torch import Tensor

from latentrl.numerics.neighbours import nearest

NEIGHBOURS = 10
"""Of every landmark, that it is linked to."""


class Graph(NamedTuple):
    """Similarities of landmarks: ``affinity [L, L]`` sparse and symmetric, ``degree [L]``."""

    affinity: scipy.sparse.csr_matrix
    degree: np.ndarray


class NoChartError(ValueError):
    """The pictures are no single manifold, or one of fewer dimensions."""


def distinct(points: Tensor) -> Tensor:
    """Numbers ``[U]`` of ``points [N, D]`` that are not equal to one before, rising.

    Points that are equal are neighbours of each other alone, and say nothing of what lies between.
    """
    return torch.from_numpy(np.sort(np.unique(points.numpy().round(4), axis=0, return_index=True)[1]))


def similarities(points: Tensor, neighbours: int) -> Graph:
    """The graph of nearest neighbours of ``points [L, D]``, each link weighed by the distances that are usual there
    (self-tuning, Zelnik-Manor and Perona 2004), the points' density divided out (Coifman and Lafon 2006).

    Args:
        points: what is to be linked.
        neighbours: that every point is linked to at least.

    Raises:
        NoChartError: a graph of several parts.
    """
    distance, index = nearest(points, points, neighbours + 1)
    distance, index = distance[:, 1:], index[:, 1:]
    scale = distance[:, -1].sqrt().clamp(min=1e-12)
    weight = torch.exp(-distance / (scale[:, None] * scale[index]))
    rows = torch.arange(len(points)).repeat_interleave(neighbours)
    found = scipy.sparse.csr_matrix(
        (weight.flatten().double().numpy(), (rows.numpy(), index.flatten().numpy())), shape=(len(points), len(points))
    )
    affinity = found.maximum(found.T)
    parts = scipy.sparse.csgraph.connected_components(affinity, directed=False)[0]
    if parts > 1:
        raise NoChartError(f"the pictures fall into {parts} groups without neighbours in common")
    density = scipy.sparse.diags(1 / np.asarray(affinity.sum(1)).ravel())
    affinity = (density @ affinity @ density).tocsr()
    return Graph(affinity, np.asarray(affinity.sum(1)).ravel())


def slowest_functions(graph: Graph, count: int) -> tuple[Tensor, Tensor]:
    """The ``count`` slowest functions but the constant one: how fast they vary ``[count]``, rising, and their values
    ``[L, count]``, uncorrelated, with mean zero and unit variance; float32."""
    root = scipy.sparse.diags(1 / np.sqrt(graph.degree))
    start = np.random.default_rng(0).standard_normal(len(graph.degree))
    values, vectors = scipy.sparse.linalg.eigsh(root @ graph.affinity @ root, k=count + 1, which="LA", v0=start)
    order = values.argsort()[::-1][1:]
    functions = torch.from_numpy(root @ vectors[:, order])
    functions = functions - functions.mean(0)
    whitened = torch.linalg.qr(functions).Q * len(functions) ** 0.5
    return torch.from_numpy(1 - values[order]).float(), whitened.float()
