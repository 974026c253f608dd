"""What a study is: rows to train, tables to fill, claims to test. Nothing here runs anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

MAKING = "latentrl.studies.making"
"""The collector of frames that come from no environment."""


@dataclass(frozen=True)
class Row:
    """One way to train a model; every seed of it is a run.

    Attributes:
        name: of its folder.
        label: in tables and figures.
        model: as ``latentrl train --model`` takes it; so are ``objective`` and ``prior``.
        objective: see ``model``.
        prior: see ``model``.
        annealing: share of the steps over which beta rises to 1, for the objective ``annealing``.
        effort: gradient steps as a multiple of the study's, for models that learn more slowly.
        options: further options of ``latentrl train``.
        published: the source's figures, by the names of ``metrics.json``.
    """

    name: str
    label: str
    model: str
    objective: str
    prior: str
    annealing: float | None = None
    effort: float = 1.0
    options: tuple[str, ...] = ()
    published: Mapping[str, float] = field(default_factory=dict, hash=False)

    def steps(self, of_study: int) -> int:
        """Gradient steps of its runs in a study of ``of_study`` steps."""
        return max(1, round(self.effort * of_study))


@dataclass(frozen=True)
class Column:
    """A figure of a table: ``key`` in ``metrics.json``, ``label`` for people, ``style`` as in a format string."""

    key: str
    label: str
    style: str = ".3g"


@dataclass(frozen=True)
class Table:
    """A table of the source.

    Attributes:
        number: as printed there, such as ``4.1``.
        title: one line.
        columns: what it shows, in turn.
        rows: names of its rows, in turn.
        yardsticks: figures without a published counterpart that the others are to be read beside.
    """

    number: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[str, ...]
    yardsticks: tuple[Column, ...] = ()


@dataclass(frozen=True)
class Term:
    """A side of a claim: ``figure`` of ``row``, divided by the figure ``over`` if given.

    Of the ``rivals`` and ``row`` the one with the largest mean counts: a claim over the best of several.
    """

    row: str
    figure: str
    over: str | None = None
    rivals: tuple[str, ...] = ()


@dataclass(frozen=True)
class Claim:
    """``larger`` exceeds ``smaller``, seed by seed; ``ratio`` compares logarithms, as errors want it."""

    text: str
    larger: Term | float
    smaller: Term | float
    ratio: bool = False


@dataclass(frozen=True)
class Study:
    """A comparison on one kind of data.

    Attributes:
        name: as the command line takes it.
        title: one line.
        environment: Gymnasium id that must be registered for collecting; None: not looked at.
        collect: options of the ``collector``, but for seed and folder; empty where the data must be given.
        train: options of ``latentrl train`` that all rows share.
        steps: gradient steps of every run, unless its row says otherwise.
        rows: of the tables.
        tables: what is reported.
        claims: what is tested.
        annealing_rows: other annealing lengths than the tables', for a figure of their own.
        constrained: for that figure, the row that each annealed one is compared with: ``{annealed: constrained}``.
        minutes: of a run of ``steps`` on one core, by model: an estimate until runs of this study are finished.
        notes: what readers must know about the comparison.
        measurement: of every run, beside what its training measures: a name of
            `latentrl.studies.measurements.MEASUREMENTS`.
        collector: the module that makes data: ``latentrl collect``'s, or `MAKING`.
    """

    name: str
    title: str
    environment: str | None
    collect: tuple[str, ...]
    train: tuple[str, ...]
    steps: int
    rows: tuple[Row, ...]
    tables: tuple[Table, ...]
    claims: tuple[Claim, ...] = ()
    annealing_rows: tuple[Row, ...] = ()
    constrained: Mapping[str, str] = field(default_factory=dict)
    minutes: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    measurement: str | None = None
    collector: str = "latentrl.collect"

    @property
    def all_rows(self) -> tuple[Row, ...]:
        """The tables' rows, then those of the annealing figure."""
        return self.rows + self.annealing_rows

    @property
    def columns(self) -> tuple[Column, ...]:
        """Of all tables, yardsticks included."""
        return tuple(column for table in self.tables for column in (*table.columns, *table.yardsticks))

    def of_length(self, steps: int) -> Study:
        """The study with runs of ``steps`` expected to take as much less, or more, time."""
        return replace(self, minutes={model: minutes * steps / self.steps for model, minutes in self.minutes.items()})

    def row(self, name: str) -> Row:
        """The row of that name.

        Raises:
            KeyError: none.
        """
        return {row.name: row for row in self.all_rows}[name]
