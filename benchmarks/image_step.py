"""The training step of the reacher's image model: networks against each other, and frames against themselves.

One comparison is that of the lean network with Table A.2's convolutions. The other is that of the lean network's recipe
with the same recipe written plainly: every frame made floating point, standardised, halved and encoded, all of a batch
at once, for the bound and once more for the alignment.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from benchmarks.timing import Comparison, compare, one_thread
from benchmarks.training_step import fastest
from latentrl.inference.backends import AUTO, backend_named, choose
from latentrl.models.capabilities import Sampled
from latentrl.models.ekvae import EKVAE, EKVAESettings
from latentrl.models.spec import DataSpec
from latentrl.networks import NETWORKS, NetworkName
from latentrl.networks.lean import halved
from latentrl.numerics.distributions import DiagonalGaussian
from latentrl.objectives.rewo import REWO
from latentrl.training.building import trainer_for
from latentrl.training.coarse_to_fine import Schedule
from latentrl.training.penalties import PositionTarget, penalties_of
from latentrl.training.recipes import on_chart
from latentrl.training.settings import TrainSettings
from latentrl.training.trainer import Trainer
from latentrl.types import Sequences

LENGTH = 30
SHAPE = (64, 64, 3)
ACTIONS = 2
SETTINGS = EKVAESettings(state_size=5, position_size=3, standardise=True)
TABLE = replace(SETTINGS, base_matrices=8, gate_hidden=(64, 64))
DRAWN = 6
"""Frames of a sequence that a step of the recipe draws."""


class PlainEKVAE(EKVAE):
    """The EKVAE whose networks take all frames of a batch at once, whole and in floating point."""

    def encode(self, observations: Tensor) -> DiagonalGaussian:
        lead = observations.shape[:-3]
        assert self.standard is not None
        encoded = self.encoder(halved(self.standard(self.to_unit(observations.reshape(-1, *SHAPE)))))
        return DiagonalGaussian(encoded.mean.reshape(*lead, -1), encoded.variance.reshape(*lead, -1))

    def squared_error(self, positions: Tensor, observations: Tensor) -> Tensor:
        (errors,) = self._squared_error(positions.flatten(0, -2), observations.reshape(-1, *SHAPE))
        return errors.reshape(positions.shape[:-1])


class PlainTrainer(Trainer):
    """The trainer whose alignment encodes the frames once more."""

    def _sample(self, batch: Sequences, noise: torch.Generator) -> Sampled:
        return super()._sample(batch, noise)._replace(positions=None)


def make_trainer(network: NetworkName, batch: int, length: int = LENGTH, seed: int = 0) -> Trainer:
    """The default training, without blur and alignment, of the sizes in Table A.2 on pictures of noise."""
    settings = replace(TABLE, network=network, hidden=NETWORKS[network].hidden)
    model, data = make_model(EKVAE, settings, seed), noise(2 * batch, length, seed)
    plain = replace(TrainSettings(), batch=batch, blur=Schedule(width=0.0), alignment=0.0)
    return trainer_for(model, REWO(0.03**2), data, plain, seed=seed)


def make_recipe(
    plainly: bool, batch: int, length: int = LENGTH, seed: int = 0, device: torch.device | None = None
) -> Trainer:
    """The reacher's training after its start on a chart, on pictures of noise and a random chart of them."""
    settings = replace(SETTINGS, network="lean", hidden=NETWORKS["lean"].hidden, drawn_frames=min(DRAWN, length - 1))
    model, data = make_model(PlainEKVAE if plainly else EKVAE, settings, seed), noise(2 * batch, length, seed)
    make = PlainTrainer if plainly else Trainer
    device = device or torch.device("cpu")
    if device.type != "cpu":
        model.use_backend(backend_named(choose(AUTO, device.type)))
    model, data = model.to(device), data.to(device)
    recipe, target = replace(on_chart(TrainSettings()), batch=batch), PositionTarget()
    velocities = model.latent_size - model.position_size
    target.move(random_cylinder(2 * batch, length, seed), velocities, device)
    return make(model, REWO(0.03**2), data, recipe, seed, penalties_of(model, recipe, target).values())


def make_model(kind: type[EKVAE], settings: EKVAESettings, seed: int) -> EKVAE:
    """A model of its own random numbers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = kind(DataSpec(SHAPE, "uint8", ACTIONS, (1.0,) * ACTIONS), settings)
    model.use_backend(fastest())
    return model


def noise(count: int, length: int, seed: int) -> Sequences:
    """Pictures and actions."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (count, length, *SHAPE), dtype=torch.uint8, generator=generator)
    return Sequences(images, 2 * torch.rand(count, length - 1, ACTIONS, generator=generator) - 1)


def random_cylinder(count: int, length: int, seed: int) -> Tensor:
    """Places ``[N, T, 3]`` on a ring and a line of unit variance."""
    angle, line = torch.rand(2, count, length, generator=torch.Generator().manual_seed(seed))
    angle = 2 * math.pi * angle
    return torch.stack((2**0.5 * angle.cos(), 2**0.5 * angle.sin(), 12**0.5 * (line - 0.5)), -1)


def compare_networks(batch: int, repeats: int, length: int = LENGTH) -> Comparison:
    """Processor seconds of whole steps on one thread: the convolutions are the yardstick."""
    return _on_one_thread(make_trainer("conv", batch, length), make_trainer("lean", batch, length), repeats)


def compare_recipes(batch: int, repeats: int, length: int = LENGTH) -> Comparison:
    """Processor seconds of whole steps on one thread: the plainly written recipe is the yardstick."""
    return _on_one_thread(make_recipe(True, batch, length), make_recipe(False, batch, length), repeats)


def _on_one_thread(yardstick: Trainer, subject: Trainer, repeats: int) -> Comparison:
    with one_thread():
        return compare(yardstick.advance, subject.advance, repeats)
