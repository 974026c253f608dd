"""Folders that appear complete or not at all."""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from latentrl.errors import UserError

FULL = (errno.ENOSPC, errno.EDQUOT)


class DiskFullError(UserError):
    """Nothing was kept, for lack of space."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{folder}: the disk is full and nothing was kept; free some space or give another folder with --out"
        )


@contextmanager
def complete_folder(target: Path, overwrite: bool = False) -> Iterator[Path]:
    """Fill a temporary folder beside ``target``; it takes that name only when the block ends without an error.

    After any error, Ctrl-C included, the temporary folder is gone and ``target`` is as it was.

    Raises:
        UserError: ``target`` exists and ``overwrite`` is False.
        DiskFullError: no space left; when such blocks are nested it names the outermost folder, the one the user knows.
    """
    if target.exists() and not overwrite:
        raise UserError(f"{target} exists already: give --overwrite to replace it, or another folder with --out")
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
    try:
        temporary.chmod(0o755)
        yield temporary
        _replace(temporary, target)
    except DiskFullError as error:
        raise DiskFullError(target) from error
    except OSError as error:
        if error.errno in FULL:
            raise DiskFullError(target) from error
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _replace(new: Path, target: Path) -> None:
    """Rename ``new`` to ``target``; a folder that stood there is moved aside first, and back if that fails."""
    if not target.exists():
        new.rename(target)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".old", dir=target.parent))
    target.rename(aside / target.name)
    try:
        new.rename(target)
    except OSError:
        (aside / target.name).rename(target)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
