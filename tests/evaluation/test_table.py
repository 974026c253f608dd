"""The table: ratios to the right reference, and nothing lost on the way to Markdown and CSV."""

from __future__ import annotations

import csv
import re
from typing import Any

import pytest

from latentrl.evaluation.table import as_csv, as_markdown, as_narrow, rows

COLUMNS = [
    "task",
    "agent",
    "successes",
    "episodes",
    "wilson_low",
    "wilson_high",
    "seconds_to_upright",
    "time_ratio",
    "speed_ratio",
    "ripple",
    "ripple_peak_to_peak",
    "hz_median",
    "hz_p99",
]
"""Of every table: a file format."""
HEADINGS = {
    "seconds_to_upright": "s to upright",
    "time_ratio": "/ true physics",
    "speed_ratio": "speed / goal",
    "ripple": "ripple, rad/s",
    "ripple_peak_to_peak": "peak to peak, rad/s",
    "seconds_to_goal": "s to goal",
    "shoulder_error": "shoulder error, rad",
    "shoulder_error_p90": "90% below",
    "wrist_error": "wrist error, rad",
    "wrist_error_p90": "90% below, rad",
    "collisions": "collisions",
    "there_at_the_end": "there at the end",
    "closest": "closest, rad",
    "return_mean": "return",
    "return_low": "95% from, return",
    "return_high": "to, return",
}
"""In the order of the table."""


def summary(agent: str, task: str = "swing-up", **medians: float | None) -> dict[str, Any]:
    return {
        "agent": agent,
        "task": task,
        "episodes": 50,
        "successes": 49,
        "wilson_95": [0.895, 0.996],
        "measures": {name: {"median": value, "per_episode": []} for name, value in medians.items()},
        "control_rate": {"hz_median": 123.4, "hz_p99": 98.7},
    }


def test_time_is_compared_with_the_same_planner_or_the_fastest() -> None:
    table = rows(
        [
            summary("random", seconds_to_upright=None),
            summary("policy", seconds_to_upright=1.8),
            summary("cem", seconds_to_upright=2.4),
            summary("mppi", seconds_to_upright=3.0),
            summary("cem-true-physics", seconds_to_upright=2.0),
            summary("mppi-true-physics", seconds_to_upright=1.5),
        ]
    )
    ratios = {row["agent"]: row["time_ratio"] for row in table}
    assert ratios == {
        "random": None,
        "policy": pytest.approx(1.2),
        "cem": pytest.approx(1.2),
        "mppi": pytest.approx(2.0),
        "cem-true-physics": pytest.approx(1.0),
        "mppi-true-physics": pytest.approx(1.0),
    }


def test_a_reference_that_never_gets_there_or_stands_at_another_task_is_none() -> None:
    table = rows(
        [
            summary("cem", seconds_to_upright=2.4),
            summary("cem-true-physics", seconds_to_upright=None),
            summary("cem-true-physics", "other", seconds_to_upright=1.0),
        ]
    )
    assert [row["time_ratio"] for row in table] == [None, None, pytest.approx(1.0)]


def test_markdown_has_a_section_per_task_with_its_own_columns() -> None:
    table = rows(
        [summary("policy", seconds_to_upright=1.8), summary("cem", "rotate", speed_ratio=0.987654, ripple=0.2)]
    )
    first, second = as_markdown(table).split("\n\n## ")
    assert first.startswith("## swing-up") and second.startswith("rotate")
    assert "s to upright" in first and "ripple" not in first
    assert "0.988" in second and "s to upright" not in second
    lines = second.strip().splitlines()
    assert len({line.count("|") for line in lines[2:]}) == 1, "a ragged table"
    assert as_markdown(table).count("| 49 | 50 |") == 2


def test_a_terminal_gets_what_fits_it_with_the_figure_that_counts() -> None:
    scored = summary("cem-true-physics", "reacher-easy", collisions=3.0) | {"successes": None, "wilson_95": None}
    scored["overall"] = {"return_mean": 940.0, "return_low": 930.0, "return_high": 950.0}
    table = rows([summary("policy", seconds_to_upright=1.8), summary("random", seconds_to_upright=None), scored])
    first, second = as_narrow(table).split("\n\n")
    assert [re.split(" {2,}", line) for line in first.splitlines()] == [
        ["swing-up", "successes", "95% interval", "s to upright", "Hz"],
        ["policy", "49 of 50", "0.90 to 1.00", "1.8", "123"],
        ["random", "49 of 50", "0.90 to 1.00", "–", "123"],
    ]
    assert [line.split() for line in second.splitlines()] == [
        ["reacher-easy", "return", "Hz"],
        ["cem-true-physics", "940", "123"],
    ]
    assert max(map(len, as_narrow(table).splitlines())) <= 80


def test_csv_holds_every_column_unrounded() -> None:
    table = rows([summary("policy", seconds_to_upright=1.8), summary("cem", "rotate", speed_ratio=0.987654)])
    read = list(csv.DictReader(as_csv(table).splitlines()))
    assert list(read[0]) == COLUMNS
    assert float(read[1]["speed_ratio"]) == 0.987654 and read[0]["speed_ratio"] == ""
    assert [row["agent"] for row in read] == ["policy", "cem"]


def test_figures_of_the_reacher_have_columns_of_their_own() -> None:
    scored = summary("cem", "reacher-easy") | {"successes": None, "wilson_95": None}
    scored["overall"] = {"return_mean": 940.0, "return_low": 930.0, "return_high": 950.0}
    table = rows([summary("cem", "reach", shoulder_error=0.01, seconds_to_goal=1.2), scored])
    assert table[1]["successes"] is None and table[1]["return_low"] == 930.0
    header = as_csv(table).splitlines()[0].split(",")
    assert header[: len(COLUMNS)] == COLUMNS and header[len(COLUMNS) :] == [
        "seconds_to_goal",
        "shoulder_error",
        "return_mean",
        "return_low",
        "return_high",
    ]
    reach, easy = as_markdown(table).split("## reacher-easy")
    assert "shoulder error, rad" in reach and "return" not in reach
    assert "| 940 | 930 | 950 |" in easy and "successes" not in easy
    assert as_csv(rows([summary("cem")])).splitlines()[0] == ",".join(COLUMNS)


def test_the_headings_are_the_measures_own() -> None:
    everything = summary("cem")
    everything["measures"] = {name: {"median": 1.0} for name in HEADINGS if name != "time_ratio"}
    text = as_markdown(rows([everything, summary("cem-true-physics", seconds_to_upright=1.0)]))
    header = [cell.strip() for cell in text.splitlines()[2].strip("| ").split("|")]
    own = list(HEADINGS.values())
    assert header == ["agent", "successes", "of", "95% from", "to", *own[:5], "Hz", "Hz, 99%", *own[5:]]
