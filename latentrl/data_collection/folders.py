"""Folders that appear complete or not at all; those of long work can be gone on with."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from latentrl.support.errors import UserError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

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


def unfinished_folder(target: Path) -> Path:
    """Where :func:`resumable_folder` keeps what is not complete."""
    return target.parent / f".{target.name}.partial"


@contextmanager
def resumable_folder(target: Path, marker: str, overwrite: bool = False, resume: bool = False) -> Iterator[Path]:
    """As :func:`complete_folder`, but after an error what there is stays, for a later block to go on with.

    Args:
        target: the name it takes in the end.
        marker: the file that says how to go on. Without it nothing stays; it is removed when ``target`` is complete.
        overwrite: replace ``target``.
        resume: go on with what stayed; else it is removed first.

    Raises:
        UserError: ``target`` exists and ``overwrite`` is False; another process is filling it; no space left.
    """
    if target.exists() and not overwrite:
        raise UserError(f"{target} exists already: give --overwrite to replace it, or another folder with --out")
    temporary = unfinished_folder(target)
    temporary.mkdir(parents=True, exist_ok=True)
    with _exclusive(temporary):
        try:
            if not resume:
                _empty(temporary)
            yield temporary
            _replace(temporary, target)
            (target / marker).unlink(missing_ok=True)
        except (DiskFullError, OSError) as error:
            if not isinstance(error, DiskFullError) and error.errno not in FULL:
                raise
            if not (temporary / marker).exists():
                raise DiskFullError(target) from error
            raise UserError(
                f"{target}: the disk is full; what is done is kept in {temporary}: free some space and give --resume"
            ) from error
        finally:
            if temporary.exists() and not (temporary / marker).exists():
                shutil.rmtree(temporary, ignore_errors=True)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


@contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(f"{folder}: another process is filling it; wait for it, or give another --out") from error
        yield
    finally:
        os.close(descriptor)


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
