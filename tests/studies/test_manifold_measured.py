"""A study's measurement of latent planes, on a little trained model: its figures, its pictures, what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.patches import Rectangle

from latentrl.metrics.likelihood import log_likelihood
from latentrl.studies import STUDIES
from latentrl.studies.making import make
from latentrl.studies.manifold_figures import smoothness_by_part
from latentrl.studies.measurements import manifold
from latentrl.studies.measuring import arrays_of, figures_of, measure
from latentrl.studies.sources import SOURCES, Frames, Splits
from latentrl.support.errors import UserError
from latentrl.train import train
from latentrl.training.options import TrainOptions

SIZES = {"few": 2, "many": 3}


def points(count: int, seed: int) -> Frames:
    """Readings of a knee and two of a hip."""
    seen = np.random.default_rng(seed).normal(size=(count, 3)).astype(np.float32)
    return Frames(seen, (seen[:, 0] > 0).astype(np.int64))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    out = tmp_path_factory.mktemp("manifold")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("latentrl.metrics.static.log_likelihood", partial(log_likelihood, samples=2))
        splits = {"train": points(40, 0), "test": points(20, 1)}
        about = {"labels": ["no", "yes"], "parts": ["knee", "hip", "hip"], "origin": "made up"}
        patch.setitem(SOURCES, "motion", lambda seed: Splits(splits, about))
        for name, value in {"PAIRS": 5, "NODES": 60, "SAMPLES": 30, "PRIOR_NODES": 40, "GRAPHS": 2, "GRID": 8}.items():
            patch.setattr(manifold, name, value)
        make("motion", out / "data", 0)
        for name, size in SIZES.items():
            run = out / name
            common: dict[str, Any] = {"model": "vhp-vae", "samples": 2, "batch": 5, "steps": 4, "progress": False}
            train(TrainOptions(data=out / "data", run=run, position_size=size, **common))
            measure("manifold", run, out / "data")
        yield {name: out / name for name in SIZES}


def test_a_plane_has_ratios_flatness_and_smoothness_and_more_dimensions_have_units_alone(runs: dict[str, Path]) -> None:
    few, many = figures_of(runs["few"]), figures_of(runs["many"])
    wanted = {column.key for study in ("digits", "motion") for column in STUDIES[study].columns}
    measured = {key for key in wanted if "ratio" in key or "roughness" in key or "between" in key}
    assert len(measured) == 10 and set(few) == measured | {
        "latent_ratio_chain_std",
        "observed_ratio_chain_std",
        "active_zeta",
    }
    assert 0 < few["latent_ratio_graph"] <= 1.0001 and few["latent_ratio_chain"] <= 1.0001
    assert few["observed_ratio_chain"] > 0.98, "a chain of least energy is hardly longer than the line"
    assert set(many) == {"active_zeta"}


def test_every_picture_is_drawn(runs: dict[str, Path]) -> None:
    made = manifold.pictures({name: arrays_of(run) for name, run in runs.items()})
    plane = {"planes", "boxes", "maps", "smoothness_graph", "smoothness_line"}
    assert {name.removesuffix(".png") for name in made} == {*plane, "unit_rates"}
    assert all(png.startswith(b"\x89PNG") for png in made.values())
    figure = smoothness_by_part({"few": arrays_of(runs["few"])}, "line")
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["knee", "hip"]
    heights = [bar.get_height() for bar in figure.axes[0].patches if isinstance(bar, Rectangle)]
    mean = arrays_of(runs["few"])["smoothness line"][0]
    np.testing.assert_allclose(heights, [mean[0], mean[1:].mean()], rtol=1e-5)


def test_a_model_of_sequences_is_refused(runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifold, "load_any_model", lambda run: torch.nn.Linear(1, 1))
    with pytest.raises(UserError, match="not one of single frames"):
        manifold.measure(runs["few"], runs["few"].parent / "data")
