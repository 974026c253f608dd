"""Kalman filter and smoother over all time steps at once, by associative scans (Särkkä and García-Fernández 2021).

A scan takes 2 log2(T) rounds of small products where a loop takes T steps, and several times the arithmetic: for long
sequences, where the loop waits for each step to be dispatched; a compiled loop is faster on a processor. Matrices are
given; where a transition is only known around a state, :func:`filter_iterated` finds states and matrices in turn.

All numbers equal those of the loops but for rounding. A filtered belief is found by the scan, predicted from and
updated once more in Joseph form, so that its covariance stays positive definite and its rounding is damped as in the
loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from latentrl.inference import kalman_adjoint
from latentrl.inference.filtering import Linearised
from latentrl.inference.kalman import Filtered, small_inverse, smoother_gain, smoother_remainder, symmetrise
from latentrl.inference.scan import prefixes, suffixes
from latentrl.types import Belief

ITERATIONS = 60
"""Rounds of :func:`filter_iterated` before a loop takes over."""
SETTLED = 1e-13
"""Of the largest mean: a change below it is rounding."""


class Forward(NamedTuple):
    """Elements of the filter's scan, Särkkä and García-Fernández (2021), Lemma 7; ``[B, n, ...]``.

    Of a range of steps: p(z_j | z_i, a) = N(A z_i + b, C), and p(a | z_i) as a function of z_i is proportional to
    N(eta; J z_i, J) in information form.
    """

    transition: Tensor  # A [..., Dz, Dz]
    mean: Tensor  # b [..., Dz]
    covariance: Tensor  # C [..., Dz, Dz]
    information: Tensor  # eta [..., Dz]
    precision: Tensor  # J [..., Dz, Dz]


class Backward(NamedTuple):
    """Elements of the smoother's scan, Särkkä and García-Fernández (2021), Lemma 9: N(E z + g, L); ``[B, n, ...]``."""

    gain: Tensor  # E [..., Dz, Dz]
    mean: Tensor  # g [..., Dz]
    covariance: Tensor  # L [..., Dz, Dz]


def join_forward(first: Forward, second: Forward) -> Forward:
    """The filter's associative operation, Särkkä and García-Fernández (2021), Lemma 8."""
    eye = torch.eye(first.mean.shape[-1], dtype=first.mean.dtype, device=first.mean.device)
    # Both factors are positive semi-definite, so that no eigenvalue of what is inverted is below one.
    shrink = small_inverse(eye + first.covariance @ second.precision)
    ahead, back = second.transition @ shrink, first.transition.mT @ shrink.mT
    known = first.mean + _times(first.covariance, second.information)
    surprise = second.information - _times(second.precision, first.mean)
    return Forward(
        ahead @ first.transition,
        _times(ahead, known) + second.mean,
        symmetrise(ahead @ first.covariance @ second.transition.mT + second.covariance),
        _times(back, surprise) + first.information,
        symmetrise(back @ second.precision @ first.transition + first.precision),
    )


def join_backward(first: Backward, second: Backward) -> Backward:
    """The smoother's associative operation, Särkkä and García-Fernández (2021), Lemma 10."""
    return Backward(
        first.gain @ second.gain,
        _times(first.gain, second.mean) + first.mean,
        symmetrise(first.gain @ second.covariance @ first.gain.mT + first.covariance),
    )


def filter_parallel(
    prior: Belief,
    observations: Tensor,
    controls: Tensor,
    emissions: Tensor,
    noise: Tensor,
    dynamics: Tensor,
    noises: Tensor,
    missing: Tensor | None = None,
) -> Filtered:
    """The Kalman filter over ``[B, T]`` of a model whose matrices are given, in the dtype of its arguments.

    Args:
        prior: N(m_0, P_0) before the first observation, ``[B]``.
        observations: a ``[B, T, Da]``.
        controls: u ``[B, T - 1, Du]``; they get no gradient.
        emissions: H ``[B, T, Da, Dz]``, or ``[Da, Dz]`` for all.
        noise: R ``[Da, Da]``.
        dynamics: [F | B] ``[B, T - 1, Dz, Dz + Du]``.
        noises: Q ``[B, T - 1, Dz, Dz]``.
        missing: boolean ``[B, T]``, or ``[B, T, Da]`` by dimension; true where there is no observation.
    """
    batch, length, observed = observations.shape
    size = prior.mean.shape[-1]
    emissions = emissions.expand(batch, length, observed, size)
    noise = noise.expand(batch, length, observed, observed)
    if missing is not None:
        observations, emissions, noise = _without(missing, observations, emissions, noise)
    first = kalman_adjoint.update(prior, observations[:, 0], emissions[:, 0], noise[:, 0])
    transitions = dynamics[..., :size]
    if length == 1:
        started, known = (Belief(*(one.unsqueeze(1) for one in belief)) for belief in (first, prior))
        return Filtered(started, known, transitions, noises)
    offsets = _times(dynamics[..., size:], controls.detach())
    scanned = prefixes(
        join_forward,
        _with_first(first, _elements(transitions, offsets, noises, observations, emissions, noise)),
    )
    before = Belief(scanned.mean[:, :-1].flatten(0, 1), scanned.covariance[:, :-1].flatten(0, 1))
    ahead = kalman_adjoint.predict(before, dynamics.flatten(0, 1), noises.flatten(0, 1), controls.flatten(0, 1))
    seen, shown, spread = (one[:, 1:].flatten(0, 1) for one in (observations, emissions, noise))
    after = kalman_adjoint.update(ahead, seen, shown, spread)
    return Filtered(_all_steps(first, after, batch), _all_steps(prior, ahead, batch), transitions, noises)


