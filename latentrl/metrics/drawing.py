"""How much of what varies in held-out observations a model draws, their noise not counted."""

from __future__ import annotations

from latentrl.inspection.frames import MOST_FRAMES, look_at
from latentrl.inspection.summary import is_enough
from latentrl.metrics.failures import undrawn_share
from latentrl.types import Sequences

NOISE_MARGIN = 1.4
"""What the estimated variance of the noise is multiplied by: of much noise the estimate is up to three tenths short,
for frames are taken as alike that noise made so."""


def sample_of(data: Sequences) -> slice:
    """Evenly spread sequences of ``data``, of about `MOST_FRAMES` frames: they tell the noise, and are drawn."""
    return slice(None, None, max(1, -(-data.observations.shape[:2].numel() // MOST_FRAMES)))


def drawing_figures(data: Sequences, error: float, spread: float) -> dict[str, float]:
    """``undrawn_share``, rather too small than too large.

    Nothing where :func:`latentrl.metrics.failures.undrawn_share` says nothing, and of too few observations to tell
    their noise.

    Args:
        data: held-out sequences, as they were observed.
        error: mean squared error of what a model draws of them, per dimension, pictures in [0, 1].
        spread: that of their average.
    """
    if spread <= 0 or not is_enough(len(data), data.length):
        return {}
    share = undrawn_share(error, spread, NOISE_MARGIN * look_at(data).sensor_noise ** 2)
    return {} if share is None else {"undrawn_share": share}
