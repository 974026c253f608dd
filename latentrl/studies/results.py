"""What the runs of a study came to: figures by row and seed, and which runs have none, and why."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from latentrl.numerics.statistics import Interval, bootstrap_interval
from latentrl.studies.cells import Cell, State
from latentrl.studies.definition import Row, Term
from latentrl.studies.measuring import figures_of


@dataclass(frozen=True)
class Outcome:
    """One run; ``metrics`` is empty unless it is finished, ``reason`` says why it failed."""

    row: Row
    seed: int
    state: State
    metrics: dict[str, float]
    reason: str | None
    seconds: float
    command: str


@dataclass(frozen=True)
class Results:
    """All runs of a study, finished or not.

    Attributes:
        outcomes: of every run.
        failures: lines for people, of what failed.
    """

    outcomes: tuple[Outcome, ...]
    failures: tuple[str, ...] = ()

    @classmethod
    def read(cls, cells: Sequence[Cell]) -> Results:
        """From the run folders."""
        outcomes = tuple(_outcome(cell) for cell in cells)
        failed = [outcome for outcome in outcomes if outcome.state == "failed"]
        return cls(outcomes, tuple(f"failed: {one.row.name}/seed{one.seed}: {one.reason}" for one in failed))

    def of(self, row: str) -> tuple[Outcome, ...]:
        """The runs of a row, seed by seed."""
        return tuple(outcome for outcome in self.outcomes if outcome.row.name == row)

    def values(self, row: str, figure: str) -> dict[int, float]:
        """A figure of a row by seed; only finished runs that have it."""
        return {o.seed: o.metrics[figure] for o in self.of(row) if figure in o.metrics}

    def interval(self, row: str, figure: str) -> Interval | None:
        """Mean and bootstrap interval of a figure over the seeds; None where no run has it."""
        values = self.values(row, figure)
        return bootstrap_interval(list(values.values())) if values else None

    def term(self, term: Term) -> tuple[str, dict[int, float]]:
        """The row that stands for a term, and the term's values by seed."""
        rows = (term.row, *term.rivals)
        found = {row: self.values(row, term.figure) for row in rows}
        best = max(rows, key=lambda row: sum(found[row].values()) / len(found[row]) if found[row] else -float("inf"))
        if term.over is None:
            return best, found[best]
        divisors = self.values(best, term.over)
        return best, {seed: value / divisors[seed] for seed, value in found[best].items() if seed in divisors}

    @property
    def figures(self) -> tuple[str, ...]:
        """Every figure that some run has, in the order of their appearance."""
        return tuple(dict.fromkeys(name for outcome in self.outcomes for name in outcome.metrics))

    def to_csv(self) -> str:
        """Every run with all its figures, one line each."""
        names = self.figures
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("row", "model", "objective", "prior", "seed", "state", "seconds", *names, "reason"))
        for o in self.outcomes:
            figures = (repr(o.metrics[name]) if name in o.metrics else "" for name in names)
            head = (o.row.name, o.row.model, o.row.objective, o.row.prior, o.seed, o.state, o.seconds)
            writer.writerow((*head, *figures, o.reason or ""))
        return text.getvalue()


def _outcome(cell: Cell) -> Outcome:
    record: dict[str, Any] = cell.record()
    state = cell.state()
    return Outcome(
        cell.row,
        cell.seed,
        state,
        {**cell.metrics(), **figures_of(cell.folder)} if state == "finished" else {},
        record.get("reason") if state == "failed" else None,
        record.get("seconds", 0.0),
        record.get("command", ""),
    )
