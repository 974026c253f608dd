"""Model, objective and trainer of a start; and the training that its stages are given."""

from __future__ import annotations

from pathlib import Path

import torch

from latentrl.geometry.coordinates import read_coordinates
from latentrl.inference.backends import backend_named
from latentrl.models import build_any
from latentrl.models.base import GenerativeModel
from latentrl.models.capabilities import RunsBackend
from latentrl.models.spec import DataSpec
from latentrl.objectives import OBJECTIVES
from latentrl.objectives.base import Objective, ObjectiveSettings
from latentrl.training.penalties import PositionTarget, penalties_of
from latentrl.training.penalties.position import has_position
from latentrl.training.processes import ALONE, Processes
from latentrl.training.recipes import Recipe
from latentrl.training.settings import TrainSettings
from latentrl.training.situation import Situation
from latentrl.training.trainer import Trainer
from latentrl.training.training import Training
from latentrl.types import Sequences, is_image

STARTS_APART = 1_000_003
"""Between the seeds of two starts."""


def build_model(situation: Situation, recipe: Recipe, seed: int) -> GenerativeModel:
    """A freshly initialised model on the training's device; its weights depend on ``seed`` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_any(situation.options.model, DataSpec.of(situation.data), recipe.model)
    model.prepare(situation.data)
    if isinstance(model, RunsBackend):
        model.use_backend(backend_named(situation.options.backend))
    return model.to(situation.device)


def build_objective(situation: Situation, settings: TrainSettings) -> Objective:
    """What weighs rate against distortion."""
    options, period = situation.options, None
    if options.annealing_cycles is not None:
        period = max(1, settings.steps // options.annealing_cycles)
    annealing = options.annealing_steps or max(1, (settings.steps if period is None else period) // 2)
    return OBJECTIVES[options.objective](ObjectiveSettings(situation.kappa**2, annealing, period, situation.static))


def first_target(
    model: GenerativeModel, data: Sequences, settings: TrainSettings, count: int, searched: bool = False
) -> PositionTarget:
    """Where the position is to be at first: at ``count`` coordinates that are read off pictures, unless on a chart.

    ``searched``: see :func:`~latentrl.geometry.coordinates.read_coordinates`.
    """
    wanted = settings.alignment > 0 and not settings.warm_start and is_image(data.observations)
    if not wanted or not has_position(model):
        return PositionTarget()
    components = read_coordinates(data.observations, count, model.latent_size - count, searched)
    return PositionTarget(components.to(next(model.parameters()).device))


def trainer_for(
    model: GenerativeModel,
    objective: Objective,
    data: Sequences,
    settings: TrainSettings,
    seed: int,
    target: PositionTarget | None = None,
    loosen: bool = True,
    processes: Processes = ALONE,
) -> Trainer:
    """A trainer with the penalties that ``model`` can have and ``settings`` want.

    Args:
        model: trained in place.
        objective: weighs rate against distortion.
        data: training sequences.
        settings: of the training.
        seed: of batches and samples.
        target: where the position is to be, shared by several trainers; :func:`first_target` if None.
        loosen: see :class:`Trainer`.
        processes: that train together.
    """
    target = first_target(model, data, settings, model.position_size) if target is None else target
    penalties = penalties_of(model, settings, target).values()
    return Trainer(model, objective, data, settings, seed, penalties, loosen, processes)


def build_trainer(
    situation: Situation,
    recipe: Recipe,
    start: int,
    target: PositionTarget | None = None,
    processes: Processes = ALONE,
) -> tuple[Trainer, PositionTarget]:
    """The trainer of one start, and its target; weights and random numbers depend on the seed and ``start`` alone."""
    seed, settings = situation.options.seed + STARTS_APART * start, recipe.settings
    model = build_model(situation, recipe, seed)
    if target is None:
        # The option, not the model's: a KVAE's z may have no dimensions of the position's own.
        target = first_target(model, situation.data, settings, situation.options.position_size, situation.searched)
    objective = build_objective(situation, settings)
    loosen = situation.options.kappa is None
    return trainer_for(model, objective, situation.data, settings, seed, target, loosen, processes), target


def build_training(situation: Situation, recipe: Recipe, folder: Path, processes: Processes = ALONE) -> Training:
    """The training of a run, at its beginning."""
    options = situation.options
    first, target = build_trainer(situation, recipe, 0, processes=processes)
    return Training(
        make=lambda start: build_trainer(situation, recipe, start, target, processes)[0],
        trainer=first,
        target=target,
        folder=folder,
        seed=options.seed,
        progress=options.progress,
        charted=situation.charted,
        loosen=options.kappa is None,
        fix_gauge=situation.fixes_gauge,
    )
