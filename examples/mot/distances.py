"""How unlike two crops are, by name: ``DISTANCES[name](run)``. A new one is a class, and a line in `DISTANCES`.

A crop is described once, as a vector; distances are between vectors, whatever they were made of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import scipy.sparse.csgraph
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentrl.data_collection.storage import load_sequences
from latentrl.geometry.graph_search import LatentGraph, decoded_lengths
from latentrl.geometry.metric import decoded, metric_tensor
from latentrl.goals.distances import check_trained_for
from latentrl.models.statics.base import StaticModel
from latentrl.numerics.neighbours import nearest
from latentrl.runs.folder import load_any_model, load_settings
from latentrl.support.errors import UserError

NODES = 1000
"""Crops that the data's shape is read off."""
LINKS = 4
"""Of a crop to the nearest of these."""


class Appearance(Protocol):
    """How unlike crops are."""

    def described(self, crops: NDArray[np.uint8]) -> Tensor:
        """Vectors ``[N, d]`` of ``crops [N, side, side, 3]``."""
        ...

    def between(self, some: Tensor, others: Tensor) -> Tensor:
        """Distances ``[N, M]`` of described crops, ``[N, d]`` and ``[M, d]``."""
        ...


def least(appearance: Appearance, galleries: Sequence[Tensor], looks: Tensor) -> Tensor:
    """Distances ``[K, N]`` of ``looks [N, d]`` from the nearest in each of K galleries of crops ``[M_k, d]``."""
    apart = appearance.between(torch.cat(tuple(galleries)), looks)
    return torch.stack([part.amin(0) for part in apart.split([len(one) for one in galleries])])


class Pixels:
    """The root of the summed squares of differences of pixels; nothing is learned."""

    def described(self, crops: NDArray[np.uint8]) -> Tensor:
        return torch.from_numpy(crops).flatten(1).float() / 255

    def between(self, some: Tensor, others: Tensor) -> Tensor:
        return torch.cdist(some, others)


class Euclid:
    """The straight line between encodings, in the latent space of the run in folder ``run``."""

    model: StaticModel

    def __init__(self, run: Path) -> None:
        self.model = load_encoder(run)

    @torch.no_grad()
    def described(self, crops: NDArray[np.uint8]) -> Tensor:
        if not len(crops):
            return torch.zeros(0, self.model.position_size)
        return self.model.latents(torch.from_numpy(crops)).float()

    def between(self, some: Tensor, others: Tensor) -> Tensor:
        return torch.cdist(some, others)


class Flat(Euclid):
    """The geodesic distance where one metric is that of the whole space: ``d^2 = (z - z')' M (z - z')``, M the mean of
    the decoder's over training crops (Latent Matters, Eq. 5.13). For runs that were trained with ``--flat``."""

    def __init__(self, run: Path) -> None:
        check_trained_for("flat", run)
        super().__init__(run)
        with torch.no_grad():
            metric = metric_tensor(self.model.decode, _nodes(self.model, run)).mean(0)
        self._root = torch.linalg.cholesky(metric)

    def described(self, crops: NDArray[np.uint8]) -> Tensor:
        return super().described(crops) @ self._root


class Geodesic(Euclid):
    """The shortest way along training crops by the decoder's metric: from each of two crops to one of the nearest
    nodes, and between these by the graph (N. Chen et al. 2019, in section 5.1.5). What a crop is described by is its
    nodes, and how far they are."""

    def __init__(self, run: Path) -> None:
        super().__init__(run)
        nodes = torch.unique(_nodes(self.model, run), dim=0)
        with torch.no_grad():
            self._lengths = decoded_lengths(self.model.decode)
            graph = LatentGraph.of(nodes, self._lengths, observed=decoded(self.model.decode, nodes))
        apart = scipy.sparse.csgraph.dijkstra(graph.weights, directed=False)
        self._nodes, self._apart = nodes, torch.from_numpy(apart).float()

    @torch.no_grad()
    def described(self, crops: NDArray[np.uint8]) -> Tensor:
        latents = super().described(crops)
        links = min(LINKS, len(self._nodes))
        if not len(latents):
            return latents.new_zeros(0, 2 * links)
        index = nearest(latents, self._nodes, links)[1]
        ends = self._nodes[index].flatten(0, 1)
        ways = self._lengths(latents.repeat_interleave(index.shape[1], 0), ends).view_as(index)
        return torch.cat((index.to(latents), ways), 1)

    def between(self, some: Tensor, others: Tensor) -> Tensor:
        (here, way), (there, other_way) = (
            (one[:, : one.shape[1] // 2].long(), one[:, one.shape[1] // 2 :]) for one in (some, others)
        )
        whole = self._apart[here[:, None, :, None], there[None, :, None, :]]
        return (way[:, None, :, None] + whole + other_way[None, :, None, :]).amin((2, 3))


IOU = "iou"
"""The distance that looks at boxes alone."""
DISTANCES: Mapping[str, Callable[[Path], Appearance] | None] = {
    IOU: None,
    "pixels": lambda run: Pixels(),
    "euclid": Euclid,
    "geodesic": Geodesic,
    "flat": Flat,
}
"""By name, made from a run folder; None looks at no crop."""
RUNS: Mapping[str, str | None] = {
    IOU: None,
    "pixels": None,
    "euclid": "vhp-vae",
    "flat": "fm-vae",
    "geodesic": "vhp-vae",
}
"""Which ``--model`` the run of each has, as the source compares them; None: it needs none."""


def load_encoder(run: Path) -> StaticModel:
    """The static model of a run.

    Raises:
        UserError: no such run, or a model of sequences.
    """
    model = load_any_model(run)
    if not isinstance(model, StaticModel):
        raise UserError(f"{run}: its model is of sequences, and a crop is one frame: train one with --model fm-vae")
    return model.requires_grad_(False)


@torch.no_grad()
def _nodes(model: StaticModel, run: Path) -> Tensor:
    """Encodings ``[L, d]`` of crops that the run was trained on."""
    frames = load_sequences(Path(load_settings(run)["options"]["data"]), "train").observations.flatten(0, 1)
    return model.latents(frames[torch.linspace(0, len(frames) - 1, min(NODES, len(frames))).long()]).float()
