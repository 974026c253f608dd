"""The transition of a model of sensors, alone, by expectation-maximisation, once all else is trained.

A gradient step of the bound runs filter and smoother through thirty time steps to learn a little about the transition.
With trajectories drawn from the posterior once in a while, what is left of the bound that depends on the transition is
a regression of one state on the one before, and a step of that costs a tenth. Trajectories are drawn for all sequences
(E), p(z_t | z_t-1, u_t-1) is fitted to them for a few hundred steps and p(a | z) in closed form (M), and so on: a
generalised, stochastic EM (Dempster et al., 1977; Neal and Hinton, 1998). Encoder, decoder and prior stay. A departure
from the source.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import torch
from torch import Tensor

from latentrl.inference.kalman import sample_paths
from latentrl.models.ekvae import EKVAE
from latentrl.models.over_data import encode_frames, spread_sample
from latentrl.training.fitting import Fitting
from latentrl.types import Sequences

ROUND = 300
"""Steps of M for one of E."""
BATCH = 1024
"""Pairs of neighbouring states in a step of M."""
LEARNING_RATES = {"transition": 2e-3, "noise": 6e-3}
"""Twice these gain as much, four times less, nine times make predictions worse than they were before."""
SEQUENCES = 2000
"""At least, that trajectories are drawn for, where there are so many."""


class Pairs(NamedTuple):
    """Neighbouring states of drawn trajectories, and the action between: ``before``, ``after [N, Dz]``, ``action``."""

    before: Tensor
    after: Tensor
    action: Tensor


def fit_transition_by_em(
    model: EKVAE, data: Sequences, steps: int, spread: float, seed: int = 0, progress: bool = True
) -> float:
    """Fit transition and noises of ``model`` to trajectories drawn from its own posterior, in place.

    Args:
        model: trained.
        data: the training sequences, of two time steps or more.
        steps: of M; none leave everything as it is.
        spread: of the base matrices: see :meth:`latentrl.transitions.locally_linear.LocallyLinearTransition.matrix_prior`.
        seed: of trajectories and batches.
        progress: show a progress bar.

    Returns:
        How long it took, in seconds.
    """
    began, groups = time.perf_counter(), model.parameter_groups()
    if not steps or data.length < 2:
        return 0.0
    some = spread_sample(data, SEQUENCES)
    encoded = encode_frames(model, some)
    device = encoded.mean.device
    actions = some.actions.to(device)
    generator = torch.Generator(device).manual_seed(seed)
    parameters = {"transition": groups["transition"], "noise": [model.dynamics.log_noise]}
    optimiser = torch.optim.Adam(
        [{"params": parameters[name], "lr": rate} for name, rate in LEARNING_RATES.items()], fused=True
    )
    fitting = Fitting(optimiser, steps, "transition", progress, shown="nats")
    for step in fitting:
        if step % ROUND == 0:
            pairs = _expectation(model, encoded.rsample(generator), actions, generator)
        index = torch.randint(len(pairs.before), (BATCH,), generator=generator, device=device)
        following = model.transition(pairs.before[index], pairs.action[index])
        error = -following.log_prob(pairs.after[index]).mean()
        fitting.step(error + model.dynamics.matrix_prior(spread) / len(pairs.before), error)
    return time.perf_counter() - began


@torch.no_grad()
def _expectation(model: EKVAE, positions: Tensor, actions: Tensor, generator: torch.Generator) -> Pairs:
    """A trajectory for each of ``positions [N, T, Da]``; R is set to what it leaves of them."""
    weights = model.dynamics.weights(torch.float64)
    run = model.run_filter(positions.double(), weights.scaled(actions), weights)
    states = sample_paths(*run, generator).states
    left = (positions - states[..., : model.position_size]).square().mean((0, 1))
    model.log_emission_noise.copy_((left - model.settings.noise_floor).clamp(min=model.settings.noise_floor).log())
    states = states.float()
    return Pairs(states[:, :-1].flatten(0, 1), states[:, 1:].flatten(0, 1), actions.flatten(0, 1))
