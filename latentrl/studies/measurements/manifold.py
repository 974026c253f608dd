"""Latent planes of single frames: length ratios, flatness and smoothness (Latent Matters, 3.5.2, 3.5.3 and 5.2.3).

Of a model with two latent dimensions all of it. Of a hierarchical prior, of any size, how much each unit of its second
layer is used (Figure 3.12). Labels are looked at for colours alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from latentrl.data_collection.storage import load_ground_truth, load_metadata, load_sequences
from latentrl.figures.theme import to_png
from latentrl.geometry.flatness import mixup
from latentrl.geometry.geodesics import DiscretisedCurve
from latentrl.geometry.graph_search import decoded_lengths
from latentrl.geometry.metric import Decoder, chord, condition_number, magnification_factor, metric_tensor
from latentrl.metrics.likelihood import ACTIVE, unit_rates
from latentrl.metrics.manifold import (
    NEIGHBOURS,
    POINTS,
    interpolations,
    length_ratios,
    ratio_figures,
    riemannian_graph,
    shortest_ways,
    smoothness,
)
from latentrl.models.over_data import single_frames
from latentrl.models.statics.base import StaticModel
from latentrl.priors.vhp import VHP
from latentrl.runs.folder import load_any_model
from latentrl.studies.making import LABEL
from latentrl.studies.manifold_figures import boxes, maps, planes, smoothness_by_part, unit_bars
from latentrl.studies.measurements.base import Arrays, Measured, Measurement
from latentrl.support.errors import UserError

PAIRS, NODES, SAMPLES = 100, 14_400, 3000
"""The source's: geodesics that are compared, nodes of their graph, points whose metric is looked at (5.2.3.1)."""
GRAPHS, PRIOR_NODES = 10, 2530
"""The source's: graphs that interpolations go through (3.5.2), and samples of the prior in each (Table A.1)."""
DATA_NODES = 1000
"""Encoded training frames among which a chain of points begins."""
MARGIN = 0.1
"""Share of the encodings' extent that the nodes reach beyond them."""
GRID, CENTRES, SHOWN = 96, 3, 4
"""Points a side of the map; frames whose equidistance lines are drawn; interpolations that are."""
DRAWN = 3000
"""Nodes that equidistance lines are drawn by."""
AT_ONCE, SEED = 500, 0
DPI = 110


def measure(run: Path, data: Path) -> Measured:
    """Figures of held-out frames; training frames are looked at for where ways may lead, alone.

    Raises:
        UserError: no such run or data, a model that is not static, too few frames.
    """
    torch.manual_seed(SEED)
    model = load_any_model(run).requires_grad_(False)
    if not isinstance(model, StaticModel):
        raise UserError(f"{run}: its model is not one of single frames, so that there is no plane to measure")
    metadata = load_metadata(data)
    seeded = torch.Generator().manual_seed(SEED)
    test, train = (encoded(model, data, split, seeded) for split in ("test", "train"))
    if len(test) < 2:
        raise UserError(f"{data}: a pair takes two held-out frames or more, there are {len(test)}; give more")
    figures, arrays = dict[str, float](), dict[str, Tensor]()
    if isinstance(model.initial_distribution, VHP):
        rates = unit_rates(model.initial_distribution, test)
        figures["active_zeta"] = float((rates > ACTIVE).sum())
        arrays["unit rates"] = rates.sort(descending=True).values
    if model.position_size == 2:
        found, drawn = _plane(model, train, test, seeded)
        figures, arrays = figures | found, arrays | drawn
        truth = load_ground_truth(data, "test", metadata)
        if LABEL in truth:
            arrays["labels"] = torch.from_numpy(np.ravel(truth[LABEL]).astype(np.float32))
        arrays |= _parts(metadata.get("parts"))
    return Measured(figures, arrays)


@torch.no_grad()
def encoded(model: StaticModel, data: Path, split: str, seeded: torch.Generator) -> Tensor:
    """What stands for every frame of a split, ``[N, Dz]``."""
    frames = single_frames(load_sequences(data, split)).observations[:, 0]
    return torch.cat([model.latents(piece, seeded) for piece in frames.split(AT_ONCE)])


