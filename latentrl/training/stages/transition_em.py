"""The transition of a model of sensors, alone, by expectation-maximisation, once all else is trained.

Given trajectories from the posterior, the part of the bound that depends on the transition is a regression of one state
on the one before, whose steps are cheap. Trajectories are drawn for all sequences (E), p(z_t | z_t-1, u_t-1) is fitted
to them for some steps and p(a | z) in closed form (M), and so on: a generalised, stochastic EM (Dempster et al., 1977;
Neal and Hinton, 1998). Encoder, decoder and prior stay. A departure from the source.
"""

from __future__ import annotations

import time
from typing import ClassVar

import torch
from torch import Tensor

from latentrl.live.bars import Shown
from latentrl.models.base import WorldModel
from latentrl.models.capabilities import FrameEncoder, LocallyLinear, PathSampler
from latentrl.models.over_data import encode_frames, spread_sample
from latentrl.training.adam import FusedAdam
from latentrl.training.fitting import Fitting
from latentrl.training.settings import TrainSettings
from latentrl.training.situation import Situation
from latentrl.training.stages.base import Stage
from latentrl.training.training import Training
from latentrl.transitions.regression import Regression
from latentrl.types import Sequences

ROUND = 300
"""Steps of M for one of E."""
BATCH = 1024
"""Pairs of neighbouring states in a step of M."""
LEARNING_RATES = {"transition": 2e-3, "noise": 6e-3}
"""Of Adam, by parameter group: larger ones gain nothing (docs/ekvae.md)."""
AT_ONCE = 256
"""Sequences that trajectories are drawn for at a time."""
SEQUENCES = 2000
"""Sequences that trajectories are drawn for, at least, where there are so many."""


class TransitionByEM(Stage):
    """Transition and noises are fitted to trajectories drawn from the model's own posterior."""

    needs: ClassVar[tuple[type, ...]] = (FrameEncoder, LocallyLinear, PathSampler)

    def why(self, situation: Situation, settings: TrainSettings) -> str | None:
        if not settings.em_steps or situation.data.length < 2:
            return None
        return (
            f"{settings.em_steps} steps on drawn trajectories: a fraction of the price of a gradient step of the bound"
        )

    def run(self, training: Training) -> None:
        settings = training.settings
        training.trainer.seconds += fit_transition_by_em(
            training.model,
            training.data,
            settings.em_steps,
            settings.matrix_spread,
            training.seed,
            training.progress,
        )


def fit_transition_by_em(
    model: WorldModel, data: Sequences, steps: int, spread: float, seed: int = 0, progress: Shown = True
) -> float:
    """Fit transition and noises of ``model`` to trajectories drawn from its own posterior, in place.

    Args:
        model: trained.
        data: the training sequences, of two time steps or more.
        steps: of M; none leave everything as it is.
        spread: of the base matrices: see ``LocallyLinearTransition.matrix_prior``.
        seed: of trajectories and batches.
        progress: show a progress bar.

    Returns:
        How long it took, in seconds.
    """
    began, groups = time.perf_counter(), model.parameter_groups()
    if not steps or data.length < 2:
        return 0.0
    assert isinstance(model, FrameEncoder) and isinstance(model, LocallyLinear) and isinstance(model, PathSampler)
    some, dynamics = spread_sample(data, SEQUENCES), model.locally_linear()
    encoded = encode_frames(model, some)
    device = encoded.mean.device
    actions = some.actions.to(device)
    generator = torch.Generator(device).manual_seed(seed)
    parameters = {"transition": groups["transition"], "noise": [dynamics.log_noise]}
    optimiser = FusedAdam({"params": parameters[name], "lr": rate} for name, rate in LEARNING_RATES.items())
    fitting = Fitting(optimiser, steps, "transition", progress, shown="nats")
    regression = Regression(dynamics, spread, actions.shape[:2].numel())
    for step in fitting:
        if step % ROUND == 0:
            states = _expectation(model, encoded.rsample(generator), actions, generator)
            pairs = regression.rows(states[:, :-1], actions, states[:, 1:]).flatten(0, 1)
        index = torch.randint(len(pairs), (BATCH,), generator=generator, device=device)
        error = regression.differentiate(pairs.index_select(0, index))
        optimiser.step()
        fitting.tell(float(error))
    return time.perf_counter() - began


@torch.no_grad()
def _expectation(model: PathSampler, positions: Tensor, actions: Tensor, generator: torch.Generator) -> Tensor:
    """A trajectory ``[N, T, Dz]`` for each of ``positions [N, T, Da]``; R is set to what it leaves of them."""
    # A few at a time stay in a processor's caches.
    pieces = zip(positions.split(AT_ONCE), actions.split(AT_ONCE), strict=True)
    states = torch.cat([model.draw_paths(*piece, generator) for piece in pieces])
    left = (positions - states[..., : positions.shape[-1]]).square().mean((0, 1))
    model.fit_emission_noise(left)
    return states.float()
