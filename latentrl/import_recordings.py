"""Recordings that are there already -> a data folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import tyro

from latentrl.data_collection import storage
from latentrl.data_collection.folders import complete_folder
from latentrl.data_collection.ground_truth import check_recorded
from latentrl.envs.declaration import Declaration, read_declaration
from latentrl.inspection.summary import is_enough
from latentrl.recordings.goal import PICTURE, READINGS, read_goal, write_goal
from latentrl.recordings.options import ImportOptions
from latentrl.recordings.plan import planned
from latentrl.recordings.summary import summary
from latentrl.recordings.writing import metadata, places, trajectories
from latentrl.support.commands import command
from latentrl.support.errors import UserError, reported
from latentrl.support.files import write_json
from latentrl.support.progress import progress
from latentrl.types import Trajectory

__all__ = ["ImportOptions", "import_recordings", "main"]

PLACES = "recordings.json"
"""Of every sequence: the recording it is from, and the frame that it begins at."""


def import_recordings(options: ImportOptions) -> Path:
    """Make the data folder; it appears when it is complete, and after an error or Ctrl-C nothing is left of it.

    Raises:
        UserError: no recordings, keys that are not there or not clear, data no model can be trained on, an existing
            folder, a full disk, a bad number; names what, where, the value and the cure.
    """
    folder = options.folder
    _check_folder(folder, options)
    declared = Declaration() if options.describe is None else read_declaration(options.describe)
    # Held from here on: of recordings without end, to look at them all takes long.
    with complete_folder(folder, options.overwrite) as temporary:
        described = [one.key for one in declared.coordinates]
        plan = planned(options, described)
        goal = None if options.goal is None else read_goal(options.goal, plan)
        name = None if goal is None else (PICTURE if goal.dtype.name == "uint8" else READINGS)
        stored = metadata(plan, name, declared)
        total = sum(plan.held[one.name] for recordings in plan.splits.values() for one in recordings)
        with progress(total, "frame", f"import {options.source}") as bar:
            for split, recordings in plan.splits.items():
                storage.write(temporary, split, _checked(trajectories(plan, recordings, bar.update), declared), stored)
        write_json(temporary / PLACES, places(plan))
        if goal is not None:
            write_goal(goal, temporary)
    print(f"{folder}:")
    print("\n".join(f"  {line}" for line in summary(plan, name, described)))
    if is_enough(plan.sequences["train"], plan.length):
        print(f"next: {command('inspect', '--data', folder)}")
    print(f"next: {command('train', '--data', folder)}")
    return folder


def main(argv: Sequence[str] | None = None) -> None:
    """``latentrl import``."""
    with reported():
        import_recordings(tyro.cli(ImportOptions, args=argv, prog="latentrl import"))


def _check_folder(folder: Path, options: ImportOptions) -> None:
    source, target = Path(options.source).resolve(), folder.resolve()
    if source.exists() and (source.is_relative_to(target) or target.is_relative_to(source)):
        raise UserError(
            f"--out {folder}: the recordings in {options.source} stay what they are; give a folder elsewhere"
        )
    if folder.exists() and not options.overwrite:
        raise UserError(f"{folder} exists already: give --overwrite to replace it, or another folder with --out")
    if folder.exists() and not (folder / storage.METADATA).is_file():
        raise UserError(f"--overwrite: {folder} is no data folder, so it stays; give another folder with --out")


def _checked(made: Iterable[Trajectory], declared: Declaration) -> Iterator[Trajectory]:
    """The same, refused before it is written where declared coordinates do not fit it."""
    for number, trajectory in enumerate(made):
        if number == 0:
            check_recorded(declared.coordinates, trajectory.infos, len(trajectory.observations))
        yield trajectory


if __name__ == "__main__":
    main()
