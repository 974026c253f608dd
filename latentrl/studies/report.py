"""Everything that a study writes about its runs, into its own folder and, if asked, where it is to be published."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from latentrl.studies.cells import Cell
from latentrl.studies.claims import claims_markdown, examine
from latentrl.studies.definition import Study
from latentrl.studies.record import describe
from latentrl.studies.results import Results
from latentrl.studies.showcase import pictures
from latentrl.studies.tables import csv_table, markdown_table
from latentrl.support.files import write_bytes


def write_report(
    study: Study,
    cells: Sequence[Cell],
    steps: int,
    options: Mapping[str, Any],
    folders: Sequence[Path],
) -> Results:
    """Write tables, claims, figures and settings into each of ``folders``, every file whole or not at all.

    Args:
        study: what was compared.
        cells: its runs, finished or not.
        steps: gradient steps of each.
        options: of the verb, as JSON values, for the record.
        folders: where to.
    """
    results = Results.read(cells)
    files = {**documents(study, cells, results, steps, options), **pictures(study, cells, results)}
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write_bytes(folder / name, content)
    return results


def documents(
    study: Study, cells: Sequence[Cell], results: Results, steps: int, options: Mapping[str, Any]
) -> dict[str, bytes]:
    """The texts of the report by file name."""
    mark = quick_mark(study, steps)
    files = {}
    for table in study.tables:
        rows, number = [study.row(name) for name in table.rows], table.number.replace(".", "_")
        files[f"table_{number}.md"] = markdown_table(table, rows, results, mark)
        files[f"table_{number}.csv"] = csv_table(table, rows, results, steps, mark is not None)
    if study.claims:
        files["claims.md"] = claims_markdown([examine(claim, study, results) for claim in study.claims], mark)
    files["runs.csv"] = results.to_csv()
    files["settings.json"] = json.dumps(describe(study, cells, steps, options), indent=2, ensure_ascii=False) + "\n"
    return {name: text.encode() for name, text in files.items()}


def quick_mark(study: Study, steps: int) -> str | None:
    """The warning that a report bears when it was not made with the study's own number of steps."""
    if steps == study.steps:
        return None
    return f"Quick look: {steps} gradient steps a run in place of the study's {study.steps}. No result."
