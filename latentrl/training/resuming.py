"""What a run folder says of its training: written at the beginning, read to go on with it."""

from __future__ import annotations

import math
import os
import shlex
from dataclasses import asdict, fields, replace
from pathlib import Path
from types import UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import torch

from latentrl.agents.bounds import LIMIT
from latentrl.data_collection.digest import CHECKSUMS, known_digest
from latentrl.data_collection.storage import METADATA, load_metadata
from latentrl.envs import action_limit_of
from latentrl.inference.backends import AUTO as AUTOMATIC
from latentrl.inference.backends import PLAIN
from latentrl.models import STATICS
from latentrl.runs.folder import (
    PROCESSES,
    SETTINGS,
    THREADS,
    is_finished,
    learn_command,
    load_settings,
    model_settings,
    without_goal,
)
from latentrl.runs.opening import check_resumable
from latentrl.runs.reach import REACH, reach_of
from latentrl.runs.schema import KEYS, SCHEMA, VERSION, keys_of
from latentrl.runs.versions import describe_environment
from latentrl.support.commands import command
from latentrl.support.digests import digest
from latentrl.support.errors import UserError
from latentrl.support.files import write_json
from latentrl.support.options import options_to_json
from latentrl.training.coarse_to_fine import Schedule
from latentrl.training.options import AUTO, TrainOptions, options_from_json
from latentrl.training.recipes import Recipe
from latentrl.training.settings import TrainSettings
from latentrl.training.situation import Situation
from latentrl.training.training import Training
from latentrl.types import Sequences

NOT_OF_THE_RUN = ("explain", "strict", "live")
"""Options that say nothing of a run."""
ANEW = ("run", "resume", "overwrite", "device", "backend", "progress", "live", "track", "explain", "strict")
"""Options that count when a run is resumed, for where and how it goes on; all others are the run's own."""
DATA = "data_sha256"
"""Of the settings: the digest of the training sequences, which a run goes on with."""
HASHED_BYTES = 2**28
"""Of observations; of more, sequences evenly spread are taken."""
AT_LEAST_ONE = ("steps", "batch", "starts", "start_steps", "checkpoint_every", "log_every")


class Begun(NamedTuple):
    """How a run was begun: its options, and its numbers if it is to be continued with them.

    ``moved``: whether its data is elsewhere now, as ``options`` say.
    """

    options: TrainOptions
    settings: TrainSettings | None
    moved: bool = False


def begun(options: TrainOptions) -> Begun:
    """What ``options.folder`` says of its run, if that is to be resumed; else ``options`` alone.

    Numbers that a run of an older version does not name are today's defaults. Where and how it goes on is said anew,
    and where its data is now: :func:`check_data` sees whether that is the same.

    Raises:
        UserError: no run folder, its settings are damaged, or options that are not the run's.
    """
    if not options.resume:
        return Begun(options, None)
    if options.overwrite:
        raise UserError("--overwrite: begins anew and --resume goes on; give one of the two")
    check_resumable(options.folder)
    content = load_settings(options.folder)
    known = {field.name for field in fields(TrainSettings)}
    path = options.folder / SETTINGS
    try:
        stored = options_from_json(content["options"])
        _check_options(stored)
        # Runs from before sigma could wait for the dynamics go on without.
        before = {"sigma_growth": 0.0}
        numbers = before | {name: value for name, value in content["training"].items() if name in known}
        settings = TrainSettings(**{**numbers, "blur": Schedule(**numbers["blur"])})
        _check_kinds(settings)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UserError(f"{path} is damaged ({error!r}): start afresh with --overwrite") from error
    _check_same(options, stored)
    stored = replace(stored, run=options.folder, resume=True, explain=options.explain, strict=options.strict)
    data = _where_data_is(options, stored.data)
    moved = data.resolve() != stored.data.resolve()
    backend = stored.backend if options.backend == AUTOMATIC else options.backend
    stored = replace(stored, data=data, device=options.device, backend=backend, progress=options.progress)
    # A run that replaced another is gone on with like any other.
    stored = replace(stored, overwrite=False, live=options.live, track=options.track or stored.track)
    return Begun(stored, settings, moved)


