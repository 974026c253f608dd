"""Relative links of the repository's Markdown, turned to where the site has what they name.

The pages stay as they are read in the repository: a link to a module leads to its place in the reference, a link to
another file to a copy of it, a link to a folder nowhere, so that its words alone stay.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from pathlib import PurePosixPath

FENCE = re.compile(r"^ {0,3}(```|~~~).*?^ {0,3}\1[ \t]*$", re.MULTILINE | re.DOTALL)
LINK = re.compile(
    r"(?P<picture>!?)\[(?P<words>(?:`[^`]*`|!\[[^\]]*\]\([^)]*\)|[^\[\]`])*)\]"
    r"\((?P<target>[^()\s#]+)(?P<part>#[^()\s]*)?\)"
)
ELSEWHERE = re.compile(r"[a-z]+:|/")
NAME = re.compile(r"`(latentrl(?:\.\w+)+)`")

Place = Callable[[PurePosixPath], str | None]
"""Where the site has a file of the repository: a path from the site's root, ``module:NAME``, or None."""
MODULE = "module:"


def from_root(page: PurePosixPath, target: str) -> PurePosixPath:
    """What a relative link of ``page`` names, from the repository's root; parts above it stay ``..``."""
    return PurePosixPath(posixpath.normpath(posixpath.join(str(page.parent), target)))


def rewritten(text: str, page: PurePosixPath, here: str, place: Place) -> str:
    """The text of ``page`` with its links as they are in the site.

    Args:
        text: Markdown.
        page: the file, from the repository's root.
        here: where the site has it, from the site's root.
        place: of what a link names.
    """

    def replaced(found: re.Match[str]) -> str:
        words, target, part = found["words"], found["target"], found["part"] or ""
        if ELSEWHERE.match(target):
            return found[0]
        there = place(from_root(page, target))
        if there is None:
            return words
        if there.startswith(MODULE):
            name = NAME.fullmatch(words)
            # A name of something in the module leads to it, and is code where the reference does not have it.
            module = there[len(MODULE) :]
            return f"{{py:obj}}`{name[1]}`" if name else f"{{py:mod}}`{words.replace('`', '')} <{module}>`"
        relative = posixpath.relpath(there, posixpath.dirname(here) or ".")
        return f"{found['picture']}[{words}]({relative}{part})"

    pieces, last = [], 0
    for fence in FENCE.finditer(text):
        pieces += [LINK.sub(replaced, text[last : fence.start()]), fence[0]]
        last = fence.end()
    return "".join([*pieces, LINK.sub(replaced, text[last:])])
