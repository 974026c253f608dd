"""What the options of all commands share: how a default is shown that is found later, and how options are stored."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import tyro
from tyro.constructors import PrimitiveConstructorSpec

from latentrl.support.errors import UserError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def _json_object(arguments: list[str]) -> dict[str, Any]:
    found = json.loads(arguments[0])
    if not isinstance(found, dict):
        raise ValueError(f"{arguments[0]} is no JSON object; give {{...}}")
    return found


LARGEST_SEED = 2**32 - 1
"""NumPy's older generators, which some libraries seed, take no larger one."""
JSON_OBJECT = PrimitiveConstructorSpec(
    nargs=1,
    metavar="JSON",
    instance_from_str=_json_object,
    is_instance=lambda value: isinstance(value, dict),
    str_from_instance=lambda value: [json.dumps(value)],
)
"""How tyro reads a dictionary that is given as JSON."""


def default_hint(text: str, metavar: str) -> Any:
    """For an option that is None unless given: ``metavar`` and, in ``--help``, ``text`` as its default."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=f"(default: {text})")


def check_seed(seed: int, flag: str = "--seed") -> None:
    """Refuse a seed that not every generator of random numbers takes.

    Raises:
        UserError: it names the flag.
    """
    if not 0 <= seed <= LARGEST_SEED:
        raise UserError(f"{flag} {seed}: give a whole number from 0 to {LARGEST_SEED}")


def check_one_or_more(**values: int | None) -> None:
    """Refuse counts below one; None is none that was given.

    Args:
        values: by the option's name.

    Raises:
        UserError: it names the flag.
    """
    for name, value in values.items():
        if value is not None and value < 1:
            raise UserError(f"--{name.replace('_', '-')} {value}: give one or more")


def given_words(
    options: DataclassInstance, skip: Collection[str] = (), names: Mapping[str, str] = MappingProxyType({})
) -> list[str]:
    """The flags, and their values, of options that are not what they are by default, as they are typed.

    Args:
        options: of a verb.
        skip: fields to leave out, those without a default among them.
        names: flags by their field, where they are not called alike.
    """
    found: list[str] = []
    for one in fields(options):
        value = getattr(options, one.name)
        if one.name in skip or value == one.default:
            continue
        flag = names.get(one.name, f"--{one.name.replace('_', '-')}")
        values = () if value is True else value if isinstance(value, tuple) else (value,)
        found += [flag, *map(str, values)]
    return found


def options_to_json(options: DataclassInstance) -> dict[str, Any]:
    """The options as JSON holds them: paths as text."""
    return {key: str(value) if isinstance(value, Path) else value for key, value in asdict(options).items()}
