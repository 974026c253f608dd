"""How real imagined sequences are, as two numbers that need no label.

In order to generate realistic data, the prior has to match the inferred latent manifold (Latent Matters, Figure 4.3):

- the *off-manifold share* is the share of imagined first states z_1 ~ p(z_1) that lie farther from the posterior
  states of held-out data than these lie from each other;
- the *energy distance* (Szekely and Rizzo, 2013) compares whole imagined and recorded sequences of observations, made
  under the same controls.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from latentrl.models.base import WorldModel
from latentrl.models.over_data import PIECE, smooth
from latentrl.numerics.neighbours import nearest, squared_distances
from latentrl.types import Belief, Sequences

FIRST_STATES = 2000
"""Imagined first states that the off-manifold share is estimated from."""
FEWEST_SEQUENCES, FEWEST_TO_COMPARE = 12, 2
"""Held-out sequences that the off-manifold share needs at least, and those that the energy distance does."""
MOST_SEQUENCES = 500
"""Sequences of the energy distance, whose cost is quadratic."""


class Estimate(NamedTuple):
    """A figure with its 95% bootstrap interval."""

    value: float
    low: float
    high: float


@torch.no_grad()
def imagine(model: WorldModel, actions: Tensor, generator: torch.Generator, sample: bool = True) -> Tensor:
    """States ``[N, T, state_size]`` from z_1 ~ p(z_1) under ``actions [N, T - 1, Du]`` in the environment's units.

    Args:
        model: its initial distribution and its transition are all that is used.
        actions: controls, on the model's device.
        generator: of the first states and of the process noise.
        sample: draw every next state; otherwise it is the transition's mean.
    """
    states = [model.initial_states(len(actions), generator)]
    for action in actions.unbind(1):
        step = model.transition(states[-1], action)
        states.append(step.rsample(generator) if sample else step.mean)
    return torch.stack(states, 1)


@torch.no_grad()
def generation_metrics(
    model: WorldModel, sequences: Sequences, generator: torch.Generator, belief: Belief | None = None
) -> dict[str, float]:
    """Both figures of ``model`` against held-out ``sequences``, each with the ends of its interval.

    The first states are compared with samples of the smoothed q(z_1 | x_1:T, u_1:T-1), which is what p(z_1) is to
    match; the sequences are imagined under the recorded controls, with process and sensor noise as the model has them.

    Args:
        model: what imagines.
        sequences: held-out sequences.
        generator: of everything that is drawn.
        belief: the smoothed states of ``sequences``, where they are known already.

    Returns:
        ``generated_off_manifold`` and ``generated_energy_distance``, and both with ``_low`` and ``_high`` appended;
        those for which there are too few sequences are left out.
    """
    if len(sequences) < FEWEST_TO_COMPARE:
        return {}
    # Splits and resamples run on the CPU, whatever the model's device is.
    local = torch.Generator().manual_seed(generator.initial_seed())
    belief = smooth(model, sequences) if belief is None else belief
    real = Belief(belief.mean[:, 0], belief.covariance[:, 0]).sample(generator)[:, : model.latent_size]
    first = model.initial_states(FIRST_STATES, generator)[:, : model.latent_size]
    figures = {}
    if len(real) >= FEWEST_SEQUENCES:
        figures["generated_off_manifold"] = off_manifold(first, real, local)
    chosen = sequences[:MOST_SEQUENCES]
    device = belief.mean.device
    states = imagine(model, chosen.actions.to(device), generator)
    recorded = (model.to_unit(frames.to(device)).flatten(1) for frames in chosen.observations.unbind(1))
    figures["generated_energy_distance"] = energy_distance_of_steps(_seen(model, states, generator), recorded, local)
    return {
        f"{name}{suffix}": number
        for name, estimate in figures.items()
        for suffix, number in zip(("", "_low", "_high"), estimate, strict=True)
    }


def _seen(model: WorldModel, states: Tensor, generator: torch.Generator) -> Iterator[Tensor]:
    """Sampled observations ``[N, D]`` of ``states [N, T, state_size]``, a time step at a time where they are many."""
    if states.shape[:2].numel() * math.prod(model.spec.observation_shape) <= PIECE:
        yield from model.emission(states).rsample(generator).flatten(2).unbind(1)
    else:
        for step in states.unbind(1):
            yield model.emission(step).rsample(generator).flatten(1)


def off_manifold(
    generated: Tensor,
    real: Tensor,
    generator: torch.Generator,
    neighbours: int = 5,
    quantile: float = 0.99,
    splits: int = 20,
    resamples: int = 500,
) -> Estimate:
    """The share of ``generated [N, D]`` that lies off the manifold of ``real [M, D]``.

    Around every point of a random half of ``real`` lies a ball that reaches to its ``neighbours``-th neighbour there
    (Kynkaanniemi et al., 2019), so that balls are small where the data are dense and wide where they are thin. A point
    is as far off as the distance to the nearest ball's centre in units of that ball's radius, after whitening by the
    covariance of ``real``; it lies off the manifold where a share ``quantile`` of the other half is nearer. So points
    from the distribution of ``real`` give ``1 - quantile``, whatever its shape. The result is the mean over ``splits``
    halvings; points that are not finite lie off.

    The interval is over the drawn points: the real ones are taken as they are.

    Raises:
        ValueError: fewer real points than ``2 * (neighbours + 1)``.
    """
    if len(real) < 2 * (neighbours + 1):
        raise ValueError(f"the off-manifold share needs {2 * (neighbours + 1)} real states or more; got {len(real)}")
    mean, whiten = _whitening(real.double().cpu())
    points, drawn = (real.double().cpu() - mean) @ whiten, (generated.double().cpu() - mean) @ whiten
    half = len(points) // 2
    ours, theirs = [], []
    for _ in range(splits):
        order = torch.randperm(len(points), generator=generator)
        centres, others = points[order[:half]], points[order[half:]]
        # The nearest centre to a centre is itself.
        radii = nearest(centres, centres, neighbours + 1)[0][:, -1].sqrt().clamp(min=1e-12)
        ours.append((squared_distances(drawn, centres).sqrt() / radii).amin(1))
        theirs.append((squared_distances(others, centres).sqrt() / radii).amin(1))
    bound = torch.cat(theirs).quantile(quantile)
    # Not "farther than": a NaN is no nearer than anything.
    off = 1 - (torch.stack(ours) <= bound).double().mean(0)
    draws = torch.randint(len(off), (resamples, len(off)), generator=generator)
    return _estimate(off.mean(), off[draws].mean(1))


def energy_distance(first: Tensor, second: Tensor, generator: torch.Generator, resamples: int = 500) -> Estimate:
    """How far the distributions of ``first [N, T, D]`` and ``second [M, T, D]`` are apart, as a share of their size.

    The energy distance 2 E|X - Y| - E|X - X'| - E|Y - Y'| over its first term: 0 where the distributions are the same,
    1 where each is a different point, or where a sequence is not finite. A sequence is never compared with itself, so
    the estimate has no bias and can come out a little below 0.
    """
    return energy_distance_of_steps(first.unbind(1), second.unbind(1), generator, resamples)


def energy_distance_of_steps(
    first: Iterable[Tensor], second: Iterable[Tensor], generator: torch.Generator, resamples: int = 500
) -> Estimate:
    """:func:`energy_distance` of sequences that come a time step at a time, each ``[N, D]`` and ``[M, D]``."""
    squared: list[Tensor] = []
    for x, y in zip(first, second, strict=True):
        if not (x.isfinite().all() and y.isfinite().all()):
            return Estimate(1.0, 1.0, 1.0)
        step = [_squared_distances(a, b) for a, b in ((x, y), (x, x), (y, y))]
        squared = [total + more for total, more in zip(squared, step, strict=True)] if squared else step
    between, *within = (distances.sqrt().cpu() for distances in squared)

    def ratio(weights: tuple[Tensor, Tensor]) -> Tensor:
        across = _mean_distance(between, *weights)
        spread = [
            _mean_distance(distances, weight, weight) / (1 - (weight / weight.sum(1, keepdim=True)).square().sum(1))
            for distances, weight in zip(within, weights, strict=True)
        ]
        return 1 - (spread[0] + spread[1]) / (2 * across)

    sizes = between.shape
    once = ratio((torch.ones(1, sizes[0]).double(), torch.ones(1, sizes[1]).double()))
    resampled = ratio((_bootstrap(resamples, sizes[0], generator), _bootstrap(resamples, sizes[1], generator)))
    # Of a handful of sequences a resample may hold one alone, which is at no distance from another.
    return _estimate(once[0], resampled[resampled.isfinite()])


def _whitening(points: Tensor) -> tuple[Tensor, Tensor]:
    """Mean ``[D]`` and W ``[D, D]`` such that ``(points - mean) @ W`` has the identity for its covariance."""
    values, vectors = torch.linalg.eigh(torch.atleast_2d(points.T.cov()))
    # A dimension that the data hardly uses is not blown up into noise.
    return points.mean(0), vectors / values.clamp(min=1e-8 * float(values.max()) + 1e-300).sqrt()


def _squared_distances(first: Tensor, second: Tensor) -> Tensor:
    """Squared Euclidean distances ``[N, M]`` between ``[N, D]`` and ``[M, D]``, float64."""
    centre = second.double().mean(0)
    return torch.cdist(first.double() - centre, second.double() - centre).square()


def _mean_distance(distances: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Weighted means ``[K]`` of ``distances [N, M]`` for weights ``[K, N]`` and ``[K, M]``."""
    return ((rows @ distances) * columns).sum(1) / (rows.sum(1) * columns.sum(1))


def _bootstrap(resamples: int, size: int, generator: torch.Generator) -> Tensor:
    """How often each of ``size`` points is drawn, ``[resamples, size]`` float64."""
    draws = torch.randint(size, (resamples, size), generator=generator)
    return torch.zeros(resamples, size, dtype=torch.float64).scatter_add_(
        1, draws, torch.ones(resamples, size, dtype=torch.float64)
    )


def _estimate(value: Tensor, resampled: Tensor) -> Estimate:
    low, high = resampled.quantile(torch.tensor([0.025, 0.975], dtype=resampled.dtype))
    return Estimate(float(value), float(low), float(high))
