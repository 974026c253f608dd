"""A study of one's own: rows in a JSON file.

    {
      "name": "mine",
      "steps": 8000,
      "collect": ["--env", "MountainCarContinuous-v0", "--pixels", "32", "--grey"],
      "train": ["--kappa", "0.05"],
      "columns": ["test_elbo_per_step"],
      "rows": [
        {"name": "ekvae", "model": "ekvae"},
        {"name": "dks-annealed", "model": "dks", "objective": "annealing", "annealing": 0.5, "prior": "normal"},
        {"name": "ekvae-wide", "model": "ekvae", "options": ["--state-size", "6"]}
      ]
    }

Only ``rows`` is needed, and of each row ``name`` and ``model``; ``collect`` can be left out where ``--data-dir`` is
given, and ``columns`` names figures of ``metrics.json``, or of the ``measurement`` that is wanted of every run beside
it: ``"geodesics"``, ``"manifold"``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from latentrl.studies.definition import Column, Row, Study, Table
from latentrl.studies.measurements import MEASUREMENTS
from latentrl.support.errors import UserError
from latentrl.support.files import read_json

KEYS: Mapping[str, type] = {
    "name": str,
    "steps": int,
    "collect": list,
    "train": list,
    "columns": list,
    "rows": list,
    "measurement": str,
}
ROW_KEYS: Mapping[str, type] = {
    "name": str,
    "label": str,
    "model": str,
    "objective": str,
    "prior": str,
    "annealing": float,
    "effort": float,
    "options": list,
}
PLACES = frozenset(("run", "out", "data", "overwrite", "resume", "explain"))
"""Options that a study file may not give: they set a place, replace what is there, or go on with something else."""
WORDS = ("collect", "train", "columns", "options")
"""Lists of what stands on a command line, or names a figure."""
STYLES = {"test_elbo_per_step": ".1f", "train_seconds": ".0f"}
MINUTES = 5.0
"""Of a run, until one is measured."""


def read_study(path: Path) -> Study:
    """The study that a JSON file describes: an object whose "rows" each have at least a "name" and a "model".

    Raises:
        UserError: no such file, unknown or missing keys, values of the wrong type, two rows of one name.
    """
    if not path.is_file():
        raise UserError(
            f"there is no study {path}: give pendulum, reacher-angles, static-pendulum, geometry, digits, motion, "
            "control, or a JSON file with rows of your own"
        )
    content = read_json(path, "correct it")
    _check(content, KEYS, f"{path}")
    if not content.get("rows"):
        raise UserError(f"{path}: has no rows; give one or more")
    rows = tuple(_row(row, f"{path}, row {number}") for number, row in enumerate(content["rows"], start=1))
    names = [row.name for row in rows]
    for name in names:
        if names.count(name) > 1 or not _is_folder(name) or name == "data":
            raise UserError(f"{path}: the row name {name!r} is used twice or makes no folder; give another")
    columns = tuple(
        Column(str(key), str(key), STYLES.get(key, ".3g")) for key in content.get("columns", ["test_elbo_per_step"])
    )
    for key in ("collect", "train"):
        _check_options(content.get(key, ()), f"{path}, {key}")
    measurement = content.get("measurement")
    if measurement is not None and measurement not in MEASUREMENTS:
        raise UserError(f"{path}: the measurement {measurement!r} is unknown; there are {', '.join(MEASUREMENTS)}")
    name, steps = content.get("name", path.stem), content.get("steps", 8000)
    if not _is_folder(name):
        raise UserError(f"{path}: the name {name!r} makes no folder; give another")
    if steps < 1:
        raise UserError(f"{path}: 'steps' is {steps}; give one or more")
    return Study(
        name=name,
        title=f"{name}: rows of {path.name}",
        environment=None,
        collect=tuple(map(str, content.get("collect", ()))),
        train=tuple(map(str, content.get("train", ()))),
        steps=steps,
        rows=rows,
        tables=(Table("1", name, columns, tuple(names), (Column("train_seconds", "training, s", ".0f"),)),),
        minutes={row.model: MINUTES * steps / 8000 for row in rows},
        measurement=measurement,
    )


def _row(content: Any, where: str) -> Row:
    _check(content, ROW_KEYS, where)
    for key in ("name", "model"):
        if key not in content:
            raise UserError(f"{where}: has no {key!r}; give one")
    _check_options(content.get("options", ()), f"{where}, options")
    objective = content.get("objective", "rewo")
    if ("annealing" in content) != (objective == "annealing"):
        raise UserError(f"{where}: 'annealing', a share of the steps, and the objective 'annealing' go together")
    if not 0 < content.get("annealing", 1) <= 1:
        raise UserError(f"{where}: 'annealing' is {content['annealing']}; give a share above 0 and up to 1")
    if not 0 < content.get("effort", 1) < float("inf"):
        raise UserError(f"{where}: 'effort' is {content['effort']}; give a multiple of the study's steps, above 0")
    return Row(
        name=content["name"],
        label=content.get("label", content["name"]),
        model=content["model"],
        objective=objective,
        prior=content.get("prior", "vhp"),
        annealing=content.get("annealing"),
        effort=content.get("effort", 1.0),
        options=tuple(map(str, content.get("options", ()))),
    )


def _check_options(given: Sequence[object], where: str) -> None:
    """A study file may come from anywhere: it says how to train, not where to, nor which code to import.

    Raises:
        UserError: it names the option.
    """
    words = [str(word) for word in given]
    for number, word in enumerate(words):
        flag, _, value = word.partition("=")
        name = flag.lstrip("-").replace("_", "-")
        if flag.startswith("-") and name.removeprefix("no-") in PLACES:
            raise UserError(f"{where}: {flag} is not for a study file; the study's own --out and --data-dir say where")
        if flag.startswith("-") and name == "env" and ":" in (value or "".join(words[number + 1 : number + 2])):
            raise UserError(
                f"{where}: --env {value or words[number + 1]} would import a module that the file names; collect the "
                "data yourself with `latentrl collect` and give it with --data-dir"
            )


def _is_folder(name: str) -> bool:
    return bool(name) and not set(name) & set("/\\") and name not in (".", "..")


def _check(content: Any, known: Mapping[str, type], where: str) -> None:
    if not isinstance(content, dict):
        raise UserError(f"{where}: give a JSON object with {', '.join(known)}")
    for key, value in content.items():
        if key not in known:
            raise UserError(f"{where}: {key!r} is unknown; there are {', '.join(known)}")
        wanted = (int, float) if known[key] is float else known[key]
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise UserError(f"{where}: {key!r} is {value!r}; give a {known[key].__name__}")
        if key in WORDS and isinstance(value, list) and not all(isinstance(one, str | int | float) for one in value):
            raise UserError(f"{where}: {key!r} is {value!r}; give a list of texts and numbers")
