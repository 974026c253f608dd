"""What a user says of an environment or of recordings in a file: coordinates of the ground truth, and tasks. No code.

    # robot.toml
    [[coordinates]]
    name = "slide"
    kind = "line"                    # angle, line or velocity
    key = "state"                    # the entry of the ground truth
    index = 0
    unit = "m"

    [tasks.park]
    description = "to the middle, and to stay there"
    goal = "goal.png"                # as --goal is written; what came with the data if left out
    pose = { slide = 0.0 }           # where the goal is, in the coordinates: for judging alone
    tolerance = { slide = 0.02 }     # or one number for all of them
    hold = 20
    steps = 200

JSON of the same shape does as well. An environment may carry both in ``metadata["coordinates"]``, ``["tasks"]``.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from latentrl.envs.coordinates import Coordinate, coordinates_from_json, positions
from latentrl.envs.measures import MEASURES, Measure
from latentrl.support.errors import UserError
from latentrl.support.files import parsed_json

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

COUNTS = ("steps", "episodes")
OPTIONS = ("reset_options", "goal_options")
OWN_KEYS = ("description", "goal", "measure", "pose", "target", *COUNTS, *OPTIONS, "action_limit")
"""What a task may say, beside the arguments of its measure."""
JSON_OBJECTS = ("coordinates", "tasks")


@dataclass(frozen=True)
class Declaration:
    """Coordinates and tasks, checked.

    Attributes:
        coordinates: of the ground truth.
        tasks: by name, as JSON has them; see :func:`checked_tasks`.
    """

    coordinates: tuple[Coordinate, ...] = ()
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For ``metadata.json``: its entries "coordinates" and "tasks"."""
        return {"coordinates": [one.as_json() for one in self.coordinates], "tasks": self.tasks}


def read_declaration(path: Path, coordinates: Sequence[Coordinate] = ()) -> Declaration:
    """The declaration in a TOML or a JSON file, by its suffix.

    A goal that is a file beside it is found from anywhere: its path becomes absolute.

    Args:
        path: of the file.
        coordinates: those that are known already, for a file that describes none.

    Raises:
        UserError: no such file, no TOML or JSON, or not what is asked for; names the key.
    """
    path = Path(path)
    if path.suffix not in (".toml", ".json"):
        raise UserError(f"--describe {path}: give a file that ends in .toml or .json")
    try:
        text = path.read_text(encoding="utf-8")
        content = parsed_json(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise UserError(f"--describe {path}: cannot be read ({error.strerror}); give a TOML or JSON file") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"--describe {path}: is no {path.suffix[1:].upper()} ({error})") from error
    declared = declaration_from_json(content, str(path), coordinates)
    tasks = {name: _with_goal_found(entry, path.parent) for name, entry in declared.tasks.items()}
    return Declaration(declared.coordinates, tasks)


def declaration_from_json(content: Any, where: str, known: Sequence[Coordinate] = ()) -> Declaration:
    """A declaration from what a file, an environment's metadata or a data folder holds.

    Args:
        content: a dictionary with "coordinates", "tasks" or both.
        where: it stands, for messages.
        known: coordinates for a declaration that has none of its own.

    Raises:
        UserError: anything else; names the key.
    """
    if not isinstance(content, Mapping):
        raise UserError(f"{where}: is no table; give one with coordinates, tasks or both")
    unknown = [str(key) for key in content if key not in JSON_OBJECTS]
    if unknown:
        raise UserError(f"{where}: {', '.join(unknown)}: is neither coordinates nor tasks")
    coordinates = coordinates_from_json(content.get("coordinates") or (), where) or tuple(known)
    return Declaration(coordinates, checked_tasks(content.get("tasks") or {}, coordinates, where))


