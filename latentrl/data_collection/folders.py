"""Folders that appear complete or not at all; those of long work can be gone on with."""

from __future__ import annotations

import ctypes
import errno
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path

from latentrl.support.errors import UserError
from latentrl.support.locks import HAS_LOCKS, exclusive

FULL = (errno.ENOSPC, errno.EDQUOT)
DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
NO_PLACE = (errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP)
"""What making a folder fails with where its name or one above it cannot be a folder's."""
TAKEN = (errno.ENOTEMPTY, errno.EEXIST)
"""What moving a folder fails with where another one has the name."""


class DiskFullError(UserError):
    """Nothing was kept, for lack of space."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{folder}: the disk is full and nothing was kept; free some space or give another folder with --out"
        )


class DeniedError(UserError):
    """Nothing may be written there."""

    def __init__(self, folder: Path, error: OSError) -> None:
        super().__init__(
            f"{folder}: nothing may be written there ({error.strerror or error}); change its permissions or give "
            "another folder with --out"
        )


@contextmanager
def complete_folder(target: Path, overwrite: bool = False) -> Iterator[Path]:
    """Fill a temporary folder beside ``target``; it takes that name only when the block ends without an error.

    After any error, Ctrl-C included, the temporary folder is gone and ``target`` is as it was. A process that was
    killed leaves its temporary folder; the next one empties it. Where ``target`` is a link, the folder that it leads to
    is replaced and the link stays.

    Raises:
        UserError: ``target`` exists and ``overwrite`` is False, another process is filling it, or no folder can be
            made there.
        DiskFullError: no space left; when such blocks are nested it names the outermost folder, the one the user knows.
        DeniedError: nothing may be written there.
    """
    real = _destination(target, overwrite)
    # A name that no unfinished collection has, of a folder with whatever name.
    temporary = real.parent / f".{real.name}.filling"
    missing = [parent for parent in real.parents if not parent.exists()]
    taken = False
    try:
        with _told(target):
            _refuse_link(temporary)
            with _exclusive(temporary, target, make=True):
                # Another process may have completed it meanwhile.
                _destination(target, overwrite)
                try:
                    _empty(temporary)
                    yield temporary
                    _replace(temporary, real, target, overwrite)
                    taken = True
                finally:
                    if not taken:
                        shutil.rmtree(temporary, ignore_errors=True)
    finally:
        for parent in () if taken else missing:
            with suppress(OSError):  # it holds something by now, or was never made
                parent.rmdir()


@contextmanager
def own_copy(target: Path) -> Iterator[Path]:
    """As :func:`complete_folder`, for what several processes may make at a time, each for itself: the last one stays.

    What stands at ``target`` is replaced.
    """
    with _told(target):
        _sweep(target)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
        taken = False
        try:
            with _exclusive(temporary, target):
                yield temporary
                try:
                    _take_name(temporary, target)
                except OSError as error:
                    if error.errno not in TAKEN:
                        raise
                    _take_name(temporary, target)  # another process came first, between the look and the move
                taken = True
        finally:
            if not taken:
                shutil.rmtree(temporary, ignore_errors=True)


def unfinished_folder(target: Path) -> Path:
    """Where :func:`resumable_folder` keeps what is not complete."""
    real = _followed(target)
    return real.parent / f".{real.name}.partial"


@contextmanager
def resumable_folder(target: Path, marker: str, overwrite: bool = False, resume: bool = False) -> Iterator[Path]:
    """As :func:`complete_folder`, but after an error what there is stays, for a later block to go on with.

    Args:
        target: the name it takes in the end.
        marker: the file that says how to go on. Without it nothing stays; it is removed when ``target`` is complete.
        overwrite: replace ``target``.
        resume: go on with what stayed; else it is removed first.

    Raises:
        UserError: ``target`` exists and ``overwrite`` is False; another process is filling it; no space left; what
            stayed holds links, which lead out of it.
    """
    real = _destination(target, overwrite)
    temporary = unfinished_folder(target)
    with _told(target, temporary / marker):
        _refuse_link(temporary)
        with _exclusive(temporary, target, make=True):
            # Another process may have completed it meanwhile.
            _destination(target, overwrite)
            taken = False
            try:
                if resume:
                    _refuse_links(temporary)
                else:
                    _empty(temporary)
                yield temporary
                _replace(temporary, real, target, overwrite)
                taken = True
                (real / marker).unlink(missing_ok=True)
            finally:
                # Once it is complete, a folder of that name is another process's.
                if not taken and not (temporary / marker).exists():
                    shutil.rmtree(temporary, ignore_errors=True)


def settle(target: Path, marker: str) -> None:
    """Remove what a process leaves behind that is killed just after ``target`` was complete; see `resumable_folder`."""
    (target / marker).unlink(missing_ok=True)
    temporary = unfinished_folder(target)
    if temporary.is_dir() and not temporary.is_symlink() and not (temporary / marker).exists():
        with _exclusive(temporary, target):
            shutil.rmtree(temporary, ignore_errors=True)


def _followed(target: Path) -> Path:
    """The folder that ``target`` names, or the one that it leads to where it is a link."""
    return Path(os.path.realpath(target)) if os.path.islink(target) else target


def _destination(target: Path, overwrite: bool) -> Path:
    """Where to put the folder ``target``; refuses a name that is taken."""
    try:
        exists = target.exists()
    except OSError as error:
        raise UserError(
            f"{target}: no folder can have that name ({error.strerror}); give another with --out"
        ) from error
    if exists and not overwrite:
        raise UserError(f"{target} exists already: give --overwrite to replace it, or another folder with --out")
    if exists and not target.is_dir():
        raise UserError(f"{target} is a file, so it stays; give another folder with --out")
    if os.path.islink(target) and not exists:
        raise UserError(
            f"{target} is a link to {os.readlink(target)}, which does not exist: make that folder available, remove "
            "the link, or give another folder with --out"
        )
    return _followed(target)


@contextmanager
def _told(target: Path, kept: Path | None = None) -> Iterator[None]:
    """Say what a full disk, missing rights and impossible names mean for ``target``; ``kept`` is there if work is."""
    try:
        yield
    except (DiskFullError, OSError) as error:
        code = errno.ENOSPC if isinstance(error, DiskFullError) else error.errno
        if code in FULL:
            if kept is None or not kept.exists():
                raise DiskFullError(target) from error
            raise UserError(
                f"{target}: the disk is full; what is done is kept in {kept.parent}: free some space and give --resume"
            ) from error
        assert isinstance(error, OSError)
        if code in DENIED:
            raise DeniedError(target, error) from error
        if code in NO_PLACE:
            raise UserError(
                f"{target}: no folder can be made there ({error.strerror}: {error.filename}); give another with --out"
            ) from error
        raise


def _refuse_link(path: Path) -> None:
    if path.is_symlink():
        raise UserError(
            f"{path} is a link to {os.readlink(path)}: unfinished work is gone on with where it is; remove the link"
        )


def _refuse_links(folder: Path) -> None:
    """Refuse to write into a folder from which a link would lead what is written elsewhere."""
    for home, folders, files in os.walk(folder):
        for name in (*folders, *files):
            _refuse_link(Path(home) / name)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _sweep(target: Path) -> None:
    """Remove the temporary folders of ``target`` whose processes are gone."""
    if not HAS_LOCKS:
        return
    for path in target.parent.glob(f".{glob.escape(target.name)}.?*.partial"):
        if not path.is_symlink() and path.is_dir():
            try:
                with _exclusive(path, target):
                    shutil.rmtree(path, ignore_errors=True)
            except (UserError, OSError):
                continue


def _exclusive(folder: Path, target: Path, make: bool = False) -> AbstractContextManager[int | None]:
    """Hold a folder of work for ``target``; see `latentrl.support.locks.exclusive`."""
    return exclusive(folder, f"{target}: another process is filling it; wait for it, or give another --out", make)


def _replace(new: Path, real: Path, target: Path, overwrite: bool) -> None:
    """Give ``new`` the name ``real``; a folder that stood there is removed, and stays if that fails."""
    if real.exists() and not overwrite:
        raise UserError(f"{target} exists already: another process made it meanwhile; give another folder with --out")
    # Held until it is gone: for a moment it has the name of unfinished work, which another process might go on with.
    with _exclusive(real, target) if real.exists() else nullcontext():
        _take_name(new, real)


def _take_name(new: Path, real: Path) -> None:
    if not real.exists():
        new.rename(real)
        return
    if _exchanged(new, real):
        shutil.rmtree(new, ignore_errors=True)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{real.name}.", suffix=".old", dir=real.parent))
    try:
        real.rename(aside / real.name)
        try:
            new.rename(real)
        except OSError:
            (aside / real.name).rename(real)
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange the names of two folders in one move, where the system can: there is no moment without either."""
    try:
        exchange = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        return False
    here, exchanging = -100, 2
    return exchange(here, os.fsencode(one), here, os.fsencode(other), ctypes.c_uint(exchanging)) == 0
