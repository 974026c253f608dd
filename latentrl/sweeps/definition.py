"""A sweep as its TOML file says it.

figure = "prediction"                   # or "elbo"; see latentrl.sweeps.figures
trials = 30

[train]                                 # flags of `latentrl train` that all trials share
data = "data/pendulum"
steps = 3000

[search]                                # flags that differ
kappa = { low = 0.01, high = 0.3, log = true }
batch = { low = 16, high = 64 }
objective = ["rewo", "geco"]
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from itertools import islice, product
from pathlib import Path
from typing import Any

import tyro

from latentrl.models import STATICS
from latentrl.support.errors import UserError
from latentrl.sweeps.figures import FIGURES
from latentrl.sweeps.ranges import LARGEST, Choice, Range, Value, range_of
from latentrl.training.options import TrainOptions, check_options

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

KEYS = ("figure", "trials", "train", "search")
PLACES = ("run", "resume", "overwrite", "strict", "progress", "live", "explain")
"""Flags of ``train`` that a sweep gives itself, or that train nothing."""
NOT_SEARCHED = {
    "data": "figures on other data cannot be compared",
    "seed": "the best of several seeds is luck; give one to [train]",
    "device": "it changes no figure but the time; give one to [train]",
    "steps": "more are better; give one number to [train]",
}
"""Flags that are the same in all trials, and why."""
COMBINATIONS = 1000
"""Of other flags' values, with which a value is tried at most before it is let pass."""


@dataclass(frozen=True)
class Sweep:
    """What is searched.

    Attributes:
        figure: by which trials are compared, a key of `latentrl.sweeps.figures.FIGURES`.
        trials: in all.
        train: flags that all trials share, without their dashes.
        search: ranges of the others.
    """

    figure: str
    trials: int
    train: Mapping[str, Value | bool] = field(default_factory=dict)
    search: Mapping[str, Range] = field(default_factory=dict)

    def words(self, values: Mapping[str, Value]) -> tuple[str, ...]:
        """Of ``latentrl train``, but for the run folder."""
        return tuple(word for flag, value in (*self.train.items(), *values.items()) for word in _words(flag, value))

    @cached_property
    def options(self) -> TrainOptions:
        """What all trials share."""
        return parsed(self.words({}))

    def as_json(self) -> dict[str, Any]:
        """What makes two sweeps the same, as JSON values: all but the number of trials."""
        ranges = {
            name: (list(one.words) if isinstance(one, Choice) else vars(one)) for name, one in self.search.items()
        }
        return {"figure": self.figure, "train": dict(self.train), "search": ranges}


def read_sweep(path: Path) -> Sweep:
    """The sweep that a TOML file describes.

    Raises:
        UserError: no such file, no TOML, unknown keys or flags, values that ``latentrl train`` does not take.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give a TOML file with [search]") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no TOML ({error})") from error
    for key in content:
        if key not in KEYS:
            raise UserError(f"{path}: {key}: there is no such key; there are {', '.join(KEYS)}{_alike(key, KEYS)}")
    figure, trials = content.get("figure", next(iter(FIGURES))), content.get("trials", 20)
    if not isinstance(figure, str) or figure not in FIGURES:
        raise UserError(f"{path}: figure = {figure!r}: give one of {', '.join(FIGURES)}")
    if type(trials) is not int or trials < 1:
        raise UserError(f"{path}: trials = {trials!r}: give one or more")
    train, search = (_section(path, content, name) for name in ("train", "search"))
    if not search:
        raise UserError(f"{path}: [search] names no flag: there is nothing to search")
    ranges = {}
    for name, found in search.items():
        if name in train:
            raise UserError(f"{path}: {name} is in [train] and in [search]; leave one out")
        if name in NOT_SEARCHED:
            raise UserError(f"{path}: [search] {name}: {NOT_SEARCHED[name]}")
        try:
            ranges[name] = range_of(found)
        except ValueError as error:
            raise UserError(f"{path}: [search] {name}: {error}") from error
    made = Sweep(figure, trials, train, ranges)
    _check(path, made)
    return made


def _section(path: Path, content: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A table of flags, by the names that they have on a command line."""
    found = content.get(name, {})
    if not isinstance(found, dict):
        raise UserError(f"{path}: {name}: give a table of flags, [{name}]")
    flags = {one.name.replace("_", "-") for one in fields(TrainOptions)}
    made = {}
    for key, value in found.items():
        flag = key.replace("_", "-").removeprefix("--")
        if flag not in flags:
            raise UserError(f"{path}: [{name}] {key}: `latentrl train` has no such flag{_alike(flag, flags)}")
        if flag in PLACES:
            raise UserError(f"{path}: [{name}] {key}: the sweep sets this flag itself; leave it out")
        if flag in made:
            raise UserError(f"{path}: [{name}] {key}: {flag} is there twice, with - and with _; leave one out")
        made[flag] = value
    return made


