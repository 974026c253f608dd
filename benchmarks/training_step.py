"""The training step of an EKVAE against the naive version of the same maths."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Literal

import torch
from torch.distributions import Distribution

from benchmarks.eager_ekvae import EagerEKVAE
from benchmarks.timing import Comparison, compare, one_thread
from latentrl.inference.backends import AUTO, Backend, backend_named, choose
from latentrl.models.ekvae import EKVAE, EKVAESettings
from latentrl.models.spec import DataSpec
from latentrl.objectives.rewo import REWO
from latentrl.training.building import first_target, trainer_for
from latentrl.training.coarse_to_fine import Schedule
from latentrl.training.penalties import PositionTarget
from latentrl.training.settings import TrainSettings
from latentrl.training.trainer import Trainer
from latentrl.types import Sequences

Version = Literal["joint", "smoother", "filter"]
LENGTH = 15
SHAPE = (16, 16, 1)
TORQUE = 2.0


def random_sequences(count: int, length: int = LENGTH, seed: int = 0) -> Sequences:
    """Pictures of noise and random torques: what a step costs does not depend on what is seen."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (count, length, *SHAPE), dtype=torch.uint8, generator=generator)
    torques = TORQUE * (2 * torch.rand(count, length - 1, 1, generator=generator) - 1)
    return Sequences(images, torques)


def make_model(version: Version, seed: int = 0) -> EKVAE:
    """An untrained EKVAE of the default sizes for 16 x 16 images."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return EKVAE(DataSpec(SHAPE, "uint8", 1, (TORQUE,)), EKVAESettings(version=version))


def fastest() -> Backend:
    """The backend that a training on the processor chooses."""
    return backend_named(choose(AUTO, "cpu"))


def make_trainer(model: EKVAE, data: Sequences, batch: int, target: PositionTarget | None = None) -> Trainer:
    """The default training but for the blur of its first quarter, which is no part of the model."""
    model.use_backend(fastest())
    return trainer_for(model, REWO(0.03**2), data, _settings(batch), seed=0, target=target)


def make_trainer_of_noise(model: EKVAE, batch: int) -> Trainer:
    """A trainer on 200 sequences of noise."""
    return make_trainer(model, random_sequences(200), batch, _target_of_noise())


def _settings(batch: int) -> TrainSettings:
    return replace(TrainSettings(), batch=batch, blur=Schedule(width=0.0))


@cache
def _target_of_noise() -> PositionTarget:
    """Read off once for all trainers: it takes longer than their steps, and every one would find the same."""
    model = make_model("joint")
    return first_target(model, random_sequences(200), _settings(50), model.position_size)


def compare_steps(version: Version, batch: int, validate: bool, repeats: int, steps: int = 2) -> Comparison:
    """Whole steps: draw a batch, forward, backward, Adam; the trainer and its optimiser are the same for both.

    Args:
        version: see :class:`EKVAESettings`.
        batch: sequences of 15 frames in a batch.
        validate: whether ``torch.distributions`` check their arguments, as they do unless told otherwise.
        repeats: of ``steps`` steps each.
        steps: in a repeat.

    Returns:
        Processor seconds a repeat; divide by ``steps`` for one step.
    """
    model = make_model(version)
    eager = make_trainer_of_noise(EagerEKVAE(model), batch)
    library = make_trainer_of_noise(model, batch)

    def advance(trainer: Trainer) -> None:
        for _ in range(steps):
            trainer.advance()

    Distribution.set_default_validate_args(validate)
    try:
        with one_thread():
            return compare(lambda: advance(eager), lambda: advance(library), repeats)
    finally:
        Distribution.set_default_validate_args(__debug__)
