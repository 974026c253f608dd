"""Fetch a run from the Hugging Face Hub, check it, and say which commit it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from latentrl.hub.arrival import arrive
from latentrl.hub.exchange import HASH, check_repo, fetch
from latentrl.support.commands import command
from latentrl.support.errors import UserError, reported
from latentrl.support.options import default_hint


@dataclass(frozen=True)
class PullOptions:
    """Fetch a run from the Hugging Face Hub. Only a run's files are taken, all checked before the folder appears."""

    repo: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="USER/NAME")]
    """The repository."""
    revision: Annotated[str | None, default_hint("the newest, whose hash is printed", "HASH")] = None
    """The hash of a commit, all 40 digits: what is fetched is that and nothing later."""
    out: Annotated[Path | None, default_hint("runs/NAME", "FOLDER")] = None
    """The run folder to make."""


def pull(options: PullOptions) -> Path:
    """Fetch; returns the run folder.

    Raises:
        UserError: a folder that exists, no such repository or commit, files that are no run's or do not fit together.
    """
    check_repo(options.repo)
    if options.revision is not None and not HASH.fullmatch(options.revision):
        raise UserError(f"--revision {options.revision}: give all 40 digits of a commit's hash: names can be moved")
    folder = options.out or Path("runs") / options.repo.rpartition("/")[2]
    if folder.exists() or folder.is_symlink():
        raise UserError(f"{folder} exists already: give another folder with --out")
    revision, files = fetch(options.repo, options.revision)
    arrive(files, folder, options.repo, revision)
    print(f"{folder}: {options.repo}, commit {revision}")
    print(f"the same again: {command('pull', options.repo, '--revision', revision)}")
    verb = "evaluate" if any(name.startswith("policy") for name in files) else "learn"
    print(f"next: {command(verb, '--run', folder)}")
    return folder


def main(argv: Sequence[str] | None = None) -> None:
    """``latentrl pull``."""
    with reported():
        pull(tyro.cli(PullOptions, args=argv, prog="latentrl pull"))


if __name__ == "__main__":
    main()