def _check(path: Path, sweep: Sweep) -> None:
    """Try what the file says on the options of ``train``, so that no trial fails for a slip."""
    for flag, value in sweep.train.items():
        if not isinstance(value, str | int | float):
            raise UserError(f"{path}: [train] {flag}: give one value")
        if isinstance(value, int) and abs(value) > LARGEST:
            raise UserError(f"{path}: [train] {flag}: give a number from -{LARGEST} to {LARGEST}")
    ends = {flag: found.ends for flag, found in sweep.search.items()}
    tried = [("train", flag, value) for flag, value in sweep.train.items()]
    tried += [("search", flag, value) for flag, values in ends.items() for value in values]
    try:
        # Together: reading a command line takes time.
        read = [
            parsed(sweep.words({flag: values[number % len(values)] for flag, values in ends.items()}))
            for number in range(max(map(len, ends.values())))
        ]
    except UserError:
        for section, flag, value in tried:
            _try(path, section, flag, value)
        raise
    for one in read:
        if one.model in STATICS:
            raise UserError(
                f"{path}: model = {one.model}: what trials are compared by ({', '.join(FIGURES)}) is of sequences, and "
                "this is a model of single frames; train it with other flags by hand"
            )
    fields_of = {flag: flag.replace("-", "_") for flag in ends}
    found = {name: [getattr(one, name) for one in read[: len(ends[flag])]] for flag, name in fields_of.items()}
    for flag, name in fields_of.items():
        for value, meant in zip(ends[flag], found[name], strict=True):
            others = {**found, name: [meant]}
            _check_value(
                path, sweep, flag, value, (dict(zip(others, one, strict=True)) for one in product(*others.values()))
            )


def _check_value(path: Path, sweep: Sweep, flag: str, value: Value, trials: Iterator[Mapping[str, Any]]) -> None:
    """Refuse a value that ``train`` refuses whatever the others are: some may suit each other in some trials alone."""
    errors = list[str]()
    for options in islice(trials, COMBINATIONS):
        try:
            check_options(replace(sweep.options, **options))
        except UserError as error:
            errors.append(str(error))
        else:
            return
    if next(trials, None) is not None:
        return  # too many to say so
    # Of several reasons the one that names the value.
    told = min(errors, key=lambda one: not one.startswith(f"--{flag} "))
    named = told.removeprefix("--").split(" ")[0].rstrip(":")
    if named in sweep.train:
        raise UserError(f"{path}: [train] {told}")
    raise UserError(f"{path}: [search] {told if named == flag else f'{flag} = {value!r}: {told}'}")


def _try(path: Path, section: str, flag: str, value: Value | bool) -> None:
    try:
        parsed(_words(flag, value))
    except UserError as error:
        raise UserError(f"{path}: [{section}] {flag}: {error}") from error


def parsed(words: tuple[str, ...]) -> TrainOptions:
    """The options of a command line of ``train``.

    Raises:
        UserError: it takes no such value.
    """
    try:
        return tyro.cli(TrainOptions, args=list(words), prog="latentrl train", console_outputs=False)
    except SystemExit as error:
        raise UserError(f"`latentrl train {' '.join(words)}`: it takes no such value; see its --help") from error


def _words(flag: str, value: Value | bool) -> tuple[str, ...]:
    if isinstance(value, bool):
        return (f"--{flag}",) if value else (f"--no-{flag}",)
    return (f"--{flag}", str(value))


def _alike(name: str, known: Any) -> str:
    near = difflib.get_close_matches(name, sorted(known), 1)
    return f"; did you mean {near[0]}?" if near else ""
