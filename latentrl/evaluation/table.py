"""The table of `latentrl compare`: rows from the summaries of trials, as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from latentrl.envs import ENVIRONMENTS, TASKS
from latentrl.evaluation.trials import ON_TRUE_PHYSICS
from latentrl.support.printing import NONE, digits

ABOUT = {
    "task": "task",
    "agent": "agent",
    "successes": "successes",
    "episodes": "of",
    "wilson_low": "95% from",
    "wilson_high": "to",
}
"""What every row begins with, and the headings in the table for people."""
TIME = "seconds_to_"
"""What the names of figures begin with that a planner on the true physics is the yardstick of."""
MEAN_RETURN = "return_mean"
RATIO = {"time_ratio": "/ true physics"}
RATE = {"hz_median": "Hz", "hz_p99": "Hz, 99%"}

Row = dict[str, Any]


def rows(summaries: Sequence[Mapping[str, Any]]) -> list[Row]:
    """One row of :func:`columns` per summary of a trial; None where a figure does not apply or is infinite.

    ``time_ratio`` is the time to the goal over that of the same planner on the true physics; for an agent that is no
    planner, over that of the fastest planner there.
    """
    always = columns()
    found = [_row(summary, always, {**_headings(TASKS), **summary.get("headings", {})}) for summary in summaries]
    reference: dict[tuple[str, str], float] = {}
    for row in found:
        time = _time(row)
        if row["agent"].endswith(ON_TRUE_PHYSICS) and time:
            reference[row["task"], row["agent"].removesuffix(ON_TRUE_PHYSICS)] = time
    for row in found:
        time, own = _time(row), reference.get((row["task"], row["agent"].removesuffix(ON_TRUE_PHYSICS)))
        best = min((time for (task, _), time in reference.items() if task == row["task"]), default=None)
        if time and best:
            row["time_ratio"] = time / (own or best)
    return found


def columns() -> dict[str, str]:
    """The columns that every table has, with their headings: those of the first environment's tasks among them."""
    figures: dict[str, str] = {}
    for name, heading in _headings(next(iter(ENVIRONMENTS.values())).tasks).items():
        figures |= {name: heading} | (RATIO if name.startswith(TIME) else {})
    return ABOUT | figures | RATE


def as_markdown(table: Sequence[Row], headings: Mapping[str, str] | None = None) -> str:
    """The table for people: one section per task, with the columns that say something there.

    ``headings`` are those of figures that no task of this package has.
    """
    sections = []
    for task in dict.fromkeys(row["task"] for row in table):
        part = [row for row in table if row["task"] == task]
        named = _columns(part, headings)
        shown = [name for name in named if name != "task" and any(row.get(name) is not None for row in part)]
        lines = [
            f"## {task}",
            "",
            "| " + " | ".join(named[name] for name in shown) + " |",
            "| " + " | ".join("---" if name == "agent" else "---:" for name in shown) + " |",
            *("| " + " | ".join(_cell(row.get(name)) for name in shown) + " |" for row in part),
        ]
        sections.append("\n".join(lines))
    return "\n\n".join(sections) + "\n"


def as_narrow(table: Sequence[Row], headings: Mapping[str, str] | None = None) -> str:
    """The table for a terminal, of some 80 columns: successes, the figure that counts most, and the control rate.

    One section per task. The figure is the mean return where no success is counted, else the first that there is.
    """
    sections = []
    for task in dict.fromkeys(row["task"] for row in table):
        part = [row for row in table if row["task"] == task]
        counted = any(row["successes"] is not None for row in part)
        named = _columns(part, headings)
        figures = [name for name in named if name not in {**ABOUT, **RATE} and name not in RATIO]
        figures.sort(key=lambda name: counted or name != MEAN_RETURN)
        main = next((name for name in figures if any(row.get(name) is not None for row in part)), None)
        lines = [[task, *(("successes", "95% interval") if counted else ()), *((named[main],) if main else ()), "Hz"]]
        for row in part:
            rate = [f"{row['successes']} of {row['episodes']}", _between(row)] if counted else []
            lines.append([row["agent"], *rate, *((digits(row.get(main)),) if main else ()), digits(row["hz_median"])])
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        sections.append("\n".join(_aligned(line, widths) for line in lines))
    return "\n\n".join(sections) + "\n"


def as_csv(table: Sequence[Row], headings: Mapping[str, str] | None = None) -> str:
    """The table for programs: every column, unrounded, empty where a figure does not apply."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _columns(table, headings), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()


def _columns(table: Sequence[Row], headings: Mapping[str, str] | None = None) -> dict[str, str]:
    """The columns of these rows and their headings."""
    known = {**_headings(TASKS), **(headings or {})}
    return columns() | {name: own for name, own in known.items() if any(name in row for row in table)}


def _headings(tasks: Iterable[str]) -> dict[str, str]:
    """How the figures of these tasks' measures are called."""
    return {name: heading for task in tasks for name, heading in TASKS[task].measure.headings.items()}


def _row(summary: Mapping[str, Any], always: Iterable[str], sometimes: Mapping[str, str]) -> Row:
    figures = {name: values["median"] for name, values in summary["measures"].items()} | summary.get("overall", {})
    return {
        **dict.fromkeys(always),
        **{name: summary[name] for name in ("task", "agent", "successes", "episodes")},
        **dict(zip(("wilson_low", "wilson_high"), summary["wilson_95"] or (None, None), strict=True)),
        **{name: value for name, value in figures.items() if name in sometimes},
        **summary["control_rate"],
    }


def _time(row: Row) -> float | None:
    return next((value for name, value in row.items() if name.startswith(TIME) and value is not None), None)


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    """The first cell to the left, the others to the right."""
    return "  ".join([line[0].ljust(widths[0]), *(cell.rjust(n) for cell, n in zip(line[1:], widths[1:], strict=True))])


def _between(row: Row) -> str:
    low, high = row["wilson_low"], row["wilson_high"]
    return NONE if low is None or high is None else f"{low:.2f} to {high:.2f}"


def _cell(value: Any) -> str:
    if value is None:
        return NONE
    return value if isinstance(value, str) else digits(value) if isinstance(value, float) else str(value)