def _where_data_is(given: TrainOptions, before: Path) -> Path:
    """The place that is given for a run's data, else the one ``before``."""
    if given.data != TrainOptions().data:
        return given.data
    # Whether the default was typed does not show; whether it is the run's data its digest tells.
    return given.data if not (before / METADATA).exists() and (given.data / METADATA).is_file() else before


def _check_same(given: TrainOptions, stored: TrainOptions) -> None:
    """Refuse options that the run was not begun with: they would be passed over in silence."""
    defaults = TrainOptions()
    for field in fields(TrainOptions):
        if field.name == "data":
            continue  # it may have moved
        asked, own = getattr(given, field.name), getattr(stored, field.name)
        if field.name in ANEW or asked in (getattr(defaults, field.name), own, AUTO):
            continue
        longer = ""
        if field.name == "steps" and is_finished(given.folder):
            longer = "; a finished run cannot be lengthened, for its learning rates fell to zero at its last step"
        raise UserError(
            f"--{field.name.replace('_', '-')} {asked}: {given.folder} was begun with {own}, and with --resume only "
            f"--data, --device, --backend, --progress, --live, --track, --strict and --explain count{longer}; leave it "
            "out, or train another --run"
        )


def _check_options(stored: TrainOptions) -> None:
    """Raise a ``TypeError`` where an option is of another kind than it is declared."""
    for name, hint in get_type_hints(TrainOptions).items():
        if not _fits(getattr(stored, name), hint):
            raise TypeError(f"options.{name} is {getattr(stored, name)!r}")


def _fits(value: Any, hint: Any) -> bool:
    if get_origin(hint) in (Union, UnionType):
        return any(_fits(value, one) for one in get_args(hint))
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if hint in (int, float):
        kinds = (int, float) if hint is float else int
        return isinstance(value, kinds) and not isinstance(value, bool)
    return isinstance(value, hint)


def data_digest(data: Sequences) -> str:
    """The SHA-256 of training sequences, or of many that are evenly spread over them; hexadecimal."""
    size = data.observations[0].numel() * data.observations.element_size()
    part = data[:: max(1, math.ceil(len(data) * size / HASHED_BYTES))]
    return digest({"observations": part.observations, "actions": part.actions})


def check_data(folder: Path, data: Sequences, where: Path) -> None:
    """Refuse to go on with other data than a run was begun with; where it is the same, it may have moved.

    Runs from before digests were noted go on with what is in the place that they were begun with, and there alone.

    Args:
        folder: of the run.
        data: the training sequences.
        where: the data folder that they are from.

    Raises:
        UserError: it names the data folder, and both digests.
    """
    settings = load_settings(folder)
    before, place = settings.get(DATA), Path(settings["options"]["data"])
    if before is None:
        if place.resolve() == where.resolve():
            return
        raise UserError(
            f"--data {where}: {folder} is of an older version, which noted no digest of its data: nothing tells "
            f"whether this is the same; put it where it was, {place}"
        )
    found = data_digest(data)
    if before != found:
        raise UserError(
            f"{where}: holds other sequences (SHA-256 {found[:12]}) than those that {folder} was begun with "
            f"({before[:12]}, in {place}); put them back, say with --data where they are, or train another --run"
        )


def check_test_data(folder: Path, where: Path) -> None:
    """Refuse to measure a model on other held-out sequences than were there when its run was begun.

    Where either folder has no checksum, as those of older versions, nothing tells.

    Raises:
        UserError: it names the data folder, and both checksums.
    """
    recorded = load_settings(folder).get("data")
    kept = recorded.get(CHECKSUMS) if isinstance(recorded, dict) else None
    before = kept.get("test") if isinstance(kept, dict) else None
    found = known_digest(load_metadata(where), "test")
    if before is not None and found is not None and before != found:
        raise UserError(
            f"{where}: holds other test sequences (SHA-256 {found[:12]}) than when {folder} was begun "
            f"({before!s:.12}): put them back, or say with --data where they are; what is trained is kept, and goes on "
            f"with {command('train', '--run', folder, '--resume')}"
        )


def check_processes(folder: Path, count: int) -> None:
    """Refuse to go on with another number of processes than a run was begun with: it would be another batch.

    Raises:
        UserError: it names both numbers.
    """
    before = load_settings(folder).get(PROCESSES, 1)
    if before != count:
        raise UserError(
            f"--resume: {folder} was begun on {before} process(es) and not on {count}, whose batch is another: go on "
            f"with {go_on_command(folder, before)}, or train another --run"
        )


