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


def test_beside_successes_every_figure_is_called_by_its_heading_and_those_of_all_episodes_stand_apart() -> None:
    measures = {"seconds_to_goal": 1.2, "wrist_error": 0.00241, "beyond_limit": 0.0}
    said = as_text(
        {
            "agent": "policy",
            "task": "reach",
            "episodes": 5,
            "successes": 4,
            "success_rate": 0.8,
            "wilson_95": [0.376, 0.964],
            "measures": {name: {"median": value, "per_episode": [value, 1.0]} for name, value in measures.items()},
            "overall": {"wrist_error_p90": 0.0043, "collisions": 1.0},
            "control_rate": {"hz_median": 860.0},
        },
        {"seconds_to_goal": "s to goal", "wrist_error": "wrist error, rad", "wrist_error_p90": "90% below, rad"},
    )
    assert [re.split(" {2,}", line.strip()) for line in said.splitlines()[1:]] == [
        ["policy", "reach", "4 of 5", "80%", "0.376 to 0.964", "860 Hz"],
        ["median"],
        ["seconds to goal", "1.2"],
        ["wrist error, rad", "0.00241"],
        ["beyond limit", "0"],
        ["all episodes together"],
        ["wrist error, rad: 90% below", "0.0043"],
        ["collisions", "1"],
    ]
