"""What a model says of held-out sequences: open-loop predictions, how far they are off, and the bound.

Squared errors are per observation dimension, images in [0, 1]. They are taken a piece at a time, for predictions and
truth of all sequences need not fit into memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from latentrl.models.base import WorldModel
from latentrl.models.over_data import piece_slices, sequence_pieces, smooth
from latentrl.types import Belief, Sequences

PREDICTION_CONTEXT = 5
"""Time steps that the first state of a prediction is inferred from: z_1 or z_5 given x_1:5, u_1:4."""


@torch.no_grad()
def open_loop(model: WorldModel, state: Tensor, actions: Tensor) -> Tensor:
    """States ``[B, T, Dz]`` from ``state [B, Dz]`` by the mean transition under ``actions [B, T - 1, Du]``."""
    states = [state]
    for action in actions.to(state.device).unbind(1):
        states.append(model.transition(states[-1], action).mean)
    return torch.stack(states, 1)


@torch.no_grad()
def predict_states(model: WorldModel, data: Sequences, generator: torch.Generator) -> Tensor:
    """Open-loop predictions ``[B, T, state_size]`` of all T states.

    The first is *sampled* from q(z_1 | x_1:5, u_1:4) (Latent Matters, 4.4.2); the rest uses the true controls.
    """
    belief = smooth(model, data.truncate(min(PREDICTION_CONTEXT, data.length)))
    first = Belief(belief.mean[:, 0], belief.covariance[:, 0]).sample(generator).float()
    return open_loop(model, first, data.actions)


@torch.no_grad()
def predict_filtered_states(model: WorldModel, data: Sequences, generator: torch.Generator) -> Tensor:
    """Open-loop predictions ``[B, T - 4, state_size]`` of z_5:T, from one sampled from the online filter's z_5.

    For recurrent models the memory has seen x_1:5 too (Latent Matters, 4.4.3). Sequences shorter than five steps are
    filtered to their end.
    """
    belief, first = filtered_belief(model, data, generator.device)
    return open_loop(model, belief.sample(generator).float(), data.actions[:, first:])


def filtered_belief(model: WorldModel, data: Sequences, device: torch.device) -> tuple[Belief, int]:
    """The online filter's belief over z_5, ``[B]``, and the index of its step; the last of shorter sequences."""
    last = min(PREDICTION_CONTEXT, data.length) - 1
    belief = model.initial_belief(data.observations[:, 0].to(device))
    for t in range(last):
        belief = model.filter(belief, data.actions[:, t].to(device), data.observations[:, t + 1].to(device))
    return belief, last


@torch.no_grad()
def predict_images(model: WorldModel, data: Sequences, generator: torch.Generator) -> Tensor:
    """Open-loop predictions ``[B, T, *shape]`` of all T observations, from :func:`predict_states`."""
    return model.emission(predict_states(model, data, generator)).mean


@torch.no_grad()
def predict_filtered_images(model: WorldModel, data: Sequences, generator: torch.Generator) -> Tensor:
    """Open-loop predictions ``[B, T - 4, *shape]`` of x_5:T, from :func:`predict_filtered_states`."""
    return model.emission(predict_filtered_states(model, data, generator)).mean


def sequence_errors(model: WorldModel, states: Tensor, frames: Tensor) -> Tensor:
    """Mean squared error ``[N]`` of each sequence that ``states`` stand for.

    Args:
        model: whose emission means are compared.
        states: ``[N, T, state_size]``.
        frames: ``[N, T, *shape]``, uint8 or floating point: what there is to predict.
    """
    return torch.cat([errors.flatten(1).mean(1) for errors in _squared_errors(model, states, frames)])


def mean_error(model: WorldModel, states: Tensor, frames: Tensor, units: Tensor | None = None) -> float:
    """Mean squared error of ``states [N, T, state_size]`` decoded, against ``frames [N, T, *shape]``.

    Args:
        model: which decodes.
        states: of it.
        frames: uint8 or floating point.
        units: ``[*shape]``, what an error of each dimension is counted in; None: in the frames' own.
    """
    squared = 1.0 if units is None else units.to(states.device).square()
    return float(_mean((len(errors), (errors / squared).mean()) for errors in _squared_errors(model, states, frames)))


def mean_frame_error(model: WorldModel, frames: Tensor) -> float:
    """Mean squared error of always predicting the average of ``frames [N, T, *shape]``: a yardstick."""
    pieces = list(piece_slices(frames))
    average = _mean((len(frames[piece]), model.to_unit(frames[piece]).mean((0, 1))) for piece in pieces).float()
    return float(
        _mean((len(frames[piece]), (model.to_unit(frames[piece]) - average).square().mean()) for piece in pieces)
    )


@torch.no_grad()
def elbo_per_step(model: WorldModel, data: Sequences, generator: torch.Generator) -> float:
    """A one-sample estimate of the evidence lower bound per time step, in nats."""
    found = [model.rate_distortion(piece, generator) for piece in sequence_pieces(data, generator.device)]
    return float(-torch.cat([terms.rate + terms.distortion for terms in found]).mean() / data.length)


@torch.no_grad()
def _squared_errors(model: WorldModel, states: Tensor, frames: Tensor) -> Iterator[Tensor]:
    """Squared errors ``[n, T, *shape]`` of one piece of sequences after the other."""
    for piece in piece_slices(frames):
        truth = model.to_unit(frames[piece].to(states.device))
        yield (model.emission(states[piece]).mean - truth).square()


def _mean(parts: Iterable[tuple[int, Tensor]]) -> Tensor:
    """The mean over all of the data from the means of its parts and their lengths, float64; of one part, its own."""
    lengths, means = zip(*parts, strict=True)
    stacked = torch.stack(means).double()
    weights = stacked.new_tensor(lengths)
    return torch.tensordot(weights, stacked, 1) / weights.sum()
