"""The recursion of an EKVAE, forward and backward, without encoder and decoder: eager code, and each backend.

It is what a training step does between a sample of the positions and the terms of the rate: lay the weights out,
filter, smooth or draw a path, mix F, B and Q by the alpha network, sum the densities, and all of it backwards.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from benchmarks.eager_ekvae import EagerEKVAE
from benchmarks.timing import Comparison, compare, one_thread
from benchmarks.training_step import LENGTH, TORQUE, Version, make_model
from latentrl.inference.backends import backend_named
from latentrl.models.ekvae import EKVAE
from latentrl.numerics.distributions import DiagonalGaussian
from latentrl.priors import PRIORS


def recursion_model(version: Version, seed: int = 0) -> EKVAE:
    """The training step's model with N(0, I) as prior: the VHP's networks are no part of the recursion."""
    model = make_model(version, seed)
    model.settings = replace(model.settings, prior="normal")
    model.initial_distribution = PRIORS["normal"](model.state_size, ())
    return model


def forward_backward(model: EKVAE, batch: int, length: int = LENGTH) -> list[torch.Tensor]:
    """One pass over random positions; returns the gradients of positions and transition."""
    generator = torch.Generator().manual_seed(0)
    positions = torch.randn(batch, length, model.position_size, generator=generator).requires_grad_()
    torques = TORQUE * (2 * torch.rand(batch, length - 1, 1, generator=generator) - 1)
    posterior = DiagonalGaussian(positions.detach(), torch.ones_like(positions))
    terms = model.rate_terms(posterior, positions, torques, generator)
    total = (terms.emission + terms.transition + terms.posterior).sum()
    return list(torch.autograd.grad(total, [positions, *model.dynamics.parameters()]))


def compare_recursions(version: Version, batch: int, backend: str, repeats: int, length: int = LENGTH) -> Comparison:
    """Processor seconds of a pass: eager code is the yardstick.

    Args:
        version: see :class:`EKVAESettings`.
        batch: sequences.
        backend: see :data:`latentrl.inference.backends.BACKENDS`.
        repeats: of one pass each.
        length: T.
    """
    subject = recursion_model(version)
    yardstick = EagerEKVAE(subject)
    subject.use_backend(backend_named(backend))
    with one_thread():
        return compare(
            lambda: forward_backward(yardstick, batch, length),
            lambda: forward_backward(subject, batch, length),
            repeats,
            warm_up=2,
        )
