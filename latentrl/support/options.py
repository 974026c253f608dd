"""What the options of all commands share: how a default is shown that is found later, and how options are stored."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def default_hint(text: str, metavar: str) -> Any:
    """For an option that is None unless given: ``metavar`` and, in ``--help``, ``text`` as its default."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=f"(default: {text})")


def options_to_json(options: DataclassInstance) -> dict[str, Any]:
    """The options as JSON holds them: paths as text."""
    return {key: str(value) if isinstance(value, Path) else value for key, value in asdict(options).items()}
