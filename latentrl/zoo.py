"""List the trained runs that come with the package, or copy one of them."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from latentrl.shipped.copies import COPIES, copy, is_copy
from latentrl.shipped.entries import PREFIX, Entry, entry_of, names, told
from latentrl.support.commands import command
from latentrl.support.errors import UserError, reported
from latentrl.support.options import default_hint


@dataclass(frozen=True)
class ZooOptions:
    """Trained runs that come with the package. Every verb takes them by name, as --run zoo:NAME."""

    what: tyro.conf.Positional[Literal["list", "get"]] = "list"
    """list: all of them, how each was made and what it reached; get: copy one."""
    name: Annotated[tyro.conf.Positional[str | None], default_hint("none", "NAME")] = None
    """With get: which."""
    out: Annotated[Path | None, default_hint("runs/zoo/NAME", "FOLDER")] = None
    """With get: where to; a new folder."""


def zoo(options: ZooOptions) -> Path | None:
    """Print the list, or copy a run; returns the copy.

    Raises:
        UserError: no such run, a folder that holds something else.
    """
    if options.what == "list":
        if options.name is not None or options.out is not None:
            raise UserError(f"list {options.name or '--out'}: list takes nothing; give get NAME to copy one")
        entries = [entry_of(name) for name in names()]
        print("\n\n".join(map(_described, entries)))
        first = next((one for one in entries if not one.needs), entries[0])
        print(f"\nnext: {command('evaluate', '--run', PREFIX + first.name)}")
        return None
    if options.name is None:
        raise UserError(f"get: which one? give one of {', '.join(names())}")
    return _get(entry_of(options.name.removeprefix(PREFIX)), options.out)


def main(argv: Sequence[str] | None = None) -> None:
    """``latentrl zoo``."""
    with reported():
        zoo(tyro.cli(ZooOptions, args=argv, prog="latentrl zoo"))


def _described(entry: Entry) -> str:
    lines = [
        f"{entry.name}: {entry.title} ({entry.size / 1000:,.0f} kB)",
        f"  {told(entry.evaluation['outcome'])}",
        f"  seed {entry.seed}, commit {entry.commit[:12]}:",
        *(f"    {one}" for one in (*entry.commands, entry.evaluation["command"])),
    ]
    missing = [extra for extra, module in entry.needs.items() if importlib.util.find_spec(module) is None]
    lines += [f"  to evaluate it: pip install 'latentrl[{','.join(missing)}]'"] if missing else []
    return "\n".join(lines)


def _get(entry: Entry, out: Path | None) -> Path:
    folder = out or COPIES / entry.name
    if is_copy(folder, entry):
        print(f"{folder}: {PREFIX}{entry.name} is there already")
    else:
        copy(entry, folder)
        print(f"{folder}: {entry.title}")
    print(f"next: {command('evaluate', '--run', folder)}")
    return folder


if __name__ == "__main__":
    main()
