"""The time scale of recorded motion: how many steps a period of it takes, from how fast frames come to differ."""

from __future__ import annotations

import math

import torch
from torch import Tensor

SMALLEST_SHARE = 0.02
"""Of the variance that neighbouring frames must have in common: with less, they are noise, or strangers."""
WALK_LAGS, WALK_TOLERANCE = 5, 0.1
"""How far a squared change must grow in proportion to the time, and how closely, to be that of a random walk."""


def motion_period(track: Tensor) -> float | None:
    """Steps in a period of a motion, 2 pi s / sqrt(E |velocity|^2), s^2 its variance: Rice (1945), section 3.3.

    A Gaussian process rises through its mean once in so many steps, and a sine wave has this period. Of several waves
    the root mean square of the frequencies counts, each weighed by its variance. All coordinates count alike: each is
    taken over its deviation.

    White noise of any size cancels. With S the variance, noise included, and D the structure function, S - D(k) / 2 is
    the autocovariance s^2 cos(w k), so that D(2) - D(1) = 3 w^2 s^2 for slow motions. It is solved without that
    approximation, so that the period of a sine wave is exact, down to four steps; of less frames are too rare to tell.

    Args:
        track: coordinates ``[N, T, K]`` of N sequences, finite.

    Returns:
        Steps in a period; None where there is no time scale: nothing moves, frames have nothing in common with the
        next (noise alone), they spread as a random walk does, which has no velocity, or T < 3.
    """
    variance = track.double().flatten(0, 1).var(0, correction=0)
    moves = variance > 0
    if track.shape[1] < 3 or not moves.any():
        return None
    each = _lost(track[..., moves].double() / variance[moves].sqrt(), min(WALK_LAGS, track.shape[1] - 1))
    lost = each.mean(1).tolist()
    shared, falls = 1 - lost[0], [after - before for before, after in zip(lost, lost[1:], strict=False)]
    if shared < SMALLEST_SHARE or falls[0] <= _doubt(each[1] - each[0]) or _is_walk(falls):
        return None
    # With c = cos w, the autocovariances are s^2 c and s^2 (2 c^2 - 1): their ratio is a quadratic equation in c.
    ratio = 1 - falls[0] / shared
    cosine = (ratio + math.sqrt(ratio**2 + 8)) / 4
    return 2 * math.pi / math.acos(cosine) if cosine < 1 else None


def _lost(track: Tensor, lags: int) -> Tensor:
    """D(k) / 2 of each sequence of ``track [N, T, K]``, a mean over coordinates and lags k from 1: ``[lags, N]``.

    Of coordinates of unit variance that is how much of the autocorrelation is lost; noise takes the same at all lags.
    """
    change = [(track[:, lag:] - track[:, :-lag]).square().mean((1, 2)) / 2 for lag in range(1, lags + 1)]
    return torch.stack(change)


def _doubt(values: Tensor) -> float:
    """Below which a mean of independent ``values [N]`` may be none: two standard errors, 0 for a single value."""
    return 2 * float(values.std()) / math.sqrt(len(values)) if len(values) > 1 else 0.0


def _is_walk(falls: list[float]) -> bool:
    """Whether each lag takes as much from the autocorrelation as the first: that needs four of them to tell."""
    enough = len(falls) == WALK_LAGS - 1
    return enough and all(abs(fall / falls[0] - 1) < WALK_TOLERANCE for fall in falls[1:])
