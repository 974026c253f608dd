"""What boxes show: squares cut out of frames, and data folders of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from examples.mot.boxes import Boxes
from examples.mot.challenge import Video, by_frame
from latentrl.data_collection.storage import write
from latentrl.support.errors import UserError
from latentrl.types import Trajectory

HELD_OUT = 0.2
"""Share of every video's frames, the last ones, whose crops are held out."""


def cut(picture: Image.Image, boxes: Boxes, side: int) -> NDArray[np.uint8]:
    """What ``boxes [N, 4]`` show, stretched to squares ``[N, side, side, 3]``; boxes end where the frame does."""
    width, height = picture.size
    found = np.empty((len(boxes), side, side, 3), np.uint8)
    for number, (left, top, wide, high) in enumerate(boxes):
        # A pixel is left of every box, or nothing could be stretched.
        first = min(max(left, 0.0), width - 1.0), min(max(top, 0.0), height - 1.0)
        last = max(min(left + wide, width), first[0] + 1), max(min(top + high, height), first[1] + 1)
        part = picture.resize((side, side), Image.Resampling.BILINEAR, box=(*first, *last))
        found[number] = np.asarray(part)
    return found


def shown(video: Video, side: int) -> Iterator[tuple[slice, NDArray[np.uint8]]]:
    """For every frame, which detections are its own and what they show ``[N, side, side, 3]``."""
    for frame, own in enumerate(by_frame(video.detections.frames, video.length)):
        boxes = video.detections.boxes[own]
        yield own, cut(video.picture(frame), boxes, side) if len(boxes) else np.empty((0, side, side, 3), np.uint8)


def write_crops(folder: Path, videos: Sequence[Video], side: int, most: int, seed: int) -> None:
    """A data folder of what detections show, for ``latentrl train --model``; labels are not read.

    Args:
        folder: made; its split "test" holds crops of the last frames of every video.
        videos: with detections.
        side: pixels of a crop.
        most: crops of the split "train", and a quarter of it in "test"; drawn where there are more.
        seed: of which, and of their order.

    Raises:
        UserError: fewer than two crops.
    """
    rng = np.random.default_rng(seed)
    late = [video.detections.frames >= (1 - HELD_OUT) * video.length for video in videos]
    metadata = {"env_id": None, "pixels": side, "grey": False, "action_low": [-1.0], "action_high": [1.0]}
    for split, count in (("train", most), ("test", most // 4)):
        of_split = np.concatenate(late) == (split == "test")
        kept = np.zeros(len(of_split), bool)
        kept[rng.permutation(np.flatnonzero(of_split))[: max(2, count)]] = True
        parts = np.split(kept, np.cumsum([len(one) for one in late])[:-1])
        with tqdm(
            total=sum(video.length for video in videos), unit="frame", desc=f"crops: {split}", disable=None
        ) as bar:
            found = np.concatenate([_some(video, part, side, bar) for video, part in zip(videos, parts, strict=True)])
        if len(found) < 2:
            raise UserError(f"{', '.join(str(video.folder) for video in videos)}: too few detections; give more videos")
        found = found[rng.permutation(len(found))]
        # A data folder has sequences of two frames or more and actions that vary; static models look at single frames.
        pairs = found[: len(found) // 2 * 2].reshape(-1, 2, side, side, 3)
        actions = rng.uniform(-1, 1, (len(pairs), 1, 1)).astype(np.float32)
        write(folder, split, map(Trajectory, pairs, actions), metadata)


def _some(video: Video, kept: NDArray[np.bool_], side: int, bar: tqdm) -> NDArray[np.uint8]:
    """What those detections ``[N]`` show that are kept."""
    found = [np.empty((0, side, side, 3), np.uint8)]
    for frame, own in enumerate(by_frame(video.detections.frames, video.length)):
        boxes = video.detections.boxes[own][kept[own]]
        if len(boxes):
            found.append(cut(video.picture(frame), boxes, side))
        bar.update()
    return np.concatenate(found)
