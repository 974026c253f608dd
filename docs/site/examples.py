"""The examples in docstrings, run where they stand: with the names of their module, as a reader of it has them."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path


def failures(package: Path) -> dict[str, tuple[int, int]]:
    """Of each module of the folder ``package`` that has examples: how many failed, and how many were run.

    What was expected and what came is printed.
    """
    files = [file for file in sorted(package.rglob("*.py")) if ">>> " in file.read_text(encoding="utf-8")]
    names = [".".join(file.relative_to(package.parent).with_suffix("").parts) for file in files]
    found = {name: doctest.testmod(importlib.import_module(name)) for name in names}
    return {name: (result.failed, result.attempted) for name, result in found.items()}
