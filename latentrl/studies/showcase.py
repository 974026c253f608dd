"""Arrays for the pictures of a study: what its models infer and predict on held-out sequences of one seed's data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latentrl.data_collection.storage import load_ground_truth, load_metadata, load_sequences
from latentrl.envs import coordinates_of
from latentrl.figures.latents import Colouring
from latentrl.figures.theme import to_png
from latentrl.geometry.graph_search import interpolated
from latentrl.metrics.prediction import predict_images
from latentrl.models import STATICS
from latentrl.models.base import WorldModel
from latentrl.models.statics.base import StaticModel
from latentrl.runs.folder import load_any_model, load_model
from latentrl.studies.cells import Cell
from latentrl.studies.definition import Study
from latentrl.studies.figures import Barrel, Lengths, Plane, annealing_lengths, barrels, planes, strips
from latentrl.studies.measurements import MEASUREMENTS
from latentrl.studies.measuring import arrays_of, is_measured
from latentrl.studies.results import Results
from latentrl.types import Sequences

DPI = 110
POINTS = 4000
"""States of each barrel: more would only be painted over."""
NODES = 1000
"""Samples of the prior that a path may lead through, as in the source."""
SEQUENCE = 1
"""Which held-out sequence the strips show: the same for every study, so that none is picked."""


def pictures(study: Study, cells: Sequence[Cell], results: Results, velocity: str = "r2_velocity") -> dict[str, bytes]:
    """PNG files by name: barrels and strips of every table, R² against annealing length. Empty where data allow none.

    Barrels and strips show the first seed; strips need images, barrels a three-dimensional state and a coordinate to
    colour it by.
    """
    made = {}
    for place, table in enumerate(study.tables):
        number = table.number.replace(".", "_")
        shown = [cell for cell in cells if cell.seed == 0 and cell.row.name in table.rows and cell.finished]
        if any(table.rows == other.rows for other in study.tables[:place]):
            continue  # the same pictures once more
        for kind, png in _of_models(shown).items():
            made[f"{kind}_{number}.png"] = png
    if study.measurement is not None:
        made |= _measured(study.measurement, cells)
    lengths = [_lengths(study, results, name, velocity) for name in study.constrained]
    lengths = [length for length in lengths if len(length.annealed) > 1]
    if lengths:
        made["figure_4_4.png"] = to_png(annealing_lengths(lengths), DPI)
    return made


def _measured(measurement: str, cells: Sequence[Cell]) -> dict[str, bytes]:
    """Of the first seed's runs, those that have been measured."""
    shown = [cell for cell in cells if cell.seed == 0 and cell.finished and is_measured(cell.folder, measurement)]
    if not shown:
        return {}
    return MEASUREMENTS[measurement].pictures({cell.row.label: arrays_of(cell.folder) for cell in shown})


@torch.no_grad()
def _of_models(cells: Sequence[Cell]) -> dict[str, bytes]:
    if not cells:
        return {}
    data, truth = load_sequences(cells[0].data, "test"), load_ground_truth(cells[0].data, "test")
    if any(cell.row.model in STATICS for cell in cells):
        return _of_statics(cells, data, truth)
    models = {cell.row.label: load_model(cell.folder) for cell in cells}
    made = {}
    flat = {label: model for label, model in models.items() if model.latent_size == 3}
    every = max(1, len(data) * data.length // POINTS)
    colourings = [
        Colouring(f"by {one.name}", one.values(truth).ravel()[::every], one.kind)
        for one in coordinates_of(load_metadata(cells[0].data))
        if one.key in truth
    ]
    if flat and colourings:
        found = {label: Barrel(_states(model, data)[::every], colourings) for label, model in flat.items()}
        made["barrels"] = to_png(barrels(found), DPI)
    if "clean" in truth and truth["clean"].ndim == 5 and truth["clean"].shape[-1] == 1:
        one = data[min(SEQUENCE, len(data) - 1) :][:1]
        clean = truth["clean"][min(SEQUENCE, len(data) - 1), ..., 0] / 255
        generator = torch.Generator()
        predicted = {
            label: predict_images(model, one, generator.manual_seed(0))[0, ..., 0].clamp(0, 1).numpy()
            for label, model in models.items()
        }
        made["predictions"] = to_png(strips(clean, predicted), DPI)
    return made


@torch.no_grad()
def _of_statics(cells: Sequence[Cell], data: Sequences, truth: Mapping[str, NDArray[Any]]) -> dict[str, bytes]:
    """Encodings, the prior, and the way through it from a frame at the angle 0 to one at half a turn."""
    frames = data.observations.flatten(0, 1)
    known = [one for one in coordinates_of(load_metadata(cells[0].data)) if one.key in truth and one.kind == "angle"]
    found = {}
    for cell in cells:
        model = load_any_model(cell.folder)
        if not (isinstance(model, StaticModel) and model.position_size == 2 and known):
            continue
        angle, seeded = known[0].values(truth).ravel(), torch.Generator().manual_seed(0)
        ends = [int(np.argmin(known[0].distance(angle, np.asarray(place)))) for place in (0.0, np.pi)]
        encodings, samples = model.latents(frames, seeded), model.initial_distribution.sample(NODES, seeded)
        path = interpolated(samples, encodings[ends[0]], encodings[ends[1]])
        found[cell.row.label] = Plane(encodings.numpy(), Colouring.by(known[0], angle), samples.numpy(), path.numpy())
    return {"planes": to_png(planes(found), DPI)} if found else {}


def _states(model: WorldModel, data: Sequences) -> np.ndarray:
    """z ``[N T, Dz]``, smoothed."""
    mean = model.smooth(data.observations, data.actions).mean[..., : model.latent_size]
    return mean.flatten(0, 1).numpy()


def _lengths(study: Study, results: Results, annealed: str, figure: str) -> Lengths:
    """R² of every annealing length of the model of the row ``annealed``, and of the row it is compared with."""
    row, against = study.row(annealed), study.constrained[annealed]
    alike = [r for r in study.all_rows if (r.model, r.prior, r.objective) == (row.model, row.prior, row.objective)]
    values = {r.annealing: list(results.values(r.name, figure).values()) for r in alike if r.annealing is not None}
    return Lengths(
        row.model.upper(),
        {length: found for length, found in values.items() if found},
        list(results.values(against, figure).values()),
    )