def checked_tasks(entries: Any, coordinates: Sequence[Coordinate], where: str) -> dict[str, dict[str, Any]]:
    """Tasks as they are declared, once everything they say has been looked at.

    A task may say ``description``, ``goal`` (as ``--goal`` is written), ``measure`` (of
    :data:`~latentrl.envs.measures.MEASURES`; held where there is a pose) with its arguments, ``pose`` (coordinate ->
    value) or, where every episode is to have a goal of its own, ``goal_options`` (of a reset that draws it), ``target``
    (of a speed, in its coordinate's unit), ``tolerance`` (a number, or coordinate -> number), ``steps``, ``episodes``,
    ``reset_options`` and ``action_limit``.

    Raises:
        UserError: names the task, the key, the value and the cure.
    """
    if not isinstance(entries, Mapping):
        raise UserError(f"{where}: tasks {entries!r}: give a table of tasks by name")
    for name, entry in entries.items():
        here = f"{where}: tasks.{name}"
        if not isinstance(name, str) or not name or not all(one.isalnum() or one in "-_." for one in name):
            raise UserError(f"{here}: name a task with letters, digits, '-', '_' and '.': it becomes a file's name")
        if not isinstance(entry, Mapping):
            raise UserError(f"{here} is {entry!r}; give a table")
        _check_task(entry, coordinates, here)
    return {name: dict(entry) for name, entry in entries.items()}


def measure_of(entry: Mapping[str, Any], coordinates: Sequence[Coordinate], where: str) -> Measure | None:
    """The measure of a declared task; None where it says none, and no pose.

    Its arguments are the entries that are called as its fields: coordinates by their names. Where goals are drawn
    they are all positions unless it says which.

    Raises:
        UserError: no such measure, coordinate or argument.
    """
    pose, drawn = entry.get("pose"), "goal_options" in entry
    moving = positions(coordinates)
    name = entry.get("measure", "held" if pose is not None or (drawn and moving) else None)
    if name is None:
        return None
    if name not in MEASURES:
        raise UserError(f"{where}: measure {name!r}: choose one of {', '.join(MEASURES)}")
    by_name = {one.name: one for one in coordinates}
    given: dict[str, Any] = {}
    kind: Any = MEASURES[name]
    if drawn and moving:
        given["coordinates"] = moving
    if pose is not None:
        given["coordinates"] = tuple(_coordinate(key, by_name, f"{where}: pose") for key in pose)
    for one in fields(kind):
        key, wanted = one.name, str(one.type)
        if key in OWN_KEYS or key not in entry:
            continue
        value = entry[key]
        if wanted == "Coordinate":
            given[key] = _coordinate(value, by_name, f"{where}: {key}")
        elif wanted == "tuple[Coordinate, ...]":
            if not isinstance(value, list | tuple):
                raise UserError(f"{where}: {key} {value!r}: give a list of coordinates' names")
            given[key] = tuple(_coordinate(each, by_name, f"{where}: {key}") for each in value)
        else:
            given[key] = _argument(value, wanted, given.get("coordinates", ()), f"{where}: {key}")
    known = {one.name for one in fields(kind)}
    given = {key: value for key, value in given.items() if key in known}
    _check_arguments(kind, name, entry, given, where)
    return kind(**given)


def _check_task(entry: Mapping[str, Any], coordinates: Sequence[Coordinate], where: str) -> None:
    for key in ("description", "goal"):
        if key in entry and (not isinstance(entry[key], str) or not entry[key]):
            cure = "; put readings into a JSON file" if key == "goal" else ""
            raise UserError(f"{where}: {key} {entry[key]!r}: give text{cure}")
    for key in COUNTS:
        if key in entry and (type(entry[key]) is not int or entry[key] < 1):
            raise UserError(f"{where}: {key} {entry[key]!r}: give a whole number, one or more")
    for key in ("action_limit", "target"):
        if key in entry and not _is_number(entry[key]):
            raise UserError(f"{where}: {key} {entry[key]!r}: give a number")
    if entry.get("action_limit", 1.0) <= 0.0:
        raise UserError(f"{where}: action_limit {entry['action_limit']!r}: give a positive number")
    for key in OPTIONS:
        if not isinstance(entry.get(key, {}), Mapping):
            raise UserError(f"{where}: {key} {entry[key]!r}: give a table")
    _check_pose(entry, where)
    _check_one_goal(entry, where)
    measure = measure_of(entry, coordinates, where)
    if measure is None:
        unknown = [key for key in entry if key not in OWN_KEYS]
        if unknown:
            raise UserError(
                f"{where}: {', '.join(unknown)}: belongs to no measure here; say measure or pose, "
                f"or give some of {', '.join(OWN_KEYS)}"
            )
    needs_pose = measure is not None and {"coordinates", "tolerance"} <= {one.name for one in fields(measure)}  # type: ignore[arg-type]
    if needs_pose and "pose" not in entry and "goal_options" not in entry:
        raise UserError(
            f"{where}: pose is missing; say where the goal is, coordinate by coordinate, or let every episode draw its "
            "own with goal_options"
        )


