"""Who is who, frame by frame: SORT (Bewley et al. 2016), with a distance of crops as DeepSORT has (Wojke et al. 2017).

Tracks are predicted, then matched with the frame's detections by the Hungarian algorithm. First those whose boxes
overlap enough (the gate), by how little they overlap and how unlike they look, unless that is far too much; then, of
those that are left, whoever looks alike where motion allows it: so somebody is found again who turned round while
hidden. Without a distance of crops the overlaps are all there is, which is SORT.

DeepSORT matches by looks first, whatever the boxes say. With a descriptor that was learned without labels more
identities were lost that way than by boxes alone: somebody else reaches into many crops.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from examples.mot import motion
from examples.mot.boxes import Boxes, overlaps
from examples.mot.distances import Appearance, least
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
        weight: of a threshold's distance beside all of an overlap.
        doubtful: distance, in thresholds, from which on looks forbid what boxes allow.
        clear: overlap with another detection up to which a crop is remembered.
        remembered: crops that a track is known by, the latest.
    """

    overlap: float = 0.3
    patience: int = 60
    trials: int = 3
    weight: float = 0.3
    doubtful: float = 3.0
    clear: float = 0.2
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
    """

    identity: int
    belief: Belief
    looks: deque[Tensor]
    seen: int = 1
    lost: int = 0


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
        if self._tracks:
            _share(self._tracks, motion.predict(_joined(self._tracks)))
        for track in self._tracks:
            track.lost += 1
        looks = self.appearance.described(crops) if self.appearance is not None else torch.zeros(len(boxes), 0)
        matches = self._matches(boxes, looks)
        matched = [self._tracks[row] for row, _ in matches]
        if matched:
            _share(matched, motion.update(_joined(matched), boxes[matches[:, 1]]))
        crowded = (overlaps(boxes, boxes) - np.eye(len(boxes))).max(1, initial=0) > self.rules.clear
        found = np.full(len(boxes), NOBODY)
        for track, number in zip(matched, matches[:, 1], strict=True):
            track.seen, track.lost = track.seen + 1, 0
            if not crowded[number]:
                track.looks.append(looks[number])
            if self._believed(track):
                found[number] = track.identity
        self._tracks = [
            track for track in self._tracks if track.lost <= (self.rules.patience if self._believed(track) else 0)
        ]
        for number in np.setdiff1d(np.arange(len(boxes)), matches[:, 1]):
            known = deque([looks[number]], self.rules.remembered)
            track = Track(next(self._numbers), motion.begin(boxes[number : number + 1]), known)
            self._tracks.append(track)
            if self._believed(track):
                found[number] = track.identity
        return found

    def _believed(self, track: Track) -> bool:
        """Whether it is more than a trial."""
        return track.seen >= self.rules.trials

    def _matches(self, boxes: Boxes, looks: Tensor) -> NDArray[np.int64]:
        """Numbers ``[P, 2]`` of tracks and of their detections."""
        if not self._tracks or not len(boxes):
            return np.empty((0, 2), np.int64)
        belief = _joined(self._tracks)
        shared = overlaps(motion.boxes_of(belief), boxes)
        near = shared >= self.rules.overlap
        if self.appearance is None:
            return assigned(1 - shared, near)
        galleries = [torch.stack(tuple(track.looks)) for track in self._tracks]
        unlike = least(self.appearance, galleries, looks).double().numpy() / self.threshold
        matches = assigned(1 - shared + self.rules.weight * unlike, near & (unlike <= self.rules.doubtful))
        free = np.ones_like(near)
        free[matches[:, 0]], free[:, matches[:, 1]] = False, False
        reachable = motion.deviations(belief, boxes).numpy() <= motion.GATE
        return np.concatenate((matches, assigned(unlike, free & reachable & (unlike <= 1))))


def assigned(cost: NDArray[np.float64], allowed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Pairs ``[P, 2]`` of rows and columns, as many as are allowed, of these the cheapest (the Hungarian algorithm).

    >>> assigned(np.array([[0.1, 0.2], [0.2, 9.0]]), np.array([[True, True], [True, False]])).tolist()
    [[0, 1], [1, 0]]

    Args:
        cost: ``[N, M]``, finite where allowed.
        allowed: ``[N, M]``.
    """
    if not allowed.any():
        return np.empty((0, 2), np.int64)
    low, high = cost[allowed].min(), cost[allowed].max()
    # One forbidden pair more costs more than all that choosing among allowed ones can save.
    forbidden = (high - low + 1) * (min(cost.shape) + 1)
    pairs = np.stack(linear_sum_assignment(np.where(allowed, cost - low, forbidden)), 1)
    return pairs[allowed[pairs[:, 0], pairs[:, 1]]]


def _joined(tracks: Sequence[Track]) -> Belief:
    return Belief(*(torch.cat(parts) for parts in zip(*(track.belief for track in tracks), strict=True)))


def _share(tracks: Sequence[Track], belief: Belief) -> None:
    for number, track in enumerate(tracks):
        track.belief = Belief(belief.mean[number : number + 1], belief.covariance[number : number + 1])
