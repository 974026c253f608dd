"""From which distance on two crops show two things, without labels.

In videos that are not scored, boxes are followed by their overlaps alone. What such a track showed some time ago is
compared, as a tracker compares it, with what it shows now, and with what others show now: the threshold errs least in
telling these from that.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from examples.mot.challenge import Video
from examples.mot.crops import shown
from examples.mot.distances import Appearance, least
from examples.mot.tracker import NOBODY, Rules, Tracker

AGO = 10
"""Frames between what a track showed and what it shows now: as if it had been lost meanwhile."""
EVERY = 5
"""Frames, of which one is looked at."""


def thresholds(
    appearances: Mapping[str, Appearance], videos: Sequence[Video], side: int, rules: Rules
) -> dict[str, float]:
    """For each distance by name, the one that errs least; see :func:`least_error`."""
    same: dict[str, list[Tensor]] = {name: [] for name in appearances}
    different: dict[str, list[Tensor]] = {name: [] for name in appearances}
    for video in videos:
        tracker = Tracker(rules=Rules(overlap=rules.overlap, patience=1, trials=rules.trials))
        past: dict[str, dict[int, deque[Tensor]]] = {
            name: defaultdict(lambda: deque(maxlen=rules.remembered + AGO)) for name in appearances
        }
        for frame, (own, crops) in enumerate(shown(video, side)):
            who = tracker.step(video.detections.boxes[own], crops)
            for name, appearance in appearances.items():
                looks = appearance.described(crops)
                known = past[name]
                old = [(one, number) for number, one in enumerate(who) if len(known[one]) > AGO and one != NOBODY]
                if frame % EVERY == 0 and old:
                    before = [torch.stack(list(known[one])[:-AGO]) for one, _ in old]
                    apart = least(appearance, before, looks[[number for _, number in old]])
                    itself = torch.eye(len(old), dtype=torch.bool)
                    same[name].append(apart[itself])
                    different[name].append(apart[~itself])
                for one, look in zip(who, looks, strict=True):
                    if one != NOBODY:
                        known[one].append(look)
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


def _joined(parts: Sequence[Tensor]) -> NDArray[np.float64]:
    return torch.cat(tuple(parts)).double().numpy() if parts else np.empty(0)