def go_on_command(folder: Path, processes: int = 1) -> str:
    """How a training goes on that was begun on so many processes."""
    if processes == 1:
        return command("train", "--run", folder, "--resume")
    # Without the two dashes torchrun takes --run for one of its own options.
    return f"torchrun --nproc-per-node {processes} -m -- latentrl train --run {shlex.quote(str(folder))} --resume"


def require_data(options: TrainOptions) -> None:
    """Refuse to go on where there is no data, not even elsewhere.

    Raises:
        UserError: it says what to do.
    """
    if options.resume and not os.path.lexists(options.data):
        raise UserError(
            f"{options.data}: the data that {options.folder} was begun with is not there: put it back, or say with "
            "--data where it is now"
        )


def keep_place(folder: Path, data: Path) -> None:
    """Write down where a run's data is now, for the verbs that read it later."""
    settings = load_settings(folder)
    write_json(folder / SETTINGS, {**settings, "options": {**settings["options"], "data": str(data)}})
    print(f"{folder / SETTINGS}: the same data, now in {data}")


def keep_backend(folder: Path, name: str) -> None:
    """Write down the backend that a run goes on with, if it is another than before."""
    settings = load_settings(folder)
    options = settings["options"]
    before = options.get("backend", PLAIN)
    if name == before:
        return
    write_json(folder / SETTINGS, {**settings, "options": {**options, "backend": name}})
    print(f"{folder / SETTINGS}: goes on with --backend {name}, where it was {before}: rounds otherwise from here on")


def _check_kinds(settings: TrainSettings) -> None:
    """Raise a ``TypeError`` where something else stands in the place of a number or a table."""
    for name in AT_LEAST_ONE:
        if not getattr(settings, name) >= 1:
            raise TypeError(f"training.{name} is {getattr(settings, name)!r}")
    rates, default_rates = settings.learning_rates, TrainSettings().learning_rates
    for name in default_rates:
        if not _fits(rates.get(name), float):
            raise TypeError(f"training.learning_rates.{name} is {rates.get(name)!r}")
    for field in fields(settings):
        value, default = getattr(settings, field.name), getattr(TrainSettings(), field.name)
        kinds = (int, float) if isinstance(default, int | float) else type(default)
        if (
            not isinstance(value, kinds)
            or isinstance(value, bool) != isinstance(default, bool)
            or (value != value)
            or value in (math.inf, -math.inf)
        ):
            raise TypeError(f"training.{field.name} is {value!r}")


def write_settings(situation: Situation, recipe: Recipe, training: Training, data: Sequences) -> None:
    """Write ``settings.json``, unless the run has been begun before; ``data`` are the sequences as recorded."""
    options, path = situation.options, training.folder / SETTINGS
    if options.resume:
        return
    kept = {name: value for name, value in options_to_json(options).items() if name not in NOT_OF_THE_RUN}
    content = {
        VERSION: SCHEMA,
        "model": model_settings(options.model, training.trainer.model),
        "options": kept,
        "training": asdict(recipe.settings),
        "data": _described(load_metadata(options.data)),
        DATA: data_digest(data),
        "environment": describe_environment(),
        THREADS: torch.get_num_threads(),
        PROCESSES: training.trainer.processes.count,
    }
    reach = reach_of(data)
    if reach is not None:
        content[REACH] = reach
    write_json(path, {**content, KEYS: keys_of(content)})


def _described(metadata: dict[str, Any]) -> dict[str, Any]:
    """The data's metadata, with the largest action of its environment's task: who learns and plans loads no tasks."""
    return {**metadata, LIMIT: action_limit_of(metadata)}


def next_command(options: TrainOptions) -> str:
    """What can be done with a finished run: what is printed works as it stands, so that it has a goal or needs none."""
    if options.model in STATICS:
        return (
            f"note: {options.folder} holds a model without time, which no agent can act in; "
            "latentrl.runs.folder.load_any_model reads it (docs/statics.md)"
        )
    found = learn_command(options.folder, options.data)
    if found is not None:
        return f"next: {found}"
    return (
        f"no goal: {without_goal(options.data)}; a picture or readings of one go to learn and evaluate as --goal FILE\n"
        f"next: {command('imagine', '--run', options.folder)}"
    )
