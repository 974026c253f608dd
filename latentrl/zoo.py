"""List the trained runs that come with the package, say how one was made, or copy it."""

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
from latentrl.support.printing import columns, fitted, say

IN_A_FILE = 80
"""Columns of the list where it does not go to a terminal."""


@dataclass(frozen=True)
class ZooOptions:
    """Trained runs that come with the package. Every verb takes them by name, as --run zoo:NAME."""

    what: tyro.conf.Positional[Literal["list", "show", "get"]] = "list"
    """list: all of them, and what each reached; show: how one was made; get: copy one."""
    name: Annotated[tyro.conf.Positional[str | None], default_hint("none", "NAME")] = None
    """With show and get: which."""
    out: Annotated[Path | None, default_hint("runs/zoo/NAME", "FOLDER")] = None
    """With get: where to; a new folder."""


def zoo(options: ZooOptions) -> Path | None:
    """Print the list, or how a run was made, or copy it; returns the copy.

    Raises:
        UserError: no such run, a folder that holds something else.
    """
    if options.what != "get" and options.out is not None:
        raise UserError(f"{options.what} --out: it copies nothing; give get NAME to copy one")
    if options.what == "list":
        if options.name is not None:
            raise UserError(f"list {options.name}: list takes nothing; give show NAME for one of them, or get NAME")
        _list([entry_of(name) for name in names()])
        return None
    if options.name is None:
        raise UserError(f"{options.what}: which one? give one of {', '.join(names())}")
    entry = entry_of(options.name.removeprefix(PREFIX))
    if options.what == "get":
        return _get(entry, options.out)
    _show(entry)
    return None


def main(argv: Sequence[str] | None = None) -> None:
    """``latentrl zoo``."""
    with reported():
        zoo(tyro.cli(ZooOptions, args=argv, prog="latentrl zoo"))


def _list(entries: Sequence[Entry]) -> None:
    """A short entry for each, as wide as the terminal."""
    width, names_wide = columns() or IN_A_FILE, max(len(entry.name) for entry in entries)
    for entry in entries:
        print(f"{entry.name:<{names_wide}}  {_size(entry):>6}  {told(entry.evaluation['outcome'])}")
        print(fitted(entry.title, width, "  ", hang=""))
    print("\n(A TO B): the 95% interval of the share of successes, or of the mean return")
    print(f"how one was made: {command('zoo', 'show', 'NAME')}")
    first = next((one for one in entries if not one.needs), entries[0])
    print(f"next: {command('evaluate', '--run', PREFIX + first.name)}")


def _show(entry: Entry) -> None:
    """How an entry was made; its commands stay whole, so that they can be pasted."""
    say(f"{entry.name}: {entry.title} ({_size(entry)})")
    print(f"  {told(entry.evaluation['outcome'])}")
    print(f"  seed {entry.seed}, commit {entry.commit[:12]}:")
    for one in (*entry.commands, entry.evaluation["command"]):
        print(f"    {one}")
    missing = [extra for extra, module in entry.needs.items() if importlib.util.find_spec(module) is None]
    if missing:
        print(f"  to evaluate it: pip install 'latentrl[{','.join(missing)}]'")
    print(f"next: {command('evaluate', '--run', PREFIX + entry.name)}")


def _size(entry: Entry) -> str:
    return f"{entry.size / 1000:,.0f} kB"


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
