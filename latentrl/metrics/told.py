"""Held-out figures for people: what each is called, its unit and which way is good. `metrics.json` has them by key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple


class Group(NamedTuple):
    """Figures of one unit, under one heading.

    Attributes:
        heading: what they are, and which way is good.
        named: patterns of whole keys, and how such a figure is called, by the pattern's groups.
    """

    heading: str
    named: Mapping[str, str]


GROUPS = (
    Group(
        "R² of the true state, told by the model's (1: all of it, 0: nothing)",
        {
            r"r2_(.+)_neighbours": "{0}, by neighbouring states",
            r"r2_(.+)_from_velocity_dims": "{0}, by velocity dimensions",
            r"r2_(.+)_from_position_dims": "{0}, by position dimensions",
            r"r2_(.+)": "{0}",
        },
    ),
    Group(
        "error of an angle told by that of z, rad (0: none, 1.57: chance)",
        {r"polar_error_(.+)": "{0}"},
    ),
    Group(
        "squared error {of} (lower is better)",
        {
            "mse_predict_mean": "predicted from step 1, mean of sequences",
            "mse_predict_median": "predicted from step 1, median",
            "mse_predict_filtered_mean": "predicted from a filtered step 5, mean",
            "mse_predict_filtered_median": "predicted from a filtered step 5, median",
            "mse_mean_(image|observation)": "for comparison: always the average",
            "mse_reconstruction": "reconstructed",
            "mse_predict_near": "predicted a few steps ahead",
            "mse_still_near": "for comparison: nothing moves in these",
            "mse_mean_near": "for comparison: always their average",
        },
    ),
    Group(
        "the same, each reading by its own deviation (lower is better)",
        {
            "scaled_predict_near": "predicted a few steps ahead",
            "scaled_still_near": "for comparison: nothing moves in these",
            "scaled_mean_near": "for comparison: always their average",
        },
    ),
    Group("evidence lower bound, nats per step (higher is better)", {"test_elbo_per_step": "ELBO"}),
    Group(
        "nats per frame",
        {
            "test_bound": "the bound that was trained (higher is better)",
            "test_rate": "  its rate",
            "test_distortion": "  its distortion",
            "test_log_likelihood": "log-likelihood (higher is better)",
        },
    ),
    Group(
        "the latent state, judged without labels",
        {
            "told_displacement": "motion of positions foreseen, R² (best: 1)",
            "untold_motion": "share of lasting motion, untold (best: 0)",
            "untold_share": "share of what is seen, untold (best: 0)",
            "undrawn_share": "share of what varies, not drawn (best: 0)",
            "redrawn_worst": "worst frame drawn again, RMS error",
            "active_units": "dimensions in use",
        },
    ),
    Group(
        "how flat the latent space is (flat: 1 / 0)",
        {
            "condition_number": "condition number of the metric, median (1)",
            "magnification_spread": "spread of the magnification factor (0)",
        },
    ),
    Group(
        "imagined sequences, 95% interval (recorded ones themselves: 0.01 and 0)",
        {
            "generated_off_manifold": "share of first states off the data",
            "generated_energy_distance": "energy distance, a share of the size",
        },
    ),
)


def told(figures: Mapping[str, float]) -> list[str]:
    """The lines that a verb prints of held-out figures: every one of them, each below what it is.

    Args:
        figures: by the keys of ``metrics.json``.
    """
    left, tables = dict(figures), list[tuple[str, list[tuple[str, str]]]]()
    readings = any(name.startswith("mse_mean_observation") for name in figures)
    unit = "per reading, in its unit squared" if readings else "per pixel, white being 1"
    for group in GROUPS:
        rows = [(called, _value(name, left)) for name in figures if name in left and (called := _called(group, name))]
        tables.append((group.heading.format(of=unit), rows))
    # Whoever adds a figure sees it, whatever it is called.
    tables.append(("others", [(name, _value(name, left)) for name in figures if name in left]))
    width = max((len(called) for _, rows in tables for called, _ in rows), default=0)
    return [
        line
        for heading, rows in tables
        if rows
        for line in (f"  {heading}", *(f"    {called:<{width}}  {value}" for called, value in rows))
    ]


def _called(group: Group, key: str) -> str | None:
    for pattern, called in group.named.items():
        found = re.fullmatch(pattern, key)
        if found:
            return called.format(*found.groups())
    return None


def _value(key: str, left: dict[str, float]) -> str:
    """A figure, with its interval where it has one; all are taken from what is left."""
    value, ends, between = left.pop(key), (f"{key}_low", f"{key}_high"), ""
    if all(end in left for end in ends):
        between = "  ({:.2g} to {:.2g})".format(*map(left.pop, ends))
    return f"{value:>9.4g}{between}"
