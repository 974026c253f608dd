"""The columns of a CSV file, and the rate that a column of times tells."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentrl.support.errors import UserError

COLUMNS = "actions"
"""The key of all columns of a table without a header."""
DELIMITERS = (";", "\t", ",")
TIMES = ("time", "times", "timestamp", "timestamps")
"""What a column of seconds is called."""
UNEVEN = 0.1
"""Share of a step by which others may differ from it: stamps are rounded, and clocks jitter."""


def read_table(path: Path) -> dict[str, NDArray[np.float64]]:
    """The columns of a CSV file that hold numbers, each ``[T]``, by name; without a header ``[T, D]`` together.

    Separated by commas, semicolons or tabs, whichever the first line has; an empty cell is not a number (NaN).

    Raises:
        UserError: no rows, or one of another length; names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as text ({error}); write a CSV file") from error
    delimiter = next((mark for mark in DELIMITERS if lines and mark in lines[0]), ",")
    try:
        rows = list(csv.reader(lines, delimiter=delimiter))
    except csv.Error as error:
        raise UserError(f"{path}: is no CSV file ({error}); write one with a row for each action") from error
    numbered = [(at, row) for at, row in enumerate(rows, 1) if any(map(str.strip, row))]
    header = None
    if numbered and any(_number(cell) is None for cell in numbered[0][1]):
        header = [cell.strip() for cell in numbered.pop(0)[1]]
    if not numbered:
        raise UserError(f"{path}: has no rows; give one for each action")
    width = len(header or numbered[0][1])
    for at, row in numbered:
        if len(row) != width:
            raise UserError(f"{path}, line {at}: has {len(row)} cells, the first line {width}; write all of them")
    cells = [[_number(cell) for cell in row] for _, row in numbered]
    if header is None:
        for (at, row), found in zip(numbered, cells, strict=True):
            if None in found:
                raise UserError(
                    f"{path}, line {at}: {row[found.index(None)]!r} is no number; a table without a header is"
                )
        return {COLUMNS: np.array(cells, np.float64)}
    if len(set(header)) < width or "" in header:
        raise UserError(f"{path}: its header is {header}; give every column a name of its own")
    columns = dict(zip(header, zip(*cells, strict=True), strict=True))
    return {name: np.array(column, np.float64) for name, column in columns.items() if None not in column}


def _number(cell: str) -> float | None:
    """The cell's number, NaN where it is empty, None where it holds something else."""
    try:
        return float(cell) if cell.strip() else float("nan")
    except ValueError:
        return None


def times_of(columns: Mapping[str, NDArray[Any]]) -> tuple[str, NDArray[Any]] | None:
    """The column of seconds ``[T]``, with its name; None: there is none."""
    return next(((name, values) for name, values in columns.items() if name.lower() in TIMES), None)


def usual_step(times: Sequence[NDArray[Any]]) -> float:
    """The median of all steps of ``times``, of each recording ``[T]``; 0 where there is none."""
    every = np.concatenate([np.zeros(0), *map(np.diff, times)])
    finite = every[np.isfinite(every)]
    return float(np.median(finite)) if len(finite) else 0.0


def uneven_steps(values: NDArray[Any], usual: float) -> NDArray[np.bool_]:
    """Of every step of the seconds ``values [T]`` whether it is another than the usual one, boolean ``[T - 1]``."""
    steps = np.diff(values)
    return np.asarray(~(np.abs(steps - usual) <= UNEVEN * usual + 1e-9) | (steps <= 0))


def even_step(times: Sequence[NDArray[Any]], usual: float) -> float | None:
    """Mean of the steps of ``times``, of each recording ``[T]``, that are even; None: none is."""
    even = np.concatenate([np.zeros(0), *(np.diff(values)[~uneven_steps(values, usual)] for values in times)])
    return float(even.mean()) if len(even) else None


def such_steps(here: int, elsewhere: Sequence[int]) -> str:
    """How many steps are amiss in a recording, and in how many of the others some are: the end of a message.

    Args:
        here: steps in the recording that the message is about.
        elsewhere: steps in each of the others.
    """
    others = f", and some in {sum(map(bool, elsewhere))} of the {len(elsewhere)} others" if elsewhere else ""
    return f"such steps: {here:,} in it{others}"


def step_of(times: Sequence[tuple[str, NDArray[Any]]]) -> float | None:
    """Seconds of a step, which is to be the same everywhere; None: there is none.

    Args:
        times: of each recording what it is called, for people, and its seconds ``[T]``.

    Raises:
        UserError: steps differ, go back or are no numbers; names the first, how many there are, and the cure.
    """
    columns = [values for _, values in times]
    usual = usual_step(columns)
    uneven = [np.flatnonzero(uneven_steps(values, usual)) for values in columns]
    number = next((number for number, steps in enumerate(uneven) if len(steps)), None)
    if number is not None:
        (where, values), at = times[number], int(uneven[number][0])
        counts = [len(steps) for steps in uneven]
        here = counts.pop(number)
        raise UserError(
            f"{where} goes from {values[at]:.10g} to {values[at + 1]:.10g} after row {at + 1}, a step usually "
            f"takes {usual:.4g}: a model takes all for equally long; cut the recordings there with --gaps cut, "
            f"interpolate them, or say with --fps that all steps are even; {such_steps(here, counts)}"
        )
    return even_step(columns, usual)
