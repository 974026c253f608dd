"""One study or suite at a time in a folder, the processes that it starts included."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from latentrl.support import locks
from latentrl.support.files import refuse_links

DEPTH = 3
"""Folders of a row or a system, of a seed, of its logs."""


@contextmanager
def exclusive(folder: Path, who: str) -> Iterator[list[int]]:
    """Hold ``folder`` for this process and for those that inherit the yielded file descriptors.

    The lock ends with the last of them, so that processes that outlive a killed study keep a second one out.

    Args:
        folder: made if it is not there.
        who: holds it, such as "study".

    Raises:
        UserError: another holds it; it holds links, which what is removed and written in it would follow.
    """
    lock = _lock_of(folder)
    refusal = (
        f"{folder}: another {who} is at work there, or a process that one has left behind; "
        "wait for it, or give another --out"
    )
    with locks.exclusive(lock, refusal) as held:
        yield [] if held is None else [held]


@contextmanager
def beside_others(folder: Path, who: str, parts: Sequence[Path]) -> Iterator[list[int]]:
    """Hold some folders within ``folder``, where others may hold others, but nobody all of them; see `exclusive`.

    Args:
        folder: as for `exclusive`.
        who: as there.
        parts: folders two levels below, which need not be there.

    Raises:
        UserError: another holds one of them, or the whole.
    """
    with ExitStack() as stack:
        refusal = f"{folder}: another {who} is at work on all of it; wait for it, or give another --out"
        held = [stack.enter_context(locks.shared(_lock_of(folder), refusal))]
        for part in parts:
            part.parent.mkdir(parents=True, exist_ok=True)
            lock = part.with_name(f".{part.name}.lock")
            lock.touch()
            refusal = f"{part}: another {who} is at work on it, or a process that one has left behind; wait for it"
            held.append(stack.enter_context(locks.exclusive(lock, refusal)))
        yield [one for one in held if one is not None]


def _lock_of(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    refuse_links(folder, DEPTH)
    # A file, as versions before had it: a study of theirs keeps one of ours out.
    lock = folder / ".lock"
    lock.touch()
    return lock
