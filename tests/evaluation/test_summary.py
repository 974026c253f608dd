"""What a summary tells of its episodes."""

from __future__ import annotations

import re

import pytest

from latentrl.evaluation.summary import all_alike, as_text


@pytest.mark.parametrize(
    ("figures", "alike"),
    [
        ({"return": [-1.5, -1.5], "time": [None, None]}, True),
        ({"return": [-1.5, -1.5], "time": [1.0, 2.0]}, False),
        ({"return": [-1.5]}, False),
        ({"time": [None, None]}, False),
    ],
)
def test_episodes_that_cannot_be_told_apart_are_noticed(figures: dict[str, list[float | None]], alike: bool) -> None:
    measures = {name: {"per_episode": values} for name, values in figures.items()}
    assert all_alike({"episodes": max(map(len, figures.values())), "measures": measures}) is alike


def test_without_a_success_every_figure_has_a_line_with_its_unit_the_return_first() -> None:
    measures = {"x_at_end": 0.00145, "seconds_to_observed_closest": None, "return": 888.25}
    said = as_text(
        {
            "agent": "policy",
            "task": "reach",
            "episodes": 20,
            "successes": None,
            "wilson_95": None,
            "measures": {name: {"median": value, "per_episode": [value, 0.0]} for name, value in measures.items()},
            "overall": {"return_mean": 890.8, "return_low": 878.5, "return_high": 903.8, "x_at_end_mean": 0.00133},
            "headings": {"x_at_end_mean": "x: at the end, m", "seconds_to_observed_closest": "observed: s to closest"},
            "control_rate": {"hz_median": 860.0},
        }
    )
    words = [re.split(" {2,}", line.strip()) for line in said.splitlines()]
    assert words == [
        ["policy, reach: 20 episodes, control rate 860 Hz"],
        ["mean", "95% interval", "median"],
        ["return", "891", "878 to 904", "888"],
        ["x: at the end, m", "0.00133", "0.00145"],
        ["observed: s to closest", "–", "–"],
    ]
    assert "?" not in said
