"""Opening a run folder: made, refused or replaced."""

from __future__ import annotations

import shutil
from pathlib import Path

from latentrl.runs.folder import SETTINGS
from latentrl.support.errors import UserError


def check_folder(folder: Path, overwrite: bool) -> None:
    """Refuse a run folder that exists, unless it holds a run and may be replaced.

    Raises:
        UserError: it exists and ``overwrite`` is False, or it holds something else.
    """
    if not folder.exists():
        return
    if not overwrite:
        raise UserError(
            f"{folder} exists already: give --resume to continue it, --overwrite to replace it, or another --run"
        )
    if not (folder / SETTINGS).is_file():
        raise UserError(f"--overwrite: {folder} is no run folder, so it stays; give another folder with --run")


def make_folder(folder: Path) -> None:
    """Make an empty run folder, with its parents; what was there is removed."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
