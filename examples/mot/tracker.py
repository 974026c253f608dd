"""Who is who, frame by frame: SORT (Bewley et al. 2016), with a distance of crops as in DeepSORT (Wojke et al. 2017).

Tracks are predicted, then matched with the frame's detections by the Hungarian algorithm: first by what they look
like, where a gate on the motion allows it, then, of those that were seen in the frame before, by the overlap of their
boxes. Without a distance of crops overlaps are all there is, and lost tracks are matched by them too.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import count

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from examples.mot import motion
from examples.mot.boxes import Boxes, overlaps
from examples.mot.distances import Appearance
from latentrl.types import Belief

NOBODY = 0
"""The identity of a detection that no track answers for."""


@dataclass(frozen=True)
class Rules:
    """When tracks begin and end, and what they are matched with.

    Attributes:
        overlap: least intersection over union of a match by boxes.
        patience: frames that a track is kept without being seen.
        trials: frames that a new track is seen in a row before it is believed.
        remembered: crops that a track is known by, the latest.
    """

    overlap: float = 0.3
    patience: int = 30
    trials: int = 3
    remembered: int = 50


@dataclass
class Track:
    """One thing that is followed.

    Attributes:
        identity: its number, from 1.
        belief: where it is, a batch of one.
        looks: described crops ``[d]``.
        seen: frames that it was seen in.
        lost: frames since it was seen.
        believed: whether it is more than a trial.
    """

    identity: int
    belief: Belief
    looks: deque[Tensor]
    seen: int = 1
    lost: int = 0
    believed: bool = False


@dataclass
class Tracker:
    """Follows what is detected in one video, a frame at a time.

    Attributes:
        appearance: how unlike crops are; None: boxes alone count.
        threshold: distance from which on two crops show two things.
        rules: when tracks begin and end.
    """

    appearance: Appearance | None = None
    threshold: float = np.inf
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self) -> None:
        self._tracks: list[Track] = []
        self._numbers = count(1)

    def step(self, boxes: Boxes, crops: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Identities ``[N]`` of the next frame's detections, `NOBODY` where a track is not believed yet.

        Args:
            boxes: ``[N, 4]``.
            crops: what they show, ``[N, side, side, 3]``; not looked at without a distance.
        """
        for track in self._tracks:
            track.belief = motion.predict(track.belief)
            track.lost += 1
        looks = self.appearance.described(crops) if self.appearance is not None else torch.zeros(len(boxes), 0)
        found = np.zeros(len(boxes), np.int64)
        for track, number in self._matches(boxes, looks):
            track.belief = motion.update(track.belief, boxes[number : number + 1])
            track.looks.append(looks[number])
            track.seen, track.lost = track.seen + 1, 0
            track.believed = track.believed or track.seen >= self.rules.trials
            found[number] = track.identity if track.believed else -1
        patience = {True: self.rules.patience, False: 0}
        self._tracks = [track for track in self._tracks if track.lost <= patience[track.believed]]
        for number in np.flatnonzero(found == 0):
            known = deque([looks[number]], self.rules.remembered)
            belief = motion.begin(boxes[number : number + 1])
            self._tracks.append(Track(next(self._numbers), belief, known, believed=self.rules.trials <= 1))
            found[number] = self._tracks[-1].identity if self._tracks[-1].believed else -1
        return np.where(found < 0, NOBODY, found)

    def _matches(self, boxes: Boxes, looks: Tensor) -> list[tuple[Track, int]]:
        """Tracks and the numbers of their detections."""
        if not self._tracks or not len(boxes):
            return []
        free, tracks, matches = np.arange(len(boxes)), self._tracks, []
        if self.appearance is not None:
            known = [track for track in tracks if track.believed]
            unlike = self._unlike(known, boxes, looks)
            for row, column in assigned(unlike, unlike <= 1):
                matches.append((known[row], int(column)))
            matched = {track.identity for track, _ in matches}
            tracks = [track for track in tracks if track.identity not in matched and track.lost == 1]
            free = np.setdiff1d(free, [number for _, number in matches])
        if tracks and len(free):
            predicted = np.concatenate([motion.boxes_of(track.belief) for track in tracks])
            shared = overlaps(predicted, boxes[free])
            for row, column in assigned(1 - shared, shared >= self.rules.overlap):
                matches.append((tracks[row], int(free[column])))
        return matches

    def _unlike(self, tracks: list[Track], boxes: Boxes, looks: Tensor) -> NDArray[np.float64]:
        """Distances ``[K, N]`` in thresholds, of a track the least of its crops; infinite where motion forbids it."""
        assert self.appearance is not None
        found = np.full((len(tracks), len(boxes)), np.inf)
        if not tracks:
            return found
        apart = self.appearance.between(torch.cat([torch.stack(tuple(track.looks)) for track in tracks]), looks)
        sizes = [len(track.looks) for track in tracks]
        least = torch.stack([part.amin(0) for part in apart.split(sizes)]).double().numpy() / self.threshold
        beliefs = Belief(*(torch.cat(parts) for parts in zip(*(track.belief for track in tracks), strict=True)))
        near = motion.deviations(beliefs, boxes).numpy() <= motion.GATE
        found[near] = least[near]
        return found


def assigned(cost: NDArray[np.float64], allowed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Pairs ``[P, 2]`` of rows and columns, as many as are allowed, and of these the cheapest (the Hungarian algorithm).

    >>> assigned(np.array([[0.1, 0.2], [0.2, 9.0]]), np.array([[True, True], [True, False]])).tolist()
    [[0, 1], [1, 0]]

    Args:
        cost: ``[N, M]``, finite where allowed.
        allowed: ``[N, M]``.
    """
    if not allowed.any():
        return np.empty((0, 2), np.int64)
    least, most = cost[allowed].min(), cost[allowed].max()
    # One forbidden pair more costs more than all that choosing among allowed ones can save.
    forbidden = (most - least + 1) * (min(cost.shape) + 1)
    pairs = np.stack(linear_sum_assignment(np.where(allowed, cost - least, forbidden)), 1)
    return pairs[allowed[pairs[:, 0], pairs[:, 1]]]
