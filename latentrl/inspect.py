"""Look at recordings before anything is learned from them: motion, noise, sizes of a state, actions, what is amiss."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from latentrl.agents.horizon import control_step_in
from latentrl.data_collection.checks import check_bounds, check_split
from latentrl.data_collection.storage import METADATA, load_metadata, load_sequences
from latentrl.inspection.page import write_inspection
from latentrl.inspection.summary import PARTS, Inspection, check_enough, inspect_sequences, lines
from latentrl.support.commands import command
from latentrl.support.errors import UserError, reported
from latentrl.support.files import write_json
from latentrl.support.locks import claimed
from latentrl.support.options import default_hint
from latentrl.support.printing import say
from latentrl.support.progress import progress
from latentrl.types import Sequences

PAGE, FIGURES = "inspection.html", "inspection.json"


@dataclass(frozen=True)
class InspectOptions:
    """Look at recordings, without labels: a summary here, and a page. `latentrl inspect DATA` will do."""

    data: Path = Path("data/pendulum")
    """A data folder made by `latentrl collect` or `latentrl import`."""
    split: Annotated[str, tyro.conf.arg(metavar="{train,test}")] = "train"
    """Which of its splits."""
    out: Annotated[Path | None, default_hint("DATA", "FOLDER")] = None
    """Where inspection.html and inspection.json go."""


def inspect_data(options: InspectOptions) -> Inspection:
    """Print what was found and write it as a page and as JSON; returns it.

    Raises:
        UserError: no such data, too little of it, or data that no model can be trained on; another process looks at it.
    """
    metadata = load_metadata(options.data)
    where = f"{options.data}: {options.split}"
    bounds = check_bounds(metadata, str(options.data / METADATA))
    data = load_sequences(options.data, options.split, metadata=metadata)
    check_split(data, where, *bounds)
    check_enough(data, where)
    out = options.out or options.data
    with ExitStack() as stack:
        with _told(out):
            out.mkdir(parents=True, exist_ok=True)
            stack.enter_context(claimed(out / FIGURES))
        return _inspect(options, data, metadata, out)


def main(argv: Sequence[str] | None = None) -> None:
    """``latentrl inspect``."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if arguments and not arguments[0].startswith("-"):
        arguments.insert(0, "--data")
    with reported():
        inspect_data(tyro.cli(InspectOptions, args=arguments, prog="latentrl inspect"))


def _inspect(options: InspectOptions, data: Sequences, metadata: dict[str, Any], out: Path) -> Inspection:
    bounds = check_bounds(metadata, str(options.data / METADATA))
    with progress(len(PARTS), "part", "inspect") as bar:
        step, repeat = control_step_in(metadata), metadata.get("repeat") or 1
        found = inspect_sequences(data, *bounds, step, repeat, bar.update)
    for line in lines(found):
        say(line)
    for advice in found.advice:
        say(advice, "- ")
    following = command("train", "--data", options.data, *found.size_flags)
    with _told(out):
        write_inspection(out / PAGE, options.data.resolve().name, found, data, bounds, following)
        write_json(out / FIGURES, found.as_json())
    print(f"{out / PAGE}\nnext: {following}")
    return found


@contextmanager
def _told(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"{out}: cannot be written to ({error.strerror}); give another folder with --out") from error


if __name__ == "__main__":
    main()
