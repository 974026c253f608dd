"""The transition of a model that began on a chart, alone, once encoder and decoder are trained.

Without pictures a step is cheap and can take more sequences, so that its gradient has less noise. This is the bound's
ascent in the parameters of transition, noises and filter alone. A departure from the source.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from latentrl.live.bars import Shown
from latentrl.models.base import WorldModel
from latentrl.models.capabilities import FrameEncoder, LatentRate
from latentrl.models.over_data import encode_frames
from latentrl.numerics.distributions import DiagonalGaussian
from latentrl.training.fitting import Fitting
from latentrl.training.penalties.velocity import VelocityPenalty
from latentrl.training.settings import TrainSettings
from latentrl.training.situation import Situation
from latentrl.training.stages.base import Stage
from latentrl.training.training import Training
from latentrl.types import Sequences

BATCH = 64
"""Sequences in a step."""
LEARNING_RATES = {"transition": 2e-3, "noise": 6e-3}

ALIGNED = 0.1
"""The share of the velocities' alignment that is kept here: more makes predictions worse."""

Unexplained = Callable[[Tensor, Tensor], Tensor]
"""``(states [B, T, Dz], index [B]) -> scalar``: see `latentrl.training.penalties.velocity.VelocityPenalty`."""


class TransitionAlone(Stage):
    """Transition and noises are fitted to the encoder's positions by the bound; velocities stay aligned."""

    needs: ClassVar[tuple[type, ...]] = (FrameEncoder, LatentRate)

    def why(self, situation: Situation, settings: TrainSettings) -> str | None:
        if not settings.transition_steps:
            return None
        return f"{settings.transition_steps} steps of {BATCH} sequences: without pictures they cost little"

    def run(self, training: Training) -> None:
        model, settings = training.model, training.settings
        penalty = VelocityPenalty(model.position_size, training.target, settings.velocity_alignment)
        training.trainer.seconds += fit_transition(
            model,
            training.data,
            settings.transition_steps,
            penalty.unexplained,
            ALIGNED * settings.velocity_alignment,
            training.seed,
            training.progress,
        )


def fit_transition(
    model: WorldModel,
    data: Sequences,
    steps: int,
    unexplained: Unexplained,
    weight: float,
    seed: int = 0,
    progress: Shown = True,
) -> float:
    """Fit transition and noises of ``model`` to the positions that its encoder gives, in place.

    Args:
        model: trained.
        data: the training sequences.
        steps: of ``BATCH`` sequences each; none leave everything as it is.
        unexplained: of the velocities, which stay aligned.
        weight: of it, relative to the rate of one time step.
        seed: of sequences and samples.
        progress: show a progress bar.

    Returns:
        How long it took, in seconds.
    """
    began, groups = time.perf_counter(), model.parameter_groups()
    if not steps:
        return 0.0
    assert isinstance(model, FrameEncoder) and isinstance(model, LatentRate)
    encoded, actions = encode_frames(model, data), data.actions
    device = encoded.mean.device
    optimiser = torch.optim.Adam([{"params": groups[name], "lr": rate} for name, rate in LEARNING_RATES.items()])
    generator = torch.Generator(device).manual_seed(seed)
    fitting = Fitting(optimiser, steps, "transition", progress, shown="rate")
    for _ in fitting:
        index = torch.randint(len(data), (BATCH,), generator=generator, device=device)
        posterior = DiagonalGaussian(encoded.mean[index], encoded.variance[index])
        batch = actions[index.to(actions.device)].to(device)
        terms, states = model.sampled_rate_terms(posterior, posterior.rsample(generator), batch, generator)
        rate = torch.stack(tuple(terms)).sum(0).mean() / data.length
        fitting.step(rate + weight * unexplained(states, index), rate)
    return time.perf_counter() - began
