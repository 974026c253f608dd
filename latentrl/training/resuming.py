"""What a run folder says of its training: written at the beginning, read to go on with it."""

from __future__ import annotations

from dataclasses import asdict, fields, replace

from latentrl.data_collection.storage import load_metadata
from latentrl.runs.folder import CHECKPOINT, SETTINGS, load_settings, model_settings
from latentrl.runs.versions import describe_environment
from latentrl.support.errors import UserError
from latentrl.support.files import write_json
from latentrl.support.options import options_to_json
from latentrl.training.coarse_to_fine import Schedule
from latentrl.training.kept_target import CHART
from latentrl.training.options import TrainOptions, options_from_json
from latentrl.training.recipes import Recipe
from latentrl.training.settings import TrainSettings
from latentrl.training.situation import Situation
from latentrl.training.stages.decoder import DECODER
from latentrl.training.training import Training

PASSING = (CHECKPOINT, CHART, DECODER)
"""Files that only an unfinished training needs."""
NOT_OF_THE_RUN = ("explain",)
"""Options that say nothing of a run."""


def resumed(options: TrainOptions) -> TrainOptions:
    """The options of an interrupted run, but for where and how it goes on.

    Raises:
        UserError: ``options.folder`` is no run folder.
    """
    stored = options_from_json(load_settings(options.folder)["options"])
    return replace(
        stored,
        run=options.folder,
        device=options.device,
        progress=options.progress,
        resume=True,
        explain=options.explain,
    )


def stored_settings(options: TrainOptions) -> TrainSettings:
    """The numbers that an interrupted run was begun with; those that it does not name are today's defaults.

    Raises:
        UserError: the folder's settings are damaged.
    """
    stored = load_settings(options.folder).get("training")
    known = {field.name for field in fields(TrainSettings)}
    try:
        found = {name: value for name, value in dict(stored or {}).items() if name in known}
        return TrainSettings(**{**found, "blur": Schedule(**found["blur"])})
    except (KeyError, TypeError) as error:
        path = options.folder / SETTINGS
        raise UserError(f"{path} is damaged (training: {error!r}): start afresh with --overwrite") from error


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
            "data": load_metadata(options.data),
            "environment": describe_environment(),
        },
    )


def next_command(options: TrainOptions) -> str:
    """What is to be done with a finished run."""
    goal = next(iter(sorted(options.data.glob("goal.*"))), options.data / "goal.png")
    return f"next: python -m latentrl.learn --run {options.folder} --goal {goal}"
