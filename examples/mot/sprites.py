"""Made-up videos: people who walk to and fro, cross and hide each other, in a street with pillars and uneven light.

Everybody has colours, a pattern and a build of their own, drawn anew for every video. They turn round at random, also
while they are hidden, so that motion alone does not tell who comes out again. The detector misses some, is inexact,
sees nothing of who is hidden, and sometimes sees somebody where nobody is. The same seed gives the same video.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from examples.mot.boxes import overlaps
from examples.mot.challenge import PEDESTRIAN, Detections, Truth, write_video

RATE = 25.0
PILLARS = 2
TURNS = 0.012
"""Chance of turning round, in a frame."""
# The deviation is in lengths of the side.
VISIBLE, MISSED, WRONG, INEXACT = 0.4, 0.04, 0.03, 0.025
"""The detector's: share that has to be seen, chance of a miss, wrong boxes a frame, deviation of a side."""
SUPPRESSED = 0.7
"""Overlap from which on it takes two boxes for one, and keeps the one in front."""
NOISE = 6.0
"""Deviation of a pixel, of 255."""


@dataclass(frozen=True)
class Look:
    """What somebody looks like: colours in 0 to 1 ``[3]``, stripes of the second colour, how slim, how they walk."""

    coat: NDArray[np.float64]
    stripe: NDArray[np.float64]
    legs: NDArray[np.float64]
    skin: NDArray[np.float64]
    stripes: tuple[float, float]
    slim: float
    gait: float

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Look:
        """One at random."""
        coat, stripe, legs = (np.array(colorsys.hsv_to_rgb(*rng.uniform((0, 0.2, 0.25), (1, 1, 0.95)))) for _ in "abc")
        stripes = (0.0, 0.0) if rng.random() < 0.4 else (rng.choice([0.0, 12.0, 20.0]), rng.choice([0.0, 18.0]))
        skin = np.array([0.9, 0.7, 0.55]) * rng.uniform(0.35, 1.0)
        return cls(coat, stripe, legs, skin, stripes, rng.uniform(0.8, 1.0), rng.uniform(0.25, 0.5))

    def painted(self, height: int, width: int, phase: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Colours ``[height, width, 3]`` and which pixels are somebody's; ``phase`` is that of the legs, in rad."""
        down, across = np.meshgrid((np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width, indexing="ij")
        side = (across - 0.5) / self.slim
        head = (side / 0.2) ** 2 + ((down - 0.11) / 0.11) ** 2 < 1
        coat = (np.abs(side) < 0.42 - 0.25 * np.abs(down - 0.4)) & (down >= 0.2) & (down < 0.6)
        swing = 0.28 * np.sin(phase) * (down - 0.55)
        legs = (down >= 0.58) & ((np.abs(side - 0.14 - swing) < 0.12) | (np.abs(side + 0.14 + swing) < 0.12))
        colours = np.empty((height, width, 3))
        striped = np.sin(self.stripes[0] * down * np.pi) * np.cos(self.stripes[1] * across * np.pi) > 0.2
        colours[:] = np.where(striped[..., None], self.stripe, self.coat)
        colours[legs] = self.legs
        colours[head] = self.skin
        return colours, head | coat | legs


@dataclass(frozen=True)
class Scene:
    """All there is to see, before a frame is drawn.

    Attributes:
        looks: of everybody, who is further away first.
        centres: where they are, ``[T, N]`` pixels from the left.
        feet: pixels from above, ``[N]``.
        heights: pixels, ``[N]``.
        background: ``[H, W, 3]`` in 0 to 1.
        pillars: left and right ends, ``[P, 2]`` pixels.
        light: of every column, ``[W]``.
    """

    looks: tuple[Look, ...]
    centres: NDArray[np.float64]
    feet: NDArray[np.float64]
    heights: NDArray[np.float64]
    background: NDArray[np.float64]
    pillars: NDArray[np.int64]
    light: NDArray[np.float64]

    @classmethod
    def drawn(cls, rng: np.random.Generator, length: int, people: int, size: tuple[int, int]) -> Scene:
        """One at random, of frames of ``size`` (width and height)."""
        width, height = size
        feet = np.sort(rng.uniform(0.62, 0.97, people)) * height
        tall = feet * rng.uniform(0.36, 0.42, people)
        coarse = rng.uniform(0.35, 0.65, (height // 12 + 2, width // 12 + 2, 3))
        background = coarse.repeat(12, 0).repeat(12, 1)[:height, :width]
        where = (np.arange(PILLARS) + rng.uniform(0.3, 0.7, PILLARS)) / PILLARS * width
        pillars = np.stack((where - 0.045 * width, where + 0.045 * width), 1).astype(np.int64)
        waves: NDArray[np.float64] = np.linspace(0, rng.uniform(3, 7), width) + rng.uniform(0, 6)
        light = 0.8 + 0.3 * np.sin(waves)
        looks = tuple(Look.drawn(rng) for _ in range(people))
        return cls(looks, _walks(rng, length, tall, width), feet, tall, background, pillars, light)

    def boxes(self, frame: int) -> NDArray[np.float64]:
        """``[N, 4]``."""
        wide = 0.42 * self.heights
        return np.stack((self.centres[frame] - wide / 2, self.feet - self.heights, wide, self.heights), 1)

    def painted(self, frame: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Colours ``[H, W, 3]`` in 0 to 1 and the share ``[N]`` of everybody that is seen."""
        colours, front = self.background.copy(), np.full(self.background.shape[:2], -1)
        whole = np.zeros(len(self.looks))
        for number, (look, box) in enumerate(zip(self.looks, self.boxes(frame), strict=True)):
            left, top, wide, high = np.rint(box).astype(int)
            phase = look.gait * self.centres[frame, number]
            painted, mask = look.painted(high, wide, phase)
            rows, columns = np.arange(top, top + high), np.arange(left, left + wide)
            inside = np.ix_((rows >= 0) & (rows < len(colours)), (columns >= 0) & (columns < colours.shape[1]))
            painted, mask = painted[inside], mask[inside]
            part = np.ix_(
                rows[(rows >= 0) & (rows < len(colours))], columns[(columns >= 0) & (columns < colours.shape[1])]
            )
            colours[part] = np.where(mask[..., None], painted, colours[part])
            front[part] = np.where(mask, number, front[part])
            whole[number] = mask.sum()
        for start, end in self.pillars:
            colours[:, start:end], front[:, start:end] = 0.3, -1
        seen = np.bincount(front[front >= 0], minlength=len(self.looks)) / np.maximum(whole, 1)
        return colours * self.light[:, None], seen


def write_sprites(
    folder: Path, seed: int, length: int = 300, people: int = 10, size: tuple[int, int] = (320, 180)
) -> None:
    """A video of so many frames and people, as a folder of `examples.mot.challenge`; ``size`` is width and height."""
    rng = np.random.default_rng(seed)
    scene = Scene.drawn(rng, length, people, size)
    found: list[tuple[int, NDArray[np.float64], float]] = []
    visible = np.empty((length, people))

    def pictures() -> Iterator[NDArray[np.uint8]]:
        for frame in range(length):
            colours, visible[frame] = scene.painted(frame)
            found.extend((frame, box, sure) for box, sure in _detected(rng, scene.boxes(frame), visible[frame], size))
            yield (255 * colours + rng.normal(0, NOISE, colours.shape)).clip(0, 255).astype(np.uint8)

    drawn = list(pictures())
    frames, boxes, sure = (np.array([one[part] for one in found]) for part in range(3))
    who = np.tile(np.arange(1, people + 1), length)
    truth = Truth(
        np.repeat(np.arange(length), people),
        who,
        np.concatenate([scene.boxes(frame) for frame in range(length)]),
        np.ones(len(who), bool),
        np.full(len(who), PEDESTRIAN),
        visible.flatten(),
    )
    write_video(folder, RATE, drawn, Detections(frames, boxes, sure), truth)


def _walks(rng: np.random.Generator, length: int, tall: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Where people are ``[T, N]``: each at a pace of their own that is not quite even, back at the frame's edge."""
    people = len(tall)
    place = rng.uniform(0.1, 0.9, people) * width
    pace = tall * rng.uniform(0.012, 0.035, people)  # pixels a frame
    way, hurry = rng.choice([-1.0, 1.0], people), np.ones(people)
    places = np.empty((length, people))
    for frame in range(length):
        hurry = 1 + 0.95 * (hurry - 1) + rng.normal(0, 0.08, people)
        way = np.where(rng.random(people) < TURNS, -way, way)
        place = place + way * pace * hurry.clip(0, 2)
        margin = 0.25 * tall
        way = np.where(place < margin, 1.0, np.where(place > width - margin, -1.0, way))
        places[frame] = place
    return places


def _detected(
    rng: np.random.Generator, boxes: NDArray[np.float64], visible: NDArray[np.float64], size: tuple[int, int]
) -> list[tuple[NDArray[np.float64], float]]:
    """Boxes that the detector gives in a frame, and how sure it is of each."""
    noisy = boxes + INEXACT * boxes[:, [2, 3, 2, 3]] * rng.standard_normal(boxes.shape)
    seen = (visible >= VISIBLE) & (rng.random(len(boxes)) >= MISSED)
    covered = np.triu(overlaps(boxes, boxes) > SUPPRESSED, 1)
    kept = [number for number in np.flatnonzero(seen) if not (covered[number] & seen).any()]
    found = [(noisy[number], float(0.5 + 0.5 * visible[number])) for number in kept]
    if rng.random() < WRONG:
        high = rng.uniform(0.25, 0.4) * size[1]
        place = rng.uniform((0, 0), (size[0] - 0.42 * high, size[1] - high))
        found.append((np.array([*place, 0.42 * high, high]), float(rng.uniform(0.3, 0.6))))
    return found
