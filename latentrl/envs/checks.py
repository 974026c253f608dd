"""What can be set in an environment, when it is made and when it is reset: within which bounds, and what is refused."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentrl.support.errors import UserError

LARGEST_PICTURE = 4096
"""Pixels in height and width of pictures for people."""


def check_number(name: str, value: Any, low: float, high: float, unit: str) -> None:
    """Refuse a setting that is no number from ``low`` to ``high``.

    Raises:
        UserError: it names setting and value.
    """
    if not isinstance(value, int | float | np.number) or isinstance(value, bool) or not low <= value <= high:
        raise UserError(f"{name}={value!r}: give {low:g} to {high:g} {unit}")


def check_whole(name: str, value: Any, low: int, high: int, unit: str) -> None:
    """Refuse a setting that is no whole number from ``low`` to ``high``.

    Raises:
        UserError: it names setting and value.
    """
    if not isinstance(value, int | np.integer):
        raise UserError(f"{name}={value!r}: give {low} to {high} {unit}, a whole number")
    check_number(name, value, low, high, unit)


def check_batch(num_envs: Any, max_episode_steps: Any) -> None:
    """Refuse what a vectorised environment cannot be made of; ``max_episode_steps`` may be None.

    Raises:
        UserError: one is no whole number from 1 on; it names it and its value.
    """
    for name, value in {"num_envs": num_envs, "max_episode_steps": max_episode_steps}.items():
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not (whole and value >= 1) and not (name == "max_episode_steps" and value is None):
            never = ", or None for no end" if name == "max_episode_steps" else ""
            raise UserError(f"{name}={value!r}: give a whole number, one or more{never}")


def check_choice(name: str, value: Any, choices: Collection[str]) -> None:
    """Refuse a setting that is none of the words.

    Raises:
        UserError: it names setting and value.
    """
    if not isinstance(value, str) or value not in choices:
        raise UserError(f"{name}={value!r}: choose one of {', '.join(choices)}")


def check_rendering(mode: Any, size: Any = 1) -> None:
    """Refuse a render mode and a size of rendered pictures that there are not.

    Raises:
        UserError: it names setting and value.
    """
    if mode is not None and mode != "rgb_array":
        raise UserError(f"render_mode={mode!r}: choose None or 'rgb_array'")
    check_whole("render_size", size, 1, LARGEST_PICTURE, "pixels")


def check_known(options: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuse options of a reset that there are not.

    Raises:
        ValueError: it names them, and those that there are.
    """
    if not options.keys() <= set(known):
        raise ValueError(f"reset options {sorted(options)}: only {', '.join(known)} are known")


def reset_numbers(
    name: str, value: ArrayLike, shape: tuple[int, ...], limit: float, what: str, unit: str, exact: bool = False
) -> NDArray[np.float64]:
    """The option ``name`` of a reset as ``shape`` float64.

    Args:
        name: of the option.
        value: numbers whose shape broadcasts to ``shape``; ``[N, 1]`` of them where that is ``[N]``.
        shape: what is wanted.
        limit: none is larger, to either side.
        what: it has to be, for people: ``one number``.
        unit: of each, for people.
        exact: whether nothing is broadcast.

    Raises:
        ValueError: another shape, no finite number, or one beyond the limit; it names option and value.
    """
    try:
        array = np.asarray(value, dtype=np.float64)
        if exact and array.shape != shape:
            raise ValueError(array.shape)
        found = np.broadcast_to(array[..., 0] if array.shape == (*shape, 1) else array, shape)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"reset option {name!r}={value!r}: give {what}") from error
    if not (np.abs(found) <= limit).all():
        raise ValueError(f"reset option {name!r}={value!r}: give {what}, from {-limit:g} to {limit:g} {unit}")
    return found
