"""Model, objective and trainer of a start; and the training that its stages are given."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch

from latentrl.models import build
from latentrl.models.base import WorldModel
from latentrl.models.capabilities import FrameEncoder
from latentrl.models.spec import DataSpec
from latentrl.objectives import OBJECTIVES
from latentrl.objectives.base import Objective, ObjectiveSettings
from latentrl.training.penalties import PositionTarget, penalties_of
from latentrl.training.penalties.position import leading_components
from latentrl.training.recipes import Recipe
from latentrl.training.settings import TrainSettings
from latentrl.training.situation import Situation
from latentrl.training.trainer import Trainer
from latentrl.training.training import Training

STARTS_APART = 1_000_003
"""Between the seeds of two starts."""


def build_model(situation: Situation, recipe: Recipe, seed: int) -> WorldModel:
    """A freshly initialised model on the training's device; its weights depend on ``seed`` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build(situation.options.model, DataSpec.of(situation.data), recipe.model)
    model.prepare(situation.data)
    return model.to(situation.device)


def build_objective(situation: Situation, settings: TrainSettings) -> Objective:
    """What weighs rate against distortion."""
    annealing = situation.options.annealing_steps or settings.steps // 2
    return OBJECTIVES[situation.options.objective](ObjectiveSettings(situation.kappa**2, annealing))


def build_trainer(situation: Situation, recipe: Recipe, target: PositionTarget, start: int) -> Trainer:
    """The trainer of one start; its weights and random numbers depend on the seed and ``start`` alone."""
    seed, settings = situation.options.seed + STARTS_APART * start, recipe.settings
    model = build_model(situation, recipe, seed)
    penalties = penalties_of(model, settings, target).values()
    return Trainer(model, build_objective(situation, settings), situation.data, settings, seed, penalties)


def build_target(situation: Situation, settings: TrainSettings) -> PositionTarget:
    """Where the position is to be at first: at the pictures' leading components, unless the model starts on a chart."""
    wanted = settings.alignment > 0 and not settings.warm_start and situation.images
    if not wanted or FrameEncoder not in situation.capabilities:
        return PositionTarget()
    components = leading_components(situation.data.observations, situation.options.position_size)
    return PositionTarget(components.to(situation.device))


def build_training(situation: Situation, recipe: Recipe, folder: Path) -> Training:
    """The training of a run, at its beginning."""
    options = situation.options
    target = build_target(situation, recipe.settings)
    make = partial(build_trainer, situation, recipe, target)
    return Training(
        make=make,
        trainer=make(0),
        target=target,
        folder=folder,
        seed=options.seed,
        progress=options.progress,
        charted=situation.charted,
        loosen=options.kappa is None,
        fix_gauge=situation.fixes_gauge,
    )
