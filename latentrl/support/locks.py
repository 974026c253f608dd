"""One process at a time in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from latentrl.support.errors import UserError
from latentrl.support.files import partial_of

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

HAS_LOCKS = fcntl is not None
"""Whether the operating system is one whose locks are used."""


@contextmanager
def exclusive(place: Path, refusal: str, make: bool = False) -> Iterator[int | None]:
    """Hold a file or a folder; the lock ends with the process, however that ends, and leaves no file behind.

    It belongs to what ``place`` names now, also when that is renamed.

    Args:
        place: exists, unless it is to be made.
        refusal: what is told where another process holds it.
        make: make the folder where it is missing, also when another process has just renamed it.

    Yields:
        The file descriptor, for processes that are to hold it too; None where the file system has no locks.

    Raises:
        UserError: another process holds it.
        OSError: the folder cannot be made.
    """
    if fcntl is None:
        if make:
            place.mkdir(parents=True, exist_ok=True)
        yield None
        return
    descriptor, held = _locked(place, refusal, make)
    try:
        yield descriptor if held else None
    finally:
        os.close(descriptor)


@contextmanager
def shared(place: Path, refusal: str) -> Iterator[int | None]:
    """Hold a folder together with others who only read what is in it; who wants it alone is refused meanwhile.

    Args:
        place: exists.
        refusal: what is told where another process has it alone.

    Yields:
        As :func:`exclusive`.

    Raises:
        UserError: another process has it alone.
    """
    if fcntl is None:
        yield None
        return
    descriptor, held = _locked(place, refusal, make=False, alone=False)
    try:
        yield descriptor if held else None
    finally:
        os.close(descriptor)


@contextmanager
def claimed(path: Path) -> Iterator[None]:
    """Hold the name of a file that is written at the end of long work: who would write it too is told at once.

    What is held is what :func:`latentrl.support.files.replacing` writes to before it takes that name. The folder is
    seen to be one that can be written to.

    Raises:
        UserError: another process holds it, or what has the name is no file.
        OSError: nothing can be written there.
    """
    partial = partial_of(path)
    if partial.is_symlink():
        partial.unlink()
    if partial.exists() and not partial.is_file():
        raise UserError(f"{partial} is no file, and {path.name} is written there first: remove it")
    partial.touch()
    with exclusive(partial, f"{path}: another process is at work on it; wait for it") as held:
        try:
            yield
        finally:
            # Once it is written, a file of that name is another process's.
            if held is None or _still(partial, held):
                partial.unlink(missing_ok=True)


def _locked(place: Path, refusal: str, make: bool, alone: bool = True) -> tuple[int, bool]:
    """What was opened, and whether it could be locked."""
    while True:
        if make:
            place.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(place, os.O_RDONLY)
        except FileNotFoundError as error:  # whoever holds it has just moved it away
            if make:
                continue
            raise UserError(refusal) from error
        try:
            held = _flock(descriptor, alone)
        except BlockingIOError as error:
            os.close(descriptor)
            raise UserError(refusal) from error
        if not held or _still(place, descriptor):
            return descriptor, held
        os.close(descriptor)
        if not make:
            raise UserError(refusal)


def _flock(descriptor: int, alone: bool) -> bool:
    """Lock it; False where that is not possible: some network file systems lock no folders.

    Raises:
        BlockingIOError: another process holds it.
    """
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True


def _still(place: Path, descriptor: int) -> bool:
    """Whether what was opened is what has the name: it may have been replaced before it was locked."""
    try:
        return os.path.samestat(os.stat(place), os.fstat(descriptor))
    except FileNotFoundError:
        return False
