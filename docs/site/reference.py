"""The pages of the API reference: one a room, with its modules one after the other. Nothing of the package is imported.

A page a module would be three hundred pages, each with all the others in its margin; a room is what people look for.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

FOLDER = "api"
"""Of the pages, in the site."""
OPTIONS = ":members:\n   :ignore-module-all:\n"
"""What a room passes on from its files is described where it stands."""


def rooms(package: Path) -> dict[str, list[str]]:
    """Dotted names of all packages in the folder ``package``, itself first, and of each the modules that lie in it."""
    found: dict[str, list[str]] = {}
    for file in sorted(package.rglob("*.py")):
        parts = (package.name, *file.relative_to(package).with_suffix("").parts)
        room = ".".join(parts[:-1])
        modules = found.setdefault(room, [])
        if parts[-1] == "__init__":
            modules.insert(0, room)
        elif parts[-1] != "__main__":
            modules.append(".".join(parts))
    return dict(sorted(found.items()))


def summary(file: Path) -> str:
    """The first line of a module's docstring, or nothing."""
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]


def heading(text: str, line: str) -> str:
    """A heading of reStructuredText."""
    return f"{text}\n{line * len(text)}\n"


def page(room: str, modules: list[str], inner: list[str]) -> str:
    """The page of a room: its docstring, its modules, the rooms in it."""
    parts = [heading(room, "="), f".. automodule:: {room}\n   {OPTIONS}"]
    if inner:
        # Their titles alone: what is in them is on their pages.
        entries = "\n".join(f"   {name}" for name in inner)
        parts.append(f".. toctree::\n   :titlesonly:\n\n{entries}\n")
    for module in modules:
        if module != room:
            parts += [heading(module, "-"), f".. automodule:: {module}\n   {OPTIONS}"]
    return "\n".join(parts)


def children(room: str, all_rooms: Mapping[str, object]) -> list[str]:
    """The rooms directly in ``room``."""
    return [name for name in all_rooms if name.rpartition(".")[0] == room]


def pages(package: Path) -> Iterator[tuple[str, str]]:
    """Names and texts of all pages, relative to the site."""
    found = rooms(package)
    for room, modules in found.items():
        yield f"{FOLDER}/{room}.rst", page(room, modules, children(room, found))
