"""One study at a time in a folder, its training processes included."""

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
def exclusive(folder: Path) -> Iterator[list[int]]:
    """Hold ``folder`` for this process and for those that inherit the yielded file descriptors.

    The lock ends with the last of them, so that processes that outlive a killed study keep a second one out.

    Raises:
        UserError: another study holds it.
    """
    if fcntl is None:
        yield []
        return
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                f"{folder}: a study is at work there, or a training that one has left behind; "
                "wait for it, or give another --out"
            ) from error
        yield [descriptor]
    finally:
        os.close(descriptor)
