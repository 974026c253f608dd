"""Distances between held-out frames against what they truly are apart: section 5.1.4.1 of Latent Matters.

Truth is looked at for evaluation alone: it orders frames, and says how far two of them are apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentrl.data_collection.storage import METADATA, load_ground_truth, load_metadata, load_sequences
from latentrl.envs import coordinates_of
from latentrl.envs.coordinates import Coordinate
from latentrl.figures.theme import to_png
from latentrl.geometry.geodesics import GEODESICS
from latentrl.geometry.metric import Decoder, magnification_factor, metric_tensor, speeds
from latentrl.metrics.geodesic_lengths import (
    DATA,
    FAR,
    LINE,
    PairLengths,
    length_figures,
    lengths_along_data,
    pair_lengths,
    refined,
)
from latentrl.models.base import GenerativeModel, WorldModel
from latentrl.models.capabilities import FrameEncoder
from latentrl.models.over_data import encode_frames, single_frames
from latentrl.models.statics.base import StaticModel
from latentrl.runs.folder import load_any_model
from latentrl.runs.geodesic_field import position_decoder
from latentrl.studies.geodesic_figures import decoded_paths, lengths_by_truth, paths
from latentrl.studies.measurements.base import Arrays, Measured, Measurement
from latentrl.support.errors import UserError
from latentrl.types import Sequences

PAIRS, NODES, SEED = 100, 1000, 0
"""Pairs as in the source; training frames that a graph is made of; of all that is drawn."""
AT_ONCE = 500
"""Frames that are encoded together."""
STEPS = 30
"""Parts that the way along the data has at most: of half a turn, 6 degrees each."""
FRAMES, GRID = 12, 96
"""Of a decoded path; and points a side of the magnification factor's map."""
DPI = 110


Judges = Callable[[Decoder, PairLengths], Mapping[str, float]]
"""Further figures of the curves between pairs."""


def no_more(decoder: Decoder, found: PairLengths) -> Mapping[str, float]:
    """No further figures."""
    return {}


