"""Warm start: a model that begins on a chart of the pictures instead of anywhere.

Where small motions matter, training from random weights ends in a local minimum (docs/ekvae.md). On single frames,
drawn anew for every step, the encoder learns a chart of :mod:`latentrl.geometry.charts` and the decoder to draw from
it, then both together; last the transition learns to move along it. No label is involved, and everything goes on being
trained. A departure from the source.
"""

from __future__ import annotations

import math
import time
from typing import ClassVar

import torch
from torch import Tensor

from latentrl.geometry.charts import Charted
from latentrl.geometry.descriptors import LANDMARKS
from latentrl.geometry.topologies import topology_of
from latentrl.live.bars import Shown
from latentrl.models.base import WorldModel
from latentrl.models.capabilities import FrameDecoder, FrameEncoder, LocallyLinear
from latentrl.models.over_data import encode_frames
from latentrl.numerics.least_squares import least_squares
from latentrl.numerics.pieces import frames_at, spread_frames
from latentrl.objectives.constrained import Constrained
from latentrl.training.adam import FusedAdam
from latentrl.training.fitting import LEARNING_RATE, Fitting
from latentrl.training.kept_target import CHART, keep_target
from latentrl.training.settings import TrainSettings
from latentrl.training.situation import Situation
from latentrl.training.stages.base import Stage
from latentrl.training.training import Training
from latentrl.types import Sequences

FRAMES, DRAWN = 320, 100
"""Frames in a step of the encoder, and how many of them the decoder draws."""
DRAWN_FROM, AGAIN = 0.4, 0.8
"""When of the steps the decoder's gradient reaches the encoder, and when the positions are straightened again."""
DOUBT = 0.01
"""Weight of the variance's likelihood beside the squared error of the mean."""
MOTION_STEPS = 1500
RIDGE = 0.1
"""Of the velocities' fit, relative to the mean diagonal: two velocities may move the position alike."""


