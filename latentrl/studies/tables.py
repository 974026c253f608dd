"""A study's tables as Markdown for people and CSV for programs: ours with its interval, the published figure beside."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence

from latentrl.numerics.statistics import Interval
from latentrl.studies.definition import Column, Row, Table
from latentrl.studies.results import Outcome, Results
from latentrl.support.printing import NONE


def markdown_table(table: Table, rows: Sequence[Row], results: Results, mark: str | None = None) -> str:
    """The table, its yardsticks below, and every run that is missing from the means.

    Args:
        table: what to show.
        rows: its rows, in turn.
        results: of the runs.
        mark: a warning for the heading, such as that of a quick look.
    """
    published = {column.key for column in table.columns if any(column.key in row.published for row in rows)}
    heads = []
    for column in table.columns:
        heads += [column.label, "published"] if column.key in published else [column.label]
    body = []
    for row in rows:
        cells = [row.label]
        for column in table.columns:
            cells.append(shown(results.interval(row.name, column.key), column.style))
            if column.key in published:
                cells.append(_published(row, column))
        body.append([*cells, _seeds(results.of(row.name))])
    text = [f"# Table {table.number}. {table.title}", ""]
    if mark:
        text += [f"**{mark}**", ""]
    text += [*grid(["model", *heads, "seeds"], body), ""]
    beside = "; beside it the published figure" if published else ""
    text += [f"Mean over seeds [95% percentile bootstrap interval of the mean]{beside}.", ""]
    if table.yardsticks:
        others = [
            [row.label, *(shown(results.interval(row.name, c.key), c.style, False) for c in table.yardsticks)]
            for row in rows
        ]
        text += ["To read them beside (means):", "", *grid(["model", *(c.label for c in table.yardsticks)], others), ""]
    return "\n".join([*text, *_absent(table, rows, results), *_missing(rows, results)]).rstrip() + "\n"


def csv_table(table: Table, rows: Sequence[Row], results: Results, steps: int, quick: bool) -> str:
    """One line for each row and figure, unrounded; what is not there is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("row", "label", "figure", "mean", "low", "high", "seeds", "failed", "published", "steps", "quick"))
    for row in rows:
        failed = sum(outcome.state == "failed" for outcome in results.of(row.name))
        for column in (*table.columns, *table.yardsticks):
            interval = results.interval(row.name, column.key)
            numbers = ("", "", "") if interval is None else tuple(map(_number, _parts(interval)))
            count, published = len(results.values(row.name, column.key)), row.published.get(column.key, "")
            writer.writerow(
                (row.name, row.label, column.key, *numbers, count, failed, published, row.steps(steps), quick)
            )
    return text.getvalue()


def shown(interval: Interval | None, style: str, limits: bool = True) -> str:
    """``0.998 [0.997, 0.999]``, without the limits if there are none, or a dash."""
    if interval is None:
        return NONE
    mean = format(interval.mean, style)
    if not limits or math.isnan(interval.low):
        return mean
    return f"{mean} [{interval.low:{style}}, {interval.high:{style}}]"


def grid(heads: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table with aligned columns; the first is flush left, the others right."""
    rows = [heads, *body]
    widths = [max(3, *(len(row[k]) for row in rows)) for k in range(len(heads))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return [
        "| " + " | ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) + " |"
        for row in (heads, rule, *body)
    ]


def _published(row: Row, column: Column) -> str:
    return format(row.published[column.key], column.style) if column.key in row.published else NONE


def _seeds(outcomes: Sequence[Outcome]) -> str:
    finished = sum(outcome.state == "finished" for outcome in outcomes)
    failed = sum(outcome.state == "failed" for outcome in outcomes)
    if finished == len(outcomes):
        return str(finished)
    return f"{finished} of {len(outcomes)}" + (f", {failed} failed" if failed else "")


def _absent(table: Table, rows: Sequence[Row], results: Results) -> list[str]:
    """Says which columns stay empty although there are finished runs."""
    if not any(outcome.state == "finished" for row in rows for outcome in results.of(row.name)):
        return []
    absent = [column for column in table.columns if not any(results.values(row.name, column.key) for row in rows)]
    names = ", ".join(f"{column.label} (`{column.key}`)" for column in absent)
    return [f"No run measured {names}: its data lack the ground truth for it.", ""] if absent else []


def _missing(rows: Sequence[Row], results: Results) -> list[str]:
    lines = []
    for row in rows:
        outcomes = results.of(row.name)
        lines += [f"- **failed**: {row.label}, seed {o.seed}: {o.reason}" for o in outcomes if o.state == "failed"]
        open_ones = [str(o.seed) for o in outcomes if o.state in ("waiting", "interrupted")]
        if open_ones:
            lines.append(f"- not finished: {row.label}, seed {', '.join(open_ones)}")
    return ["Runs that no mean contains:", "", *lines] if lines else []


def _parts(interval: Interval) -> tuple[float, float, float]:
    return interval.mean, interval.low, interval.high


def _number(value: float) -> str:
    return "" if math.isnan(value) else repr(value)
