"""One process at a time in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from latentrl.support.errors import UserError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def exclusive(place: Path, refusal: str) -> Iterator[int | None]:
    """Hold a file or a folder; the lock ends with the process, however that ends, and leaves no file behind.

    It belongs to what ``place`` names now, also when that is renamed.

    Args:
        place: exists.
        refusal: what is told where another process holds it.

    Yields:
        The file descriptor, for processes that are to hold it too; None where the file system has no locks.

    Raises:
        UserError: another process holds it.
    """
    if fcntl is None:
        yield None
        return
    try:
        descriptor = os.open(place, os.O_RDONLY)
    except FileNotFoundError as error:  # whoever holds it has just moved it away
        raise UserError(refusal) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(refusal) from error
        except OSError:  # some network file systems lock no folders
            yield None
            return
        if not _still(place, descriptor):
            raise UserError(refusal)
        yield descriptor
    finally:
        os.close(descriptor)


def _still(place: Path, descriptor: int) -> bool:
    """Whether what was opened is what has the name: it may have been replaced before it was locked."""
    try:
        return os.path.samestat(os.stat(place), os.fstat(descriptor))
    except FileNotFoundError:
        return False