def moving_frame(chart: Tensor, size: int, starts: int = 24, rounds: int = 60, sample: int = 6_000) -> Tensor:
    """Fewer velocities than positions: ``J(a) = J_0 + J_1 a``, with what moves per step as ``J(a_t) v_t``.

    ``J`` and the velocities are fitted in turn to the steps of ``chart``, so that a position that goes around a ring is
    moved along it by *one* velocity wherever it is.

    Args:
        chart: ``[N, T, Da]``.
        size: Dv, at most Da.
        starts: random ones, of which the best fit is taken.
        rounds: of the two fits.
        sample: steps, evenly spread, that are fitted.

    Returns:
        ``[Da, Dv, 1 + Da]``: constant and linear part; the velocities have unit variance.
    """
    moved, position = chart.diff(dim=1).flatten(0, 1), chart[:, 1:].flatten(0, 1)
    stride = max(1, len(moved) // sample)
    moved, affine = moved[::stride], _affine(position[::stride])
    best, least = torch.empty(0), torch.inf
    for start in range(starts):
        generator = torch.Generator().manual_seed(start)
        frame = torch.randn(moved.shape[1], size, affine.shape[1], generator=generator)
        for _ in range(rounds):
            velocity = _velocities(frame, affine, moved)
            design = (velocity.unsqueeze(-1) * affine.unsqueeze(1)).flatten(1)
            frame = least_squares(design, moved).T.reshape(frame.shape)
        left = float((moved - design @ frame.flatten(1).T).square().sum())
        if left < least:
            best, least = frame, left
    return best


def _own_frame(size: int) -> Tensor:
    """As many velocities as positions: each moves its own, wherever it is."""
    return torch.cat((torch.eye(size).unsqueeze(-1), torch.zeros(size, size, size)), -1)


def _affine(position: Tensor) -> Tensor:
    return torch.cat((torch.ones_like(position[:, :1]), position), 1)


def _local(frame: Tensor, affine: Tensor) -> Tensor:
    """``J(a) [N, Da, Dv]``."""
    return torch.einsum("ijk,nk->nij", frame, affine)


def _velocities(frame: Tensor, affine: Tensor, moved: Tensor) -> Tensor:
    local = _local(frame, affine)
    across = local.transpose(1, 2)
    normal = across @ local
    ridge = RIDGE * normal.diagonal(dim1=1, dim2=2).mean() * torch.eye(frame.shape[1])
    found = torch.linalg.solve(normal + ridge, across @ moved.unsqueeze(-1)).squeeze(-1)
    return found / found.std(0)


class ChartStart(Stage):
    """Encoder, decoder and transition begin on a chart of the pictures."""

    needs: ClassVar[tuple[type, ...]] = (FrameEncoder, FrameDecoder, LocallyLinear)
    leaves: ClassVar[tuple[str, ...]] = (CHART,)

    def why(self, situation: Situation, settings: TrainSettings) -> str | None:
        if not settings.warm_start:
            return None
        return f"{settings.warm_start} steps: blurred pictures do not tell all of the position, a chart of them does"

    def run(self, training: Training) -> None:
        began = time.perf_counter()
        model, charted, trainer = training.model, training.charted, training.trainer
        assert charted is not None
        steps = training.settings.warm_start
        left, places = start_on_chart(model, training.data, charted, steps, training.seed, training.progress)
        # The networks' own error is the best estimate of what they can reach; the transition's noise adds to it.
        if isinstance(trainer.objective, Constrained) and training.loosen:
            trainer.objective.loosen(2 * left)
        keep_target(training, places)
        trainer.seconds += time.perf_counter() - began


def start_on_chart(
    model: WorldModel, data: Sequences, charted: Charted, steps: int, seed: int = 0, progress: Shown = True
) -> tuple[float, Tensor]:
    """Fit ``model`` to a chart, in place.

    The chart's places have the error of single pictures among their neighbours. Once the decoder can draw, its gradient
    takes that error away; the positions are then straightened once more, and fitted again.

    Args:
        model: with the capabilities of :class:`ChartStart`; its position is to be the chart.
        data: the training sequences.
        charted: those of them that the chart was read off, and their places.
        steps: of encoder and decoder.
        seed: of the frames drawn.
        progress: show a progress bar.

    Returns:
        Squared error per observation dimension of the last pictures drawn, and the places of ``data`` ``[N, T, Da]``
        on the chart as it is now.
    """
    generator = torch.Generator().manual_seed(seed)
    error, places = _start_networks(model, data, charted, steps, generator, progress)
    start_transition(model, places, generator)
    return error, places


def _start_networks(
    model: WorldModel, data: Sequences, charted: Charted, steps: int, generator: torch.Generator, progress: Shown
) -> tuple[float, Tensor]:
    device = next(model.parameters()).device
    observations, places = charted.data.observations, charted.places.flatten(0, 1)
    assert isinstance(model, FrameEncoder) and isinstance(model, FrameDecoder)
    groups = model.parameter_groups()
    parameters = [*groups["encoder"], *groups["decoder"]]
    optimiser = FusedAdam(parameters, LEARNING_RATE)
    drawn_from, again = (math.floor(share * steps) for share in (DRAWN_FROM, AGAIN))
    straight = charted.places
    fitting = Fitting(optimiser, steps, "warm start", progress)
    for step in fitting:
        if step == again:
            positions = encode_frames(model, data).mean.cpu()
            straight = topology_of(spread_frames(positions, LANDMARKS)).even(positions, data.observations)
            observations, places = data.observations, straight.flatten(0, 1)
        index = torch.randint(len(places), (FRAMES,), generator=generator)
        seen, wanted = frames_at(observations, index).to(device), places[index].to(device)
        posterior = model.encode(seen)
        missed = (posterior.mean - wanted).square()
        # The variance is fitted to the mean's error, without a gradient to the mean.
        doubt = (posterior.variance.log() + missed.detach() / posterior.variance).mean()
        # Cut off at first: a decoder that cannot draw yet would bend the chart.
        position = posterior.mean[:DRAWN] if step >= drawn_from else posterior.mean[:DRAWN].detach()
        error = model.squared_error(position, seen[:DRAWN]).mean()
        loss = missed.mean() + DOUBT * doubt + error / model.error_unit().square()
        fitting.step(loss, error, off_the_chart=missed.mean())
    return fitting.error, straight


def start_transition(model: WorldModel, chart: Tensor, generator: torch.Generator) -> None:
    """F moves the position by ``J(a) v`` and keeps the velocity, for any state on the chart."""
    assert isinstance(model, LocallyLinear)
    size, positions = model.state_size, model.position_size
    velocities = size - positions
    places = chart.flatten(0, 1)
    transition = model.locally_linear()
    frame = _own_frame(positions) if velocities == positions else moving_frame(chart, velocities)
    device = next(model.parameters()).device
    optimiser = torch.optim.Adam(transition.parameters(), lr=3e-3)
    for _ in range(MOTION_STEPS):
        index = torch.randint(len(places), (256,), generator=generator)
        position = places[index]
        state = torch.cat((position, torch.randn(256, velocities, generator=generator)), 1)
        control = 0.5 * torch.randn(256, transition.action_size, generator=generator)
        wanted = torch.eye(size).repeat(256, 1, 1)
        wanted[:, :positions, positions:] = _local(frame, _affine(position))
        weights = transition.weights(torch.float32)
        local = weights.linearise(state.to(device), weights.gate_input(control.to(device)))
        optimiser.zero_grad()
        (local.state_matrix - wanted.to(device)).square().sum((1, 2)).mean().backward()
        optimiser.step()