@torch.no_grad()
def _plane(
    model: StaticModel, train: Tensor, test: Tensor, seeded: torch.Generator
) -> tuple[dict[str, float], dict[str, Tensor]]:
    decoder = model.decode
    start, end = _pairs(test, PAIRS, seeded)
    low, high = test.min(0).values, test.max(0).values
    margin = MARGIN * (high - low).clamp(min=1e-6)
    corners = torch.stack((low - margin, high + margin))
    nodes = corners[0] + torch.rand(NODES, 2, generator=seeded) * (corners[1] - corners[0])
    figures, arrays = _geodesics(decoder, nodes, train[:DATA_NODES], start, end)
    figures["roughness_line"], arrays["smoothness line"] = _smooth(decoder, chord(start, end, POINTS))
    graphs = [model.initial_distribution.sample(PRIOR_NODES, seeded) for _ in range(GRAPHS)]
    between = [interpolations(prior, *_pairs(test, PAIRS, seeded)) for prior in graphs]
    figures["roughness_graph"], arrays["smoothness graph"] = _smooth(decoder, torch.cat(between))
    arrays |= {"latents": test, "prior": graphs[0], "corners": corners, "paths": between[0][:SHOWN]}
    arrays["decoded"] = decoder(between[0][:SHOWN, :: (POINTS - 1) // 8])
    some, others = _pairs(test, SAMPLES, seeded)
    metric = metric_tensor(decoder, mixup(some, others, torch.rand(SAMPLES, generator=seeded)))
    factor = magnification_factor(metric)
    arrays |= {"condition": condition_number(metric).clamp(max=1e9), "factor": factor / factor.mean().clamp(min=1e-12)}
    figures["condition_between"] = float(arrays["condition"].median())
    figures["magnification_between"] = float(arrays["factor"].std())
    return figures, arrays | _map(decoder, corners)


def _geodesics(
    decoder: Decoder, nodes: Tensor, data: Tensor, start: Tensor, end: Tensor
) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Length ratios by the source's graph and by chains of points, and how far nodes are from some frames."""
    lengths, graph = decoded_lengths(decoder), riemannian_graph(decoder, nodes)
    ratios = length_ratios(decoder, shortest_ways(graph, start, end, lengths, NEIGHBOURS))
    chains = DiscretisedCurve(decoder, data)(start, end).points
    refined = length_ratios(decoder, list(chains))
    around = graph.with_points(start[:CENTRES], lengths, NEIGHBOURS)
    apart = torch.stack([around.distances_from(len(nodes) + one)[: len(nodes)] for one in range(CENTRES)])
    every = max(1, len(nodes) // DRAWN)
    drawn = {"nodes": nodes[::every], "distances": apart[:, ::every].float(), "centres": start[:CENTRES]}
    drawn |= {"geodesics": chains[:SHOWN], "straight": torch.stack((start, end), 1)[:SHOWN]}
    return ratio_figures(ratios, "graph") | ratio_figures(refined, "chain"), drawn


def _smooth(decoder: Decoder, curves: Tensor) -> tuple[float, Tensor]:
    """The smoothness factor's mean, and its mean and deviation over curves for every observed number, ``[2, D]``."""
    found = smoothness(decoder, curves)
    return float(found.mean()), torch.stack((found.mean(0), found.std(0)))


def _pairs(points: Tensor, count: int, seeded: torch.Generator) -> tuple[Tensor, Tensor]:
    """``count`` random pairs of ``points [N, d]``, no point with itself: ``[count, d]`` twice."""
    first = torch.randint(len(points), (count,), generator=seeded)
    further = 1 + torch.randint(len(points) - 1, (count,), generator=seeded)
    return points[first], points[(first + further) % len(points)]


def _map(decoder: Decoder, corners: Tensor) -> dict[str, Tensor]:
    """The magnification factor ``[GRID, GRID]`` between ``corners [2, 2]``, rows along the second axis."""
    across, up = (torch.linspace(float(first), float(last), GRID) for first, last in corners.T)
    grid = torch.stack(torch.meshgrid(across, up, indexing="xy"), -1)
    return {"magnification": magnification_factor(metric_tensor(decoder, grid))}


def _parts(names: object) -> dict[str, Tensor]:
    """Which part each observed number belongs to, by its place among the parts' names, ``[D]``."""
    if not isinstance(names, list):
        return {}
    known = list(dict.fromkeys(names))
    return {
        f"part {place} {name}": torch.tensor([one == name for one in names]).float() for place, name in enumerate(known)
    }


def pictures(runs: Mapping[str, Arrays]) -> dict[str, bytes]:
    """What the source's Figures 3.8 to 3.12 and 5.13 to 5.19 show, of runs by label."""
    flat = {label: arrays for label, arrays in runs.items() if "latents" in arrays}
    units = {label: arrays for label, arrays in runs.items() if "unit rates" in arrays and "latents" not in arrays}
    made = {}
    if flat:
        made = {"planes": planes(flat), "boxes": boxes(flat), "maps": maps(flat)}
        made["smoothness_graph"] = smoothness_by_part(flat, "graph")
        made["smoothness_line"] = smoothness_by_part(flat, "line")
    if units:
        made["unit_rates"] = unit_bars(units)
    return {f"{name}.png": to_png(figure, DPI) for name, figure in made.items()}


MANIFOLD = Measurement(
    {"pairs": PAIRS, "nodes": NODES, "samples": SAMPLES, "graphs": GRAPHS, "prior_nodes": PRIOR_NODES, "seed": SEED},
    measure,
    pictures,
)
"""With the source's numbers."""
