"""Kalman prediction, update and smoothing as pure, batched functions (Latent Matters, 2.3.2.2 and Eq. 2.26-2.32).

Covariances are kept positive definite in single precision by two habits: the update and the backward recursion are in
Joseph form, a sum of positive semi-definite terms, and every covariance is symmetrised. Shapes: ``[..., Dz]`` means,
``[..., Dz, Dz]`` covariances, ``[Da, Dz]`` or ``[..., Da, Dz]`` observation matrices; leading shapes broadcast. All
work in the dtype of their arguments; models call them in float64.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from latentrl.numerics.distributions import cholesky, sample_gaussian
from latentrl.types import Belief


def symmetrise(matrix: Tensor) -> Tensor:
    """(A + A') / 2 for ``[..., D, D]``."""
    return 0.5 * (matrix + matrix.mT)


def small_inverse(matrix: Tensor) -> Tensor:
    """Inverse of ``[..., D, D]``, in closed form for D <= 2, where LAPACK calls cost more than the arithmetic.

    A singular matrix gives infinite entries for D <= 2 and raises ``torch.linalg.LinAlgError`` above; not on a GPU,
    which would have to be waited for: there the entries mean nothing.
    """
    size = matrix.shape[-1]
    if size == 1:
        return matrix.reciprocal()
    if size == 2:
        a, b, c, d = matrix.flatten(-2).unbind(-1)
        adjugate = torch.stack((d, -b, -c, a), -1)
        return (adjugate / (a * d - b * c).unsqueeze(-1)).unflatten(-1, (2, 2))
    return torch.linalg.inv_ex(matrix, check_errors=matrix.device.type == "cpu").inverse


def predict(belief: Belief, transition: Tensor, noise: Tensor, offset: Tensor | None = None) -> Belief:
    """Prediction step, Eq. 4.21-4.23: ``m- = F m + offset`` and ``P- = F P F' + Q``.

    Args:
        belief: filtered belief at ``t - 1``.
        transition: F ``[..., Dz, Dz]``.
        noise: Q ``[..., Dz, Dz]``.
        offset: B u ``[..., Dz]``.
    """
    mean = (transition @ belief.mean.unsqueeze(-1)).squeeze(-1)
    if offset is not None:
        mean = mean + offset
    return predict_around(mean, belief.covariance, transition, noise)


def predict_around(mean: Tensor, covariance: Tensor, transition: Tensor, noise: Tensor) -> Belief:
    """The extended filter's prediction, Eq. 4.21-4.23: ``mean [..., Dz]`` is already f(m, u), F its linearisation."""
    return Belief(mean, transition @ covariance @ transition.mT + noise)


def update(
    belief: Belief, observation: Tensor, emission: Tensor, noise: Tensor, missing: Tensor | None = None
) -> Belief:
    """Update step with ``a = H z + r``, ``r ~ N(0, R)``, in Joseph form: ``P = (I - K H) P- (I - K H)' + K R K'``.

    As much is known of a standard normal state as of a reading with noise of variance 1, so that they meet half-way:

    >>> one = torch.ones(1, 1)
    >>> believed = update(Belief(torch.zeros(1), one), torch.tensor([2.0]), one, one)
    >>> believed.mean.item(), believed.covariance.item()
    (1.0, 0.5)

    Args:
        belief: predicted belief.
        observation: a ``[..., Da]``.
        emission: H ``[..., Da, Dz]``.
        noise: R ``[..., Da, Da]``.
        missing: boolean ``[...]``; where true, the update is skipped and the predicted belief returned.
    """
    mean, covariance = belief
    if missing is not None:
        # Whatever stands in for a missing observation, NaN included, must leak neither into a belief nor a gradient.
        observation = torch.where(missing[..., None], 0.0, observation)
    cross = covariance @ emission.mT
    gain = cross @ small_inverse(emission @ cross + noise)
    innovation = observation - (emission @ mean.unsqueeze(-1)).squeeze(-1)
    shrink = torch.eye(mean.shape[-1], dtype=mean.dtype, device=mean.device) - gain @ emission
    new_mean = mean + (gain @ innovation.unsqueeze(-1)).squeeze(-1)
    new_covariance = symmetrise(shrink @ covariance @ shrink.mT + gain @ noise @ gain.mT)
    if missing is not None:
        new_mean = torch.where(missing[..., None], mean, new_mean)
        new_covariance = torch.where(missing[..., None, None], covariance, new_covariance)
    return Belief(new_mean, new_covariance)


WIDEST = 4.0
"""Times the variance before a first observation, that a belief may have."""


def no_wider(belief: Belief, prior: Belief) -> Belief:
    """``belief``, or where it is wider than `WIDEST` times ``prior`` in any dimension, the same beside ``prior``.

    While nothing is observed, a linearisation at an unstable state makes the covariance grow without end, until numbers
    no longer tell its small directions from its large ones. No more than what was known before the first observation
    can be forgotten: such a belief is updated with the whole state seen where it is believed, as inexactly as that.

    Args:
        belief: predicted, over ``N`` states.
        prior: N(m_0, P_0), of which the covariance alone counts.
    """
    widest = WIDEST * prior.covariance
    eye = torch.eye(belief.mean.shape[-1], dtype=belief.mean.dtype, device=belief.mean.device)
    narrower = update(belief, belief.mean, eye, widest).covariance
    variances = belief.covariance.diagonal(dim1=-2, dim2=-1)
    wide = (variances > widest.diagonal(dim1=-2, dim2=-1)).any(-1)
    return Belief(belief.mean, torch.where(wide[..., None, None], narrower, belief.covariance))


def smoother_gain(filtered: Belief, predicted_next: Belief, transition: Tensor) -> Tensor:
    """``G_t = P_t F_t' (P-_{t+1})^-1`` ``[..., Dz, Dz]``, Eq. 2.26; it needs no smoothed belief: one call for all t."""
    return (small_inverse(predicted_next.covariance) @ (transition @ filtered.covariance)).mT


def smooth(
    filtered: Belief, predicted_next: Belief, transition: Tensor, noise: Tensor, gain: Tensor, smoothed_next: Belief
) -> Belief:
    """One step of the backward recursion, Eq. 2.27-2.28, in Joseph form.

    ``P_s = (I - G F) P (I - G F)' + G (Q + P_s+) G'`` equals Eq. 2.28 and stays positive definite.

    Args:
        filtered: belief at ``t``.
        predicted_next: prediction for ``t + 1`` made from it.
        transition: F_t ``[..., Dz, Dz]``.
        noise: Q_t ``[..., Dz, Dz]``.
        gain: G_t of :func:`smoother_gain`.
        smoothed_next: smoothed belief at ``t + 1``.
    """
    mean = filtered.mean + (gain @ (smoothed_next.mean - predicted_next.mean).unsqueeze(-1)).squeeze(-1)
    kept = smoother_remainder(filtered, transition, noise, gain)
    return Belief(mean, symmetrise(kept + gain @ smoothed_next.covariance @ gain.mT))


def smoother_remainder(filtered: Belief, transition: Tensor, noise: Tensor, gain: Tensor) -> Tensor:
    """``(I - G F) P (I - G F)' + G Q G'`` ``[..., Dz, Dz]``: Cov(z_t | z_{t+1}, a_1:t), the part of Eq. 2.28 without
    the future."""
    identity = torch.eye(gain.shape[-1], dtype=gain.dtype, device=gain.device)
    shrink = identity - gain @ transition
    return shrink @ filtered.covariance @ shrink.mT + gain @ noise @ gain.mT


class Filtered(NamedTuple):
    """One forward pass of a Kalman filter over ``[B, T]``: what :func:`smooth_all` and :func:`sample_paths` read."""

    filtered: Belief
    predicted: Belief
    transitions: Tensor  # F [B, T - 1, Dz, Dz]
    noises: Tensor  # Q [B, T - 1, Dz, Dz]


def smooth_all(filtered: Belief, predicted: Belief, transitions: Tensor, noises: Tensor) -> Belief:
    """The whole backward recursion over ``[..., T]`` beliefs, Eq. 2.26-2.28.

    Args:
        filtered: means ``[B, T, Dz]``, covariances ``[B, T, Dz, Dz]``.
        predicted: the same shapes; entry ``t`` is the prediction for ``t`` (entry 0 is not read).
        transitions: F ``[B, T - 1, Dz, Dz]``.
        noises: Q ``[B, T - 1, Dz, Dz]``.

    Returns:
        Smoothed beliefs ``[B, T]``.
    """
    before = Belief(filtered.mean[:, :-1], filtered.covariance[:, :-1])
    ahead = Belief(predicted.mean[:, 1:], predicted.covariance[:, 1:])
    # The gains and what they keep depend on the filter alone: computed for all steps at once, only two small
    # recursions are left to run one step at a time.
    gains = smoother_gain(before, ahead, transitions)
    kept = symmetrise(smoother_remainder(before, transitions, noises, gains)).unbind(1)
    offsets = (before.mean - (gains @ ahead.mean.unsqueeze(-1)).squeeze(-1)).unsqueeze(-1).unbind(1)
    gain = gains.unbind(1)
    mean, covariance = filtered.mean[:, -1].unsqueeze(-1), filtered.covariance[:, -1]
    means, covariances = [mean], [covariance]
    for t in range(len(gain) - 1, -1, -1):
        mean = torch.baddbmm(offsets[t], gain[t], mean)
        covariance = torch.baddbmm(kept[t], gain[t] @ covariance, gain[t].mT)
        means.append(mean)
        covariances.append(covariance)
    return Belief(torch.stack(means[::-1], 1).squeeze(-1), symmetrise(torch.stack(covariances[::-1], 1)))


class Paths(NamedTuple):
    """Trajectories from the joint smoothing distribution: ``states [B, T, Dz]``, their ``log_prob [B]`` in nats."""

    states: Tensor
    log_prob: Tensor


def sample_paths(
    filtered: Belief, predicted: Belief, transitions: Tensor, noises: Tensor, generator: torch.Generator | None = None
) -> Paths:
    """One trajectory z_1:T for each sequence from p(z_1:T | a_1:T), backwards in time; reparameterised.

    z_T is drawn from the filter's last belief, then
    ``z_t ~ N(m_t + G_t (z_{t+1} - m-_{t+1}), Cov(z_t | z_{t+1}, a_1:t))``. Unlike samples of the smoothed marginals,
    neighbouring states of one trajectory belong together.

    Args:
        filtered: means ``[B, T, Dz]``, covariances ``[B, T, Dz, Dz]``.
        predicted: the same shapes; entry ``t`` is the prediction for ``t`` (entry 0 is not read).
        transitions: F ``[B, T - 1, Dz, Dz]``.
        noises: Q ``[B, T - 1, Dz, Dz]``.
        generator: source of the noise.
    """
    before = Belief(filtered.mean[:, :-1], filtered.covariance[:, :-1])
    ahead = Belief(predicted.mean[:, 1:], predicted.covariance[:, 1:])
    gains = smoother_gain(before, ahead, transitions)
    remainder = symmetrise(smoother_remainder(before, transitions, noises, gains))
    factors = cholesky(torch.cat((remainder, filtered.covariance[:, -1:]), 1))
    # Drawn around zero first: the noise of all steps at once, the means follow in the recursion.
    shifts, log_prob = sample_gaussian(torch.zeros_like(filtered.mean), factors, generator)
    offsets = (before.mean - (gains @ ahead.mean.unsqueeze(-1)).squeeze(-1) + shifts[:, :-1]).unsqueeze(-1).unbind(1)
    gain = gains.unbind(1)
    state = (filtered.mean[:, -1] + shifts[:, -1]).unsqueeze(-1)
    states = [state]
    for t in range(len(gain) - 1, -1, -1):
        state = torch.baddbmm(offsets[t], gain[t], state)
        states.append(state)
    return Paths(torch.stack(states[::-1], 1).squeeze(-1), log_prob.sum(1))
