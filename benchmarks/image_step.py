"""The training step of the reacher's image model with the lean network against that with Table A.2's convolutions."""

from __future__ import annotations

from dataclasses import replace

import torch

from benchmarks.timing import Comparison, compare
from latentrl.architectures import NETWORKS, NetworkName
from latentrl.coarse_to_fine import Schedule
from latentrl.models.base import DataSpec
from latentrl.models.ekvae import EKVAE, EKVAESettings
from latentrl.objective import REWO
from latentrl.training import Trainer, TrainSettings
from latentrl.types import Sequences

LENGTH = 30
SHAPE = (64, 64, 3)
ACTIONS = 2


def make_trainer(network: NetworkName, batch: int, length: int = LENGTH, seed: int = 0) -> Trainer:
    """The default training, without blur and alignment, of the sizes in Table A.2 on pictures of noise."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (2 * batch, length, *SHAPE), dtype=torch.uint8, generator=generator)
    actions = 2 * torch.rand(2 * batch, length - 1, ACTIONS, generator=generator) - 1
    settings = EKVAESettings(
        state_size=5,
        position_size=3,
        base_matrices=8,
        gate_hidden=(64, 64),
        network=network,
        hidden=NETWORKS[network].hidden,
        standardise=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = EKVAE(DataSpec(SHAPE, "uint8", ACTIONS, (1.0,) * ACTIONS), settings)
    plain = replace(TrainSettings(), batch=batch, blur=Schedule(width=0.0), alignment=0.0)
    return Trainer(model, REWO(0.03**2), Sequences(images, actions), plain, seed=seed)


def compare_networks(batch: int, repeats: int, length: int = LENGTH) -> Comparison:
    """Processor seconds of whole steps on one thread: the convolutions are the yardstick."""
    conv, lean = (make_trainer(network, batch, length) for network in ("conv", "lean"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return compare(conv.advance, lean.advance, repeats)
    finally:
        torch.set_num_threads(threads)