def smooth_parallel(run: Filtered) -> Belief:
    """The smoothed beliefs ``[B, T]`` of a filter's pass, Eq. 2.26-2.28, without a loop over time."""
    filtered, predicted, transitions, noises = run
    before = Belief(filtered.mean[:, :-1], filtered.covariance[:, :-1])
    ahead = Belief(predicted.mean[:, 1:], predicted.covariance[:, 1:])
    gains = smoother_gain(before, ahead, transitions)
    kept = symmetrise(smoother_remainder(before, transitions, noises, gains))
    last = filtered.mean[:, -1:], filtered.covariance[:, -1:]
    elements = Backward(
        torch.cat((gains, torch.zeros_like(last[1])), 1),
        torch.cat((before.mean - _times(gains, ahead.mean), last[0]), 1),
        torch.cat((kept, last[1]), 1),
    )
    found = suffixes(join_backward, elements)
    return Belief(found.mean, found.covariance)


def filter_iterated(
    prior: Belief,
    observations: Tensor,
    controls: Tensor,
    emission: Tensor,
    noise: Tensor,
    linearise: Callable[[Tensor], Linearised],
    missing: Tensor | None = None,
    iterations: int = ITERATIONS,
) -> Filtered | None:
    """The extended Kalman filter over ``[B, T]`` without a loop over time; None if it did not settle.

    The loop linearises the transition at each filtered mean. Here all means are guessed, the transition is linearised
    at all of them, and :func:`filter_parallel` gives the next guess: the loop's pass is the only fixed point, for its
    first t means are right after t rounds. No gradient: that of the last round lacks how the matrices move.

    Args:
        prior: N(m_0, P_0) before the first observation, ``[B]``.
        observations: a ``[B, T, Da]``, with T at least two.
        controls: u ``[B, T - 1, Du]``.
        emission: H ``[Da, Dz]``.
        noise: R ``[Da, Da]``.
        linearise: states ``[B * (T - 1), Dz]``, by sequence and step, to the transitions around them.
        missing: boolean ``[B, T]``, or ``[B, T, Da]`` by dimension; true where there is no observation.
        iterations: at most so many.
    """
    batch, steps, size = len(observations), observations.shape[1] - 1, prior.mean.shape[-1]
    with torch.no_grad():
        means = prior.mean.unsqueeze(1).expand(batch, steps, size)
        for _ in range(iterations):
            local = linearise(means.reshape(batch * steps, size))
            dynamics, noises = local.dynamics.unflatten(0, (batch, steps)), local.noise.unflatten(0, (batch, steps))
            run = filter_parallel(prior, observations, controls, emission, noise, dynamics, noises, missing)
            found = run.filtered.mean[:, :-1]
            change, largest = (found - means).abs().max(), found.abs().max()
            if bool(change <= SETTLED * (1 + largest)):
                return run
            means = found
    return None


def _elements(
    transitions: Tensor, offsets: Tensor, noises: Tensor, observations: Tensor, emissions: Tensor, noise: Tensor
) -> Forward:
    """Those of the steps after the first, ``[B, T - 1]``: Särkkä and García-Fernández (2021), Lemma 7."""
    emission, seen, spread = emissions[:, 1:], observations[:, 1:], noise[:, 1:]
    cross = noises @ emission.mT
    inverse = small_inverse(emission @ cross + spread)
    gain = cross @ inverse
    innovation = seen - _times(emission, offsets)
    through = (emission @ transitions).mT @ inverse
    shrink = torch.eye(offsets.shape[-1], dtype=offsets.dtype, device=offsets.device) - gain @ emission
    return Forward(
        shrink @ transitions,
        offsets + _times(gain, innovation),
        symmetrise(shrink @ noises @ shrink.mT + gain @ spread @ gain.mT),
        _times(through, innovation),
        symmetrise(through @ emission @ transitions),
    )


def _with_first(first: Belief, others: Forward) -> Forward:
    """The elements of all steps: the first is the belief after the first observation, whatever came before."""
    batch, size = first.mean.shape
    nothing, none = first.mean.new_zeros(batch, 1, size), first.mean.new_zeros(batch, 1, size, size)
    start = Forward(none, first.mean.unsqueeze(1), first.covariance.unsqueeze(1), nothing, none)
    return Forward(*(torch.cat(pair, 1) for pair in zip(start, others, strict=True)))


def _without(missing: Tensor, observations: Tensor, emissions: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Observations, H and R where dimensions that are missing tell nothing of z, and are independent of the others."""
    seen = ~(missing.unsqueeze(-1).expand(observations.shape) if missing.dim() == 2 else missing)
    pairs = seen.unsqueeze(-1) & seen.unsqueeze(-2) | torch.eye(seen.shape[-1], dtype=torch.bool, device=seen.device)
    return torch.where(seen, observations, 0.0), emissions * seen.unsqueeze(-1), noise * pairs


def _all_steps(first: Belief, others: Belief, batch: int) -> Belief:
    """``first [B]`` and ``others [B * (T - 1)]`` as beliefs ``[B, T]``."""
    return Belief(
        *(torch.cat((a.unsqueeze(1), b.unflatten(0, (batch, -1))), 1) for a, b in zip(first, others, strict=True))
    )


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    """``[..., I, J]`` times ``[..., J]``."""
    return (matrix @ vector.unsqueeze(-1)).squeeze(-1)
