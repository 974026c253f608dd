"""Commands as people type them: what a verb prints can be pasted into a shell."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

MODULES = {"import": "import_recordings"}
"""Verbs whose file cannot have their name."""
CONSOLE_SCRIPT = "latentrl"
_PROGRAM: ContextVar[tuple[str, ...]] = ContextVar("program", default=())
"""The words before the verb, where a script is the command; else none."""


def command(verb: str, *words: object) -> str:
    """``python -m latentrl.VERB WORD ...``, each word quoted for the shell where it needs to be.

    Within :func:`started_as` it begins with the script that was started: ``latentrl VERB`` where that was typed, or one
    of somebody's own, which may know a model or an environment that nobody else does.

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
    """The words that start a script which is the ``latentrl`` command: none where it is a module of this package.

    The console script is called by its name where a shell finds it by that, else by its path: there ``python`` may be
    another one.

    Args:
        script: ``sys.argv[0]``.
        package: the folder of this package.
    """
    path = Path(script)
    if path.stem.removesuffix("-script") == CONSOLE_SCRIPT:
        found = shutil.which(CONSOLE_SCRIPT)
        if found is not None and _is_one(Path(found), path):
            return (CONSOLE_SCRIPT,)
        return (script,) if path.is_file() else ()
    return () if path.suffix != ".py" or path.resolve().parent == package.resolve() else ("python", script)


def _is_one(found: Path, started: Path) -> bool:
    """Whether two paths are of one script, of which Windows leaves out the suffix."""
    return found.resolve().with_suffix("") == started.resolve().with_suffix("")
