"""The table of `latentrl compare`: rows from the summaries of trials, as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

TRUE_PHYSICS = "-true-physics"
COLUMNS = {
    "task": "task",
    "agent": "agent",
    "successes": "successes",
    "episodes": "of",
    "wilson_low": "95% from",
    "wilson_high": "to",
    "seconds_to_upright": "s to upright",
    "time_ratio": "/ true physics",
    "speed_ratio": "speed / goal",
    "ripple": "ripple, rad/s",
    "ripple_peak_to_peak": "peak to peak, rad/s",
    "hz_median": "Hz",
    "hz_p99": "Hz, 99%",
}
"""Of a row, and their headings in the table for people."""
OF_THE_REACHER = {
    "seconds_to_goal": "s to goal",
    "shoulder_error": "shoulder, rad",
    "shoulder_error_p90": "90% below",
    "wrist_error": "wrist, rad",
    "wrist_error_p90": "90% below, rad",
    "collisions": "collisions",
    "there_at_the_end": "there at the end",
    "closest": "closest, rad",
    "return_mean": "return",
    "return_low": "95% from, return",
    "return_high": "to, return",
}
"""The same of rows that have such figures."""

Row = dict[str, Any]


def rows(summaries: Sequence[Mapping[str, Any]]) -> list[Row]:
    """One row of `COLUMNS` per summary of a trial; None where a figure does not apply or is infinite.

    ``time_ratio`` is the time to upright over that of the same planner on the true physics; for an agent that is no
    planner, over that of the fastest planner there.
    """
    found = [_row(summary) for summary in summaries]
    reference = {
        (row["task"], row["agent"].removesuffix(TRUE_PHYSICS)): row["seconds_to_upright"]
        for row in found
        if row["agent"].endswith(TRUE_PHYSICS) and row["seconds_to_upright"]
    }
    for row in found:
        own = reference.get((row["task"], row["agent"].removesuffix(TRUE_PHYSICS)))
        best = min((time for (task, _), time in reference.items() if task == row["task"]), default=None)
        if row["seconds_to_upright"] and best:
            row["time_ratio"] = row["seconds_to_upright"] / (own or best)
    return found


def as_markdown(table: Sequence[Row]) -> str:
    """The table for people: one section per task, with the columns that say something there."""
    sections = []
    for task in dict.fromkeys(row["task"] for row in table):
        part = [row for row in table if row["task"] == task]
        named = _columns(part)
        columns = [name for name in named if name != "task" and any(row.get(name) is not None for row in part)]
        lines = [
            f"## {task}",
            "",
            "| " + " | ".join(named[name] for name in columns) + " |",
            "| " + " | ".join("---" if name == "agent" else "---:" for name in columns) + " |",
            *("| " + " | ".join(_cell(row.get(name)) for name in columns) + " |" for row in part),
        ]
        sections.append("\n".join(lines))
    return "\n\n".join(sections) + "\n"


def as_csv(table: Sequence[Row]) -> str:
    """The table for programs: every column, unrounded, empty where a figure does not apply."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _columns(table), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()


def _columns(table: Sequence[Row]) -> dict[str, str]:
    """The columns of these rows and their headings."""
    extra = {name: heading for name, heading in OF_THE_REACHER.items() if any(name in row for row in table)}
    return COLUMNS | extra


def _row(summary: Mapping[str, Any]) -> Row:
    figures = {name: values["median"] for name, values in summary["measures"].items()} | summary.get("overall", {})
    return {
        **dict.fromkeys(COLUMNS),
        **{name: summary[name] for name in ("task", "agent", "successes", "episodes")},
        **dict(zip(("wilson_low", "wilson_high"), summary["wilson_95"] or (None, None), strict=True)),
        **{name: value for name, value in figures.items() if name in COLUMNS or name in OF_THE_REACHER},
        **summary["control_rate"],
    }


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else f"{value:.3g}" if isinstance(value, float) else str(value)
