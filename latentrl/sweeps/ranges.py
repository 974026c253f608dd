"""What a flag may be in a sweep: whole numbers, numbers, or one of several words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Value: TypeAlias = int | float | str
LARGEST = 2**53
"""Whole numbers up to it, and from its negative, are kept exactly: Optuna stores all numbers as floating-point ones."""


@dataclass(frozen=True)
class Numbers:
    """From ``low`` to ``high``, both included: whole ones where both are; ``log``: by their logarithm."""

    low: int | float
    high: int | float
    log: bool = False
    step: int | None = None

    @property
    def whole(self) -> bool:
        """Whether all of them are whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def suggested(self, trial: Any, name: str) -> Value:
        """What an Optuna trial is to take for ``name``."""
        if self.whole:
            return trial.suggest_int(name, self.low, self.high, step=self.step or 1, log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    @property
    def ends(self) -> tuple[Value, ...]:
        """Values that have to be possible: the least and the largest."""
        return (self.low, self.high if self.step is None else self.high - (self.high - self.low) % self.step)


@dataclass(frozen=True)
class Choice:
    """One of these."""

    words: tuple[Value, ...]

    def suggested(self, trial: Any, name: str) -> Value:
        """What an Optuna trial is to take for ``name``."""
        return trial.suggest_categorical(name, list(self.words))

    @property
    def ends(self) -> tuple[Value, ...]:
        """Values that have to be possible."""
        return self.words


Range: TypeAlias = Numbers | Choice


def range_of(found: Any) -> Range:
    """The range that a sweep file's value says: ``{ low = .., high = .., log = true }`` or ``["one", "other"]``.

    Raises:
        ValueError: something else; says what is wrong, as the rest of a sentence.
    """
    if any(isinstance(one, int) and abs(one) > LARGEST for one in _parts(found)):
        raise ValueError(f"give whole numbers from -{LARGEST} to {LARGEST}")
    if isinstance(found, list):
        if len(found) < 2 or len(set(map(str, found))) < len(found):
            raise ValueError("give two or more different values to choose from")
        if not all(_is_number(one) or isinstance(one, str) for one in found):
            raise ValueError("give numbers or words to choose from")
        return Choice(tuple(found))
    if not isinstance(found, Mapping):
        raise ValueError("give { low = .., high = .. } or a list to choose from; one value for all belongs to [train]")
    unknown = sorted(set(found) - {"low", "high", "log", "step"})
    if unknown:
        raise ValueError(f"{unknown[0]}: there is no such key; there are low, high, log and step")
    low: Any = found.get("low")
    high: Any = found.get("high")
    log, step = found.get("log"), found.get("step")
    if not (_is_number(low) and _is_number(high) and low < high):
        raise ValueError("give numbers low and high, the first below the second")
    if not (log is None or isinstance(log, bool)):
        raise ValueError(f"log = {log!r}: give true or false")
    if log and low <= 0:
        raise ValueError("log: give a low above 0, or leave log out")
    made = Numbers(low, high, bool(log), step)
    if step is not None and (not made.whole or log or type(step) is not int or step < 1):
        raise ValueError("step: give a whole number, with whole low and high and without log")
    if step is not None and step > high - low:
        raise ValueError(f"step: {step} is more than there is from low to high, {high - low}")
    return made


def _parts(found: Any) -> Iterable[Any]:
    if isinstance(found, Mapping):
        return found.values()
    return found if isinstance(found, list) else (found,)


def _is_number(found: Any) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool) and math.isfinite(found)
