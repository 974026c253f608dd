"""``settings.json`` of a study: exact commands, versions, and what its runs share, read off the runs themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from latentrl.runs.folder import SETTINGS
from latentrl.runs.versions import describe_environment
from latentrl.studies.cells import Cell, printed
from latentrl.studies.definition import Study

OWN = ("options.data", "options.run", "options.seed", "options.progress", "options.resume", "options.overwrite")
"""Options that each run has for itself."""


def describe(study: Study, cells: Sequence[Cell], steps: int, options: Mapping[str, Any]) -> dict[str, Any]:
    """The contents of ``settings.json``.

    Args:
        study: what was compared.
        cells: its runs.
        steps: gradient steps of each.
        options: of the verb, as JSON values.
    """
    begun = {cell: cell.settings() for cell in cells if (cell.folder / SETTINGS).is_file()}
    first = {cell.row.name: settings for cell, settings in reversed(begun.items())}
    shared, differing = compare({name: _training(settings) for name, settings in reversed(first.items())})
    return {
        "study": study.name,
        "title": study.title,
        "options": dict(options),
        "steps": steps,
        "other_steps_than_the_study": steps != study.steps,
        "notes": list(study.notes),
        "measurement": study.measurement,
        "shared_by_all_rows": shared,
        "differs_between_rows": differing,
        "models": {name: settings["model"]["settings"] for name, settings in reversed(first.items())},
        "data": [_data(study, cell) for cell in {cell.seed: cell for cell in cells}.values()],
        "runs": [
            {
                "row": cell.row.name,
                "seed": cell.seed,
                "state": cell.state(),
                "reason": cell.record().get("reason"),
                "seconds": cell.record().get("seconds"),
                "command": printed("latentrl.train", cell.fresh_arguments),
                "git": begun[cell]["environment"]["git"] if cell in begun else None,
            }
            for cell in cells
        ],
        "environment": describe_environment(),
    }


def _data(study: Study, cell: Cell) -> dict[str, Any]:
    if not cell.collected:
        return {"seed": cell.seed, "folder": str(cell.data)}
    arguments = (*study.collect, "--out", str(cell.data), "--seed", str(cell.seed))
    return {"seed": cell.seed, "command": printed(study.collector, arguments)}


def compare(settings: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """What all have in common, and by row what they have not.

    Args:
        settings: by row, flat.
    """
    names = dict.fromkeys(name for one in settings.values() for name in one)
    shared, differing = dict[str, Any](), dict[str, dict[str, Any]]()
    for name in names:
        values = {row: one.get(name) for row, one in settings.items()}
        first = next(iter(values.values()))
        if all(value == first for value in values.values()):
            shared[name] = first
        else:
            differing[name] = values
    return shared, differing


def _training(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Options and schedule of a training, flat, without what each run has for itself."""
    flat = {f"{part}.{key}": value for part in ("options", "training") for key, value in settings[part].items()}
    return {name: value for name, value in flat.items() if name not in OWN}
