"""What a run folder says of its training: written at the beginning, read to go on with it."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from typing import Any, NamedTuple

import torch

from latentrl.agents.bounds import LIMIT
from latentrl.data_collection.storage import load_metadata
from latentrl.envs import action_limit_of
from latentrl.runs.folder import SETTINGS, THREADS, learn_command, load_settings, model_settings
from latentrl.runs.versions import describe_environment
from latentrl.support.commands import command
from latentrl.support.errors import UserError
from latentrl.support.files import write_json
from latentrl.support.options import options_to_json
from latentrl.training.coarse_to_fine import Schedule
from latentrl.training.options import TrainOptions, options_from_json
from latentrl.training.recipes import Recipe
from latentrl.training.settings import TrainSettings
from latentrl.training.situation import Situation
from latentrl.training.training import Training

NOT_OF_THE_RUN = ("explain", "strict")
"""Options that say nothing of a run."""


class Begun(NamedTuple):
    """How a run was begun: its options, and its numbers if it is to be continued with them."""

    options: TrainOptions
    settings: TrainSettings | None


def begun(options: TrainOptions) -> Begun:
    """What ``options.folder`` says of its run, if that is to be resumed; else ``options`` alone.

    Numbers that a run does not name are today's defaults. Where and how it goes on is said anew.

    Raises:
        UserError: no run folder, or its settings are damaged.
    """
    if not options.resume:
        return Begun(options, None)
    content = load_settings(options.folder)
    known = {field.name for field in fields(TrainSettings)}
    try:
        stored = options_from_json(content["options"])
        numbers = {name: value for name, value in content["training"].items() if name in known}
        settings = TrainSettings(**{**numbers, "blur": Schedule(**numbers["blur"])})
        _check_kinds(settings)
    except (KeyError, TypeError, AttributeError) as error:
        path = options.folder / SETTINGS
        raise UserError(f"{path} is damaged ({error!r}): start afresh with --overwrite") from error
    stored = replace(stored, run=options.folder, resume=True, explain=options.explain, strict=options.strict)
    return Begun(replace(stored, device=options.device, progress=options.progress), settings)


def _check_kinds(settings: TrainSettings) -> None:
    """Raise a ``TypeError`` where something else stands in the place of a number or a table."""
    for field in fields(settings):
        value, default = getattr(settings, field.name), getattr(TrainSettings(), field.name)
        kinds = (int, float) if isinstance(default, int | float) else type(default)
        if not isinstance(value, kinds):
            raise TypeError(f"{field.name} is {value!r}")


def write_settings(situation: Situation, recipe: Recipe, training: Training) -> None:
    """Write ``settings.json``, unless the run has been begun before."""
    options, path = situation.options, training.folder / SETTINGS
    if options.resume:
        return
    kept = {name: value for name, value in options_to_json(options).items() if name not in NOT_OF_THE_RUN}
    write_json(
        path,
        {
            "model": model_settings(options.model, training.model),
            "options": kept,
            "training": asdict(recipe.settings),
            "data": _described(load_metadata(options.data)),
            "environment": describe_environment(),
            THREADS: torch.get_num_threads(),
        },
    )


def _described(metadata: dict[str, Any]) -> dict[str, Any]:
    """The data's metadata, with the largest action of its environment's task: who learns and plans loads no tasks."""
    return {**metadata, LIMIT: action_limit_of(metadata)}


def next_command(options: TrainOptions) -> str:
    """What can be done with a finished run: what is printed works as it stands, so that it has a goal or needs none."""
    found = learn_command(options.folder, options.data)
    if found is not None:
        return f"next: {found}"
    return (
        f"no goal came with {options.data}: a picture or readings of one go to learn and evaluate as --goal FILE\n"
        f"next: {command('imagine', '--run', options.folder)}"
    )
