"""Commands as people type them: what a verb prints can be pasted into a shell."""

from __future__ import annotations

import shlex

MODULES = {"import": "import_recordings"}
"""Verbs whose file cannot have their name."""


def command(verb: str, *words: object) -> str:
    """``python -m latentrl.VERB WORD ...``, each word quoted for the shell where it needs to be.

    Args:
        verb: of ``latentrl``.
        words: flags and their values: paths, numbers or text. One that is None stands for a flag without its value, and
            is an error of the caller.

    Raises:
        ValueError: a word is None.
    """
    if None in words:
        raise ValueError(f"{verb} {words}: a word is None")
    return shlex.join(["python", "-m", f"latentrl.{MODULES.get(verb, verb)}", *map(str, words)])
