"""Held-out figures for people: none is lost, each stands below its unit, lines fit 80 columns."""

from __future__ import annotations

import json

import pytest
import torch

from latentrl.goals.doubts import REDRAWN
from latentrl.metrics.held_out import held_out_figures
from latentrl.metrics.told import told
from latentrl.models import build
from latentrl.models.base import WorldModel
from latentrl.models.spec import DataSpec
from latentrl.shipped.entries import HOME
from latentrl.types import Sequences

OF_A_STATIC_MODEL = {
    "r2_angle": 0.9829,
    "polar_error_angle": 0.0794,
    "test_bound": 16.95,
    "test_rate": 175.8,
    "test_distortion": -192.8,
    "test_log_likelihood": 23.37,
    "condition_number": 8.384,
    "magnification_spread": 0.217,
    "active_units": 2.0,
    "mse_reconstruction": 0.00498,
    "mse_mean_image": 0.03,
    "undrawn_share": 0.1637,
}


def of_a_run(name: str) -> dict[str, float]:
    found = json.loads((HOME / name / "metrics.json").read_text())
    return {key: value for key, value in found.items() if key not in ("warnings", "train_seconds")}


@pytest.mark.parametrize(
    "figures",
    [of_a_run("cartpole"), of_a_run("reacher"), OF_A_STATIC_MODEL],
    ids=["pictures", "readings", "static"],
)
def test_every_figure_has_a_name_a_value_and_a_unit(figures: dict[str, float]) -> None:
    lines = told(figures)
    assert max(map(len, lines)) <= 80 and "  others" not in lines
    rows = [line for line in lines if line.startswith("    ")]
    ends = [key for key in figures if key.endswith(("_low", "_high"))]
    assert len(rows) == len(set(rows)) == len(figures) - len(ends)
    for key, value in figures.items():
        written = f"{value:.2g}" if key in ends else f"{value:.4g}"
        assert any(written in row for row in rows), key
    assert ("per reading" in "".join(lines)) == ("mse_mean_observation" in figures)


def test_each_stands_below_what_it_is() -> None:
    lines = told(
        {"generated_off_manifold_high": 0.3, "mse_still_near": 0.5, "generated_off_manifold": 0.25, "new": 2.0}
    )
    assert [" ".join(line.split()) for line in lines] == [
        "squared error per pixel, white being 1 (lower is better)",
        "for comparison: nothing moves in these 0.5",
        "imagined sequences, 95% interval (recorded ones themselves: 0.01 and 0)",
        "share of first states off the data 0.25",
        "others",
        "generated_off_manifold_high 0.3",
        "new 2",
    ]
    assert told({}) == []


def test_what_a_training_measures_today_has_a_name() -> None:
    """Shipped runs are of before the newest figures."""
    torch.manual_seed(0)
    observations = torch.rand(12, 9, 4, 4, 1, generator=torch.Generator().manual_seed(1)).mul(255).to(torch.uint8)
    model = build("ekvae", DataSpec((4, 4, 1), "uint8", 1, (1.0,)), {"hidden": (8,)}).eval()
    assert isinstance(model, WorldModel)
    figures = held_out_figures(model, Sequences(observations, torch.zeros(12, 8, 1)), {}, ())
    assert REDRAWN in figures and "others" not in [line.strip() for line in told(figures)]
