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
        columns = [name for name in COLUMNS if name != "task" and any(row[name] is not None for row in part)]
        lines = [
            f"## {task}",
            "",
            "| " + " | ".join(COLUMNS[name] for name in columns) + " |",
            "| " + " | ".join("---" if name == "agent" else "---:" for name in columns) + " |",
            *("| " + " | ".join(_cell(row[name]) for name in columns) + " |" for row in part),
        ]
        sections.append("\n".join(lines))
    return "\n\n".join(sections) + "\n"


def as_csv(table: Sequence[Row]) -> str:
    """The table for programs: every column, unrounded, empty where a figure does not apply."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()


def _row(summary: Mapping[str, Any]) -> Row:
    medians = {name: values["median"] for name, values in summary["measures"].items()}
    return {
        **dict.fromkeys(COLUMNS),
        **{name: summary[name] for name in ("task", "agent", "successes", "episodes")},
        **dict(zip(("wilson_low", "wilson_high"), summary["wilson_95"], strict=True)),
        **{name: value for name, value in medians.items() if name in COLUMNS},
        **summary["control_rate"],
    }


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else f"{value:.3g}" if isinstance(value, float) else str(value)
