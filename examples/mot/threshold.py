"""From which distance on two crops show two things, without labels.

In videos that are not scored, boxes are followed by their overlaps alone: crops of one such track show one thing, and
crops of one frame show several. The threshold errs least in telling these from those.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from examples.mot.challenge import Video
from examples.mot.crops import shown
from examples.mot.distances import Appearance
from examples.mot.tracker import NOBODY, Rules, Tracker

REACH = 30
"""Frames that two crops of one track are apart, at most."""
PAIRS = 4
"""Earlier crops of the same track that each is compared with."""


def thresholds(
    appearances: dict[str, Appearance], videos: Sequence[Video], side: int, rules: Rules
) -> dict[str, float]:
    """For each distance by name, the one that errs least; see :func:`least_error`."""
    same: dict[str, list[Tensor]] = defaultdict(list)
    different: dict[str, list[Tensor]] = defaultdict(list)
    for video in videos:
        tracker, rng = Tracker(rules=Rules(patience=1, trials=rules.trials)), np.random.default_rng(0)
        past: dict[str, dict[int, list[tuple[int, Tensor]]]] = {name: defaultdict(list) for name in appearances}
        for frame, (own, crops) in enumerate(shown(video, side)):
            who = tracker.step(video.detections.boxes[own], crops)
            known = np.flatnonzero(who != NOBODY)
            drawn = rng.random((len(known), PAIRS))
            for name, appearance in appearances.items():
                looks = appearance.described(crops)[known]
                different[name].append(_upper(appearance.between(looks, looks)))
                for number, look, shares in zip(who[known], looks, drawn, strict=True):
                    before = [one for at, one in past[name][number] if frame - at <= REACH]
                    past[name][number] = [*past[name][number][-REACH:], (frame, look)]
                    if before:
                        chosen = torch.stack([before[int(share * len(before))] for share in shares])
                        same[name].append(appearance.between(look[None], chosen)[0])
    return {name: least_error(_joined(same[name]), _joined(different[name])) for name in appearances}


def least_error(same: NDArray[np.float64], different: NDArray[np.float64]) -> float:
    """The threshold for which the share of ``same [N]`` above and that of ``different [M]`` below are least together.

    Half-way between the two values around it; infinite where there is nothing to choose by.
    """
    if not len(same) or not len(different):
        return np.inf
    values = np.unique(np.concatenate((same, different)))
    below = np.searchsorted(np.sort(same), values, side="right") / len(same)
    wrong = np.searchsorted(np.sort(different), values, side="right") / len(different)
    best = int((wrong - below).argmin())
    return float(values[best : best + 2].mean())


def _upper(square: Tensor) -> Tensor:
    rows, columns = torch.triu_indices(len(square), len(square), 1)
    return square[rows, columns]


def _joined(parts: Sequence[Tensor]) -> NDArray[np.float64]:
    return torch.cat(tuple(parts)).double().numpy() if parts else np.empty(0)
