"""What Riemannian distances between frames tell of a true coordinate (Latent Matters, 5.1.4, Figures 5.1 to 5.3)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentrl.envs.coordinates import Coordinate
from latentrl.geometry.geodesics import GEODESICS
from latentrl.geometry.metric import Decoder, chord, curve_length
from latentrl.numerics.regression import ols_r2

PIECES = 8
"""Parts that a side of a curve is measured in, so that what lies between its points counts."""
LINE, EUCLID, DATA = "line", "euclid", "data"
"""The straight line in the latent space, by the decoder's metric and by the space's own, and the way along the data."""
FAR = 2 / 3
"""Share of the largest difference of the true coordinate beyond which a pair is far apart."""

LOW = 0.05
"""Share of the pairs that are below the low ratio: about as far from a mean as a pair that is chosen to be shown."""


@dataclass(frozen=True)
class PairLengths:
    """Curves between pairs of frames, and how long they are.

    Attributes:
        curves: by how they were found, ``[B, K, d]``: those of `GEODESICS`, and the straight line.
        lengths: Riemannian, by the same names ``[B]``, each measured alike; and ``euclid``, in latent units.
        seconds: of processor time for all pairs, of each kind of geodesic.
    """

    curves: Mapping[str, Tensor]
    lengths: Mapping[str, Tensor]
    seconds: Mapping[str, float]


def pair_lengths(decoder: Decoder, nodes: Tensor, start: Tensor, end: Tensor) -> PairLengths:
    """Geodesics of every kind between ``start`` and ``end [B, d]``, and the straight line; no gradient.

    A geodesic is looked for by its metric at some points. Here each is measured at `PIECES` times as many, the straight
    line too: a way that jumps a ridge between two points is as long as it is.

    Args:
        decoder: whose metric counts.
        nodes: encoded training frames ``[L, d]``, for kinds that want some.
        start: of each pair.
        end: of each pair.
    """
    curves, seconds = dict[str, Tensor](), dict[str, float]()
    for name, make in GEODESICS.items():
        begun = time.process_time()
        curves[name] = make(decoder, nodes)(start, end).points.detach()
        seconds[name] = time.process_time() - begun
    curves[LINE] = chord(start, end, next(iter(curves.values())).shape[1])
    with torch.no_grad():
        lengths = {name: curve_length(decoder, refined(curve)) for name, curve in curves.items()}
    lengths[EUCLID] = (end - start).norm(dim=-1)
    return PairLengths(curves, lengths, seconds)


def refined(curve: Tensor, pieces: int = PIECES) -> Tensor:
    """``curve [..., K, d]`` with each side in ``pieces``: the same polygon ``[..., (K - 1) pieces + 1, d]``."""
    share = torch.arange(pieces, dtype=curve.dtype, device=curve.device).unsqueeze(-1) / pieces
    begins, ends = curve[..., :-1, :].unsqueeze(-2), curve[..., 1:, :].unsqueeze(-2)
    within = begins + share * (ends - begins)
    return torch.cat((within.flatten(-3, -2), curve[..., -1:, :]), -2)


@torch.no_grad()
def lengths_along_data(
    decoder: Decoder, latents: Tensor, values: NDArray[np.floating], pairs: Tensor, coordinate: Coordinate, step: float
) -> Tensor:
    """Riemannian lengths ``[B]`` of the ways through encoded frames, in turn of their true coordinate (Figure 5.3).

    What a sequence of a motion from one to the other would be: frames that are ``step`` apart or more.

    Args:
        decoder: whose metric counts.
        latents: of N frames, ``[N, d]``.
        values: the coordinate of each, ``[N]``; of an angle the shorter way is gone.
        pairs: numbers of frames, ``[2, B]``.
        coordinate: what the values are.
        step: in the coordinate's unit, above 0.
    """
    found = []
    for first, last in pairs.T.tolist():
        way = float(coordinate.difference(values[last], values[first]))
        passed = coordinate.difference(values, values[first]) * np.sign(way)
        between = [first]
        for one in np.argsort(passed).tolist():
            if passed[between[-1]] + step <= passed[one] <= abs(way) - step and 0 < passed[one]:
                between.append(one)
        found.append(curve_length(decoder, refined(latents[[*between, last]])))
    return torch.stack(found)


def length_figures(found: PairLengths, apart: NDArray[np.floating] | None) -> dict[str, float]:
    """Figures of pairs by name.

    Of each kind of geodesic ``ratio_KIND``, the mean over pairs of its length over that of the straight line,
    ``low_ratio_KIND``, the ratio that one pair in twenty is below, and ``seconds_KIND``. Where the truth is known also
    ``r2_KIND``: how much of the pairs' true distance a line through their lengths explains, of the straight line
    (``r2_line``, ``r2_euclid``) as well; and ``far_ratio_KIND``, of the pairs that are more than `FAR` of the largest
    distance apart.

    Args:
        found: of B pairs.
        apart: how far they truly are apart, ``[B]``; None where nobody knows.
    """
    ratios = {name: found.lengths[name] / found.lengths[LINE].clamp(min=1e-12) for name in GEODESICS}
    figures = {f"ratio_{name}": float(ratio.mean()) for name, ratio in ratios.items()}
    figures |= {f"low_ratio_{name}": float(ratio.quantile(LOW)) for name, ratio in ratios.items()}
    figures |= {f"seconds_{name}": spent for name, spent in found.seconds.items()}
    if apart is None:
        return figures
    far = torch.from_numpy(apart > FAR * apart.max())
    figures |= {f"far_ratio_{name}": float(ratio[far].mean()) for name, ratio in ratios.items()}
    told = {name: lengths.double().unsqueeze(1).cpu().numpy() for name, lengths in found.lengths.items()}
    return figures | {f"r2_{name}": ols_r2(lengths, np.asarray(apart, np.float64)) for name, lengths in told.items()}