def measure(run: Path, data: Path, pairs: int = PAIRS, further: Judges = no_more) -> Measured:
    """Lengths between ``pairs`` random pairs of held-out frames; see `length_figures`.

    Args:
        run: whose model is measured.
        data: whose test split the frames are of.
        pairs: how many.
        further: figures that come to the lengths'.

    Raises:
        UserError: no such run or data, a model that reads no positions off single frames, too few frames.
    """
    torch.manual_seed(SEED)
    model = load_any_model(run).requires_grad_(False)
    metadata = load_metadata(data)
    test, train = (load_sequences(data, split, metadata=metadata) for split in ("test", "train"))
    truth = load_ground_truth(data, "test", metadata)
    known = [one for one in coordinates_of(metadata, str(data / METADATA)) if one.key in truth]
    coordinate = next((one for kind in ("angle", "line") for one in known if one.kind == kind), None)
    values = None if coordinate is None else np.asarray(coordinate.values(truth), np.float64).ravel()
    encode, decoder = encoder_of(model, run), decoder_of(model)
    latents = encode(single_frames(test))
    if len(latents) < 2:
        raise UserError(f"{data}: a pair takes two held-out frames or more, there are {len(latents)}; collect more")
    every = max(1, train.observations.shape[0] * train.length // NODES)
    nodes = encode(single_frames(train)[::every][:NODES])
    chosen = random_pairs(len(latents), pairs)
    found = pair_lengths(decoder, nodes, latents[chosen[0]], latents[chosen[1]])
    if coordinate is None or values is None:
        figures = {**length_figures(found, None), **further(decoder, found)}
        return Measured(figures, _arrays(decoder, latents, found, 0))
    apart = coordinate.distance(values[chosen[0]], values[chosen[1]])
    along = lengths_along_data(decoder, latents, values, chosen, coordinate, float(apart.max()) / STEPS)
    found = PairLengths(found.curves, {**found.lengths, DATA: along}, found.seconds)
    shown = int(np.argmax(apart > FAR * apart.max()))
    arrays = _arrays(decoder, latents, found, shown) | _truth(coordinate, values, apart)
    return Measured({**length_figures(found, apart), **further(decoder, found)}, arrays)


def encoder_of(model: GenerativeModel, run: Path) -> Callable[[Sequences], Tensor]:
    """What stands for single frames ``[N, 1]`` in the latent space: ``[N, d]``, no gradient.

    Raises:
        UserError: a model of the ``run`` that reads no positions off single frames.
    """
    if isinstance(model, StaticModel):
        static, generator = model, torch.Generator().manual_seed(SEED)

        @torch.no_grad()
        def latents(frames: Sequences) -> Tensor:
            pieces = frames.observations[:, 0].split(AT_ONCE)
            return torch.cat([static.latents(piece, generator) for piece in pieces])

        return latents
    if isinstance(model, WorldModel) and isinstance(model, FrameEncoder) and model.position_size < model.latent_size:
        world = model
        return lambda frames: encode_frames(world, frames).mean[:, 0]
    raise UserError(
        f"{run}: its model reads no positions off single frames, so that there is nothing to measure between"
    )


def decoder_of(model: GenerativeModel) -> Decoder:
    """Positions to the mean of what is observed there, of a model that `encoder_of` takes."""
    if isinstance(model, StaticModel):
        return model.decode
    assert isinstance(model, WorldModel)
    return position_decoder(model)


def random_pairs(count: int, pairs: int) -> Tensor:
    """Numbers ``[2, pairs]`` below ``count``, the same at every call; no two of a pair are equal."""
    generator = torch.Generator().manual_seed(SEED)
    first = torch.randint(count, (pairs,), generator=generator)
    further = 1 + torch.randint(count - 1, (pairs,), generator=generator)
    return torch.stack((first, (first + further) % count))


@torch.no_grad()
def _arrays(decoder: Decoder, latents: Tensor, found: PairLengths, shown: int) -> dict[str, Tensor]:
    """What the pictures want: lengths of all pairs, and of one of them, ``shown``, the curves."""
    arrays = {f"length {name}": lengths for name, lengths in found.lengths.items()} | {"latents": latents}
    for name, curves in found.curves.items():
        curve = refined(curves[shown])
        even = torch.linspace(0, len(curve) - 1, FRAMES).round().long()
        arrays |= {f"curve {name}": curve, f"speed {name}": speeds(decoder, curve)}
        arrays[f"decoded {name}"] = decoder(curve[even])
    if latents.shape[1] == 2:
        arrays |= _map(decoder, torch.cat([latents, *(curves[shown] for curves in found.curves.values())]))
    return arrays


def _map(decoder: Decoder, points: Tensor) -> dict[str, Tensor]:
    """The magnification factor ``[GRID, GRID]``, rows along the second axis, and the corners ``[2, 2]`` of its map."""
    low, high = points.min(0).values, points.max(0).values
    margin = 0.15 * (high - low).clamp(min=1e-6)
    corners = torch.stack((low - margin, high + margin))
    across, up = (torch.linspace(float(first), float(last), GRID) for first, last in corners.T)
    grid = torch.stack(torch.meshgrid(across, up, indexing="xy"), -1)
    return {"magnification": magnification_factor(metric_tensor(decoder, grid)), "corners": corners}


def _truth(coordinate: Coordinate, values: NDArray[np.float64], apart: NDArray[np.float64]) -> dict[str, Tensor]:
    kind = {"angle": values, "apart": apart} if coordinate.kind == "angle" else {"line": values, "apart": apart}
    return {name: torch.from_numpy(array.astype(np.float32)) for name, array in kind.items()}


def pictures(runs: Mapping[str, Arrays]) -> dict[str, bytes]:
    """Figures 5.1, 5.2 and 5.3 of runs by label: paths, what they decode to, and lengths against the truth."""
    names = (*GEODESICS, LINE)
    made = {"figure_5_2": decoded_paths(runs, names)}
    flat = {label: arrays for label, arrays in runs.items() if "magnification" in arrays}
    known = {label: arrays for label, arrays in runs.items() if "apart" in arrays}
    if flat:
        made["figure_5_1"] = paths(flat, names)
    if known:
        made["figure_5_3"] = lengths_by_truth(known, (*names, DATA))
    return {f"{name}.png": to_png(figure, DPI) for name, figure in made.items()}


GEODESIC_LENGTHS = Measurement({"pairs": PAIRS, "nodes": NODES, "seed": SEED}, measure, pictures)
"""The source's 100 pairs."""
