"""IDF1, MOTA and identity switches of tracks, by motmetrics (Bernardin and Stiefelhagen 2008; Ristani et al. 2016)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from examples.mot.boxes import Boxes, overlaps
from examples.mot.challenge import LIKE_PEDESTRIANS, PEDESTRIAN, TRUTH, Truth, Video, by_frame
from examples.mot.tracker import NOBODY
from latentrl.support.errors import UserError

LEAST = 0.5
"""Overlap from which on a box is that of somebody."""
COUNTS: Mapping[str, str] = {
    "switches": "num_switches",
    "fragmentations": "num_fragmentations",
    "missed": "num_misses",
    "wrong": "num_false_positives",
    "boxes": "num_objects",
    "same": "idtp",
    "mistaken": "idfp",
    "lost": "idfn",
}
"""What is counted, and what motmetrics calls it; the last three make IDF1."""


def library() -> ModuleType:
    """motmetrics.

    Raises:
        UserError: it is not installed.
    """
    try:
        import motmetrics
    except ImportError as error:
        raise UserError(f"scores need motmetrics ({error}): pip install 'latentrl[mot]'") from error
    return motmetrics


def check_scorable(video: Video) -> Truth:
    """The truth of a video.

    Raises:
        UserError: it has none, or nobody in it counts.
    """
    if video.truth is None:
        raise UserError(
            f"{video.folder / TRUTH}: is not there, and nothing can be scored: the benchmark keeps that of its test "
            "videos to itself; give videos of its folder train/"
        )
    if not _counting(video.truth).any():
        raise UserError(
            f"{video.folder / TRUTH}: nobody in it counts (column 7 not 0, class {PEDESTRIAN}), and nothing can be "
            "scored: give another video"
        )
    return video.truth


def scores(video: Video, identities: NDArray[np.int64]) -> dict[str, float]:
    """The figures of a tracker that gave the detections of ``video`` these ``identities [N]``.

    As the benchmark counts: boxes of whom no tracker is blamed for are left out, and truth that does not count.

    Raises:
        UserError: the video has no truth; motmetrics is missing.
    """
    metrics, truth = library(), check_scorable(video)
    accumulator = metrics.MOTAccumulator(auto_id=True)
    own, theirs = by_frame(video.detections.frames, video.length), by_frame(truth.frames, video.length)
    for found, true in zip(own, theirs, strict=True):
        part = _part(truth, true)
        known = identities[found] != NOBODY
        boxes, who = video.detections.boxes[found][known], identities[found][known]
        kept = ~blameless(part, boxes)
        counting = _counting(part)
        shared = overlaps(part.boxes[counting], boxes[kept])
        apart = np.where(shared >= LEAST, 1 - shared, np.nan)
        accumulator.update(part.identities[counting].tolist(), who[kept].tolist(), apart)
    told = metrics.metrics.create().compute(accumulator, metrics=list(COUNTS.values()), return_dataframe=False)
    return overall([{name: float(told[known]) for name, known in COUNTS.items()}])


def overall(videos: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Counts of all ``videos`` together, and what is made of them: MOTA, IDF1 (``nan`` where there is nobody)."""
    found = {name: sum(one[name] for one in videos) for name in COUNTS}
    wrong = found["missed"] + found["wrong"] + found["switches"]
    identities = 2 * found["same"] + found["mistaken"] + found["lost"]
    found["mota"] = 1 - wrong / found["boxes"] if found["boxes"] else np.nan
    found["idf1"] = 2 * found["same"] / identities if identities else np.nan
    return found


def blameless(truth: Truth, boxes: Boxes) -> NDArray[np.bool_]:
    """Which of one frame's ``boxes [N, 4]`` are of somebody that no tracker is blamed for.

    All of the truth is matched with the boxes, so that one of a pedestrian who counts stays that one's.
    """
    found = np.zeros(len(boxes), bool)
    shared = overlaps(truth.boxes, boxes)
    for row, column in zip(*linear_sum_assignment(np.where(shared >= LEAST, -shared, 0)), strict=True):
        found[column] = shared[row, column] >= LEAST and truth.kinds[row] in LIKE_PEDESTRIANS
    return found


def _counting(truth: Truth) -> NDArray[np.bool_]:
    return truth.counts & (truth.kinds == PEDESTRIAN)


def _part(truth: Truth, frame: slice) -> Truth:
    return Truth(*(getattr(truth, name)[frame] for name in Truth.__dataclass_fields__))