def _check_pose(entry: Mapping[str, Any], where: str) -> None:
    if "pose" not in entry:
        return
    pose = entry["pose"]
    if not isinstance(pose, Mapping) or not pose or not all(_is_number(value) for value in pose.values()):
        raise UserError(f"{where}: pose {pose!r}: give a table, such as {{slide = 0.0}}: coordinate = value")
    if "coordinates" in entry:
        raise UserError(f"{where}: coordinates: leave it out, for pose names them")


def _check_one_goal(entry: Mapping[str, Any], where: str) -> None:
    """Refuse a goal beside those that are drawn, and a measure that none of them can be told."""
    if "goal_options" not in entry:
        return
    for key in ("goal", "pose"):
        if key in entry:
            raise UserError(
                f"{where}: {key}: leave it out, for every episode has its own with goal_options; or leave that out"
            )
    if entry.get("measure") in ("steady_speed", "latent_speed"):
        raise UserError(
            f"{where}: measure {entry['measure']!r}: is of a speed, and goal_options draw positions; give held"
        )


def _coordinate(name: Any, known: Mapping[str, Coordinate], where: str) -> Coordinate:
    if not isinstance(name, str) or name not in known:
        choices = ", ".join(known) or "none is described: add some under coordinates"
        raise UserError(f"{where}: there is no coordinate {name!r}; choose of {choices}")
    return known[name]


def _argument(value: Any, wanted: str, coordinates: Sequence[Coordinate], where: str) -> Any:
    """An argument that is no coordinate: a number, a word, or one number for each coordinate."""
    if isinstance(value, Mapping) and "tuple[float" in wanted:
        names = [one.name for one in coordinates]
        if set(value) != set(names) or not all(_is_number(value[name]) and value[name] > 0 for name in names):
            raise UserError(f"{where} {dict(value)!r}: give a positive number for each of {', '.join(names)}")
        return tuple(float(value[name]) for name in names)
    if wanted.startswith("tuple[float"):
        if not isinstance(value, list | tuple) or not value or not all(map(_is_number, value)):
            raise UserError(f"{where} {value!r}: give a list of numbers")
        return tuple(map(float, value))
    if wanted.startswith("float"):
        if not _is_number(value) or value <= 0:
            raise UserError(f"{where} {value!r}: give a positive number")
        return float(value)
    if wanted.startswith("int"):
        if type(value) is not int or value < 1:
            raise UserError(f"{where} {value!r}: give a whole number, one or more")
        return value
    if not isinstance(value, str) or not value:
        raise UserError(f"{where} {value!r}: give a word")
    return value


def _check_arguments(kind: Any, name: str, entry: Mapping[str, Any], given: Mapping[str, Any], where: str) -> None:
    arguments = [one.name for one in fields(kind) if one.name not in OWN_KEYS]
    unknown = [key for key in entry if key not in (*OWN_KEYS, *arguments)]
    if unknown:
        raise UserError(
            f"{where}: {', '.join(unknown)}: no task says this; give some of {', '.join(OWN_KEYS)}, "
            f"and of {name}: {', '.join(arguments) or 'nothing'}"
        )
    missing = [
        one.name for one in fields(kind) if one.default is one.default_factory is MISSING and one.name not in given
    ]
    if missing:
        said = ["pose" if one == "coordinates" else one for one in missing]
        raise UserError(f"{where}: {', '.join(said)}: the measure {name} needs it")


def _with_goal_found(entry: dict[str, Any], folder: Path) -> dict[str, Any]:
    goal = folder / entry["goal"] if "goal" in entry else None
    return entry if goal is None or not goal.is_file() else {**entry, "goal": str(goal.resolve())}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
