"""Commands as people type them: what a verb prints can be pasted into a shell."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

MODULES = {"import": "import_recordings"}
"""Verbs whose file cannot have their name."""
CONSOLE_SCRIPT = "latentrl"
_PROGRAM: ContextVar[tuple[str, ...]] = ContextVar("program", default=())
"""The words before the verb, where a script of somebody's own is the command; else none."""


def command(verb: str, *words: object) -> str:
    """``python -m latentrl.VERB WORD ...``, each word quoted for the shell where it needs to be.

    Within :func:`started_as` it begins with the script that was started: that one may know a model or an environment
    that nobody else does.

    Args:
        verb: of ``latentrl``.
        words: flags and their values: paths, numbers or text.

    Raises:
        ValueError: a word is None, which is an error of the caller.
    """
    if None in words:
        raise ValueError(f"{verb} {words}: a word is None")
    program = (*_PROGRAM.get(), verb) if _PROGRAM.get() else ("python", "-m", f"latentrl.{MODULES.get(verb, verb)}")
    return shlex.join([*program, *map(str, words)])


@contextmanager
def started_as(program: Sequence[str]) -> Iterator[None]:
    """Within the block commands begin with these words; without any, as they always do."""
    token = _PROGRAM.set(tuple(program))
    try:
        yield
    finally:
        _PROGRAM.reset(token)


def program_of(script: str, package: Path) -> tuple[str, ...]:
    """The words that start a script which is the ``latentrl`` command: none where it is that of this package.

    Args:
        script: ``sys.argv[0]``.
        package: the folder of this package.
    """
    path = Path(script)
    ours = path.stem.removesuffix("-script") == CONSOLE_SCRIPT or path.resolve().parent == package.resolve()
    return () if ours or path.suffix != ".py" else ("python", script)
