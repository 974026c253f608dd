"""What is observed of a recording, as models take it: pictures or readings, a few steps at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from latentrl.data_collection.checks import LARGEST
from latentrl.recordings.keys import Part
from latentrl.recordings.pictures import Crop, Pictures, factor_of, is_picture, layout_of
from latentrl.recordings.recording import Key, Recording
from latentrl.recordings.span import place_of
from latentrl.support.errors import UserError

MOST_PIXELS = 1 << 25
"""Of a recorded picture; larger ones are no frames of a film but a mistake, or made to fill the memory."""
SAMPLED = 5
"""Recordings whose first frames tell the range of the numbers in all."""


class Observing(Protocol):
    """From a recording to observations."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of an observation."""
        ...

    @property
    def casts(self) -> tuple[str, ...]:
        """What is made of what was recorded, one line each."""
        ...

    def blocks(self, recording: Recording) -> Iterator[NDArray[Any]]:
        """Observations ``[n, *shape]`` in order, uint8 pictures or float32 readings.

        Raises:
            UserError: something that cannot be observed; names recording, key and step.
        """
        ...


@dataclass(frozen=True)
class Seen:
    """Pictures of one camera."""

    key: str
    pictures: Pictures
    casts: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """``(H, W, C)``."""
        return self.pictures.shape

    def blocks(self, recording: Recording) -> Iterator[NDArray[Any]]:
        """Pictures ``[n, H, W, C]`` uint8."""
        step, most = 0, 0.0
        for block in recording.blocks(self.key):
            yield self.pictures(block, f"{recording.name}: {self.key}", step)
            step, most = step + len(block), max(most, float(block.max(initial=0)))
        if self.pictures.factor == 1 and 0 < most <= 1:
            raise UserError(
                f"{recording.name}: {self.key}: no value is above {most:g}, where 255 is white, so it would be black; "
                "multiply its pictures by 255, or take it out"
            )


@dataclass(frozen=True)
class Sensed:
    """Readings, put side by side."""

    parts: tuple[Part, ...]
    size: int
    casts: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """``(D,)``."""
        return (self.size,)

    def blocks(self, recording: Recording) -> Iterator[NDArray[Any]]:
        """Readings ``[n, D]`` float32, in one piece: they are small."""
        yield numbers(recording, self.parts).astype(np.float32)


def observing(
    parts: Sequence[Part],
    recordings: Sequence[Recording],
    crop: Crop | None,
    size: tuple[int, int] | None,
    grey: bool,
) -> Observing:
    """How to observe these parts of these recordings.

    Args:
        parts: one picture, or readings.
        recordings: all; the first tells the layout, a few the range of the numbers.
        crop: of pictures.
        size: of pictures, in the end.
        grey: pictures without colours.

    Raises:
        UserError: pictures and readings together, several pictures, no picture where one is needed, a crop beyond it.
    """
    first = recordings[0]
    keys = [first.keys[part.key] for part in parts]
    try:
        pictured = [
            part.entries is None and is_picture(key.shape, key.dtype) for part, key in zip(parts, keys, strict=True)
        ]
    except UserError as error:
        raise UserError(f"--observation {' '.join(map(str, parts))}: {error}") from error
    flags = [
        flag for flag, value in (("--crop", crop), ("--size", size), ("--grey", grey or None)) if value is not None
    ]
    if any(pictured):
        if len(parts) > 1:
            raise UserError(
                f"--observation {' '.join(map(str, parts))}: several, with a picture among them; give one camera, or "
                "readings alone"
            )
        found = _seen(parts[0].key, keys[0], recordings, crop, size, grey)
        if found is not None:
            return found
    if flags:
        raise UserError(f"{flags[0]}: belongs to pictures, and {', '.join(map(str, parts))} are none; leave it out")
    return _sensed(tuple(parts), keys)


class NotFinite(UserError):
    """A reading or an action that is no number, or one that single precision cannot hold.

    Attributes:
        recording: the name of the one that it is in.
    """

    recording: str

    def __init__(self, message: str, recording: str) -> None:
        super().__init__(message)
        self.recording = recording


def numbers(recording: Recording, parts: Sequence[Part]) -> NDArray[np.float64]:
    """The parts of a recording side by side, ``[T, D]``, each flattened.

    Raises:
        NotFinite: they are not; names key and step.
        UserError: they are of different lengths.
    """
    found = side_by_side(recording, parts)
    refuse_unusable(found, recording, parts)
    return found


def side_by_side(recording: Recording, parts: Sequence[Part]) -> NDArray[np.float64]:
    """As :func:`numbers`, whatever they are.

    Raises:
        UserError: they are of different lengths.
    """
    columns: list[NDArray[np.float64]] = []
    for part in parts:
        blocks = [block.reshape(len(block), -1) for block in recording.blocks(part.key)]
        whole = np.concatenate(blocks) if blocks else np.zeros((0, math.prod(recording.keys[part.key].shape)))
        columns.append((whole if part.entries is None else whole[:, part.entries]).astype(np.float64))
    lengths = {len(column) for column in columns}
    if len(lengths) > 1:
        found = ", ".join(f"{part} {len(column)}" for part, column in zip(parts, columns, strict=True))
        raise UserError(f"{recording.name}: these have different numbers of steps: {found}; give some of one length")
    return np.concatenate(columns, axis=1)


def usable(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether ``values`` are numbers that single precision can hold, each."""
    return np.asarray(np.abs(values) <= LARGEST)


def refuse_unusable(values: NDArray[np.float64], recording: Recording, parts: Sequence[Part], first: int = 0) -> None:
    """Refuse what is not :func:`usable`.

    Args:
        values: of the parts side by side, ``[T, D]``.
        recording: whose they are.
        parts: what they are.
        first: step of the recording that the first of them is.

    Raises:
        NotFinite: names the recording, the key, the step, the entry and the cure.
    """
    name, start = place_of(recording)
    at = 0
    for part in parts:
        size = size_of([part], recording)
        column, at = values[:, at : at + size], at + size
        wrong = np.argwhere(~usable(column))
        if len(wrong):
            step, entry = wrong[0]
            raise NotFinite(
                f"{name}: {part.key}, step {start + first + step}, entry {entry}: is {column[step, entry]}; cut the "
                "recording there with --gaps cut, or take it out",
                name,
            )


def size_of(parts: Sequence[Part], recording: Recording) -> int:
    """How many numbers the parts have side by side."""
    return sum(
        len(part.entries) if part.entries is not None else int(np.prod(recording.keys[part.key].shape))
        for part in parts
    )


def _seen(
    key: str, what: Key, recordings: Sequence[Recording], crop: Crop | None, size: tuple[int, int] | None, grey: bool
) -> Seen | None:
    """How to see pictures; None where the numbers say that grey pictures are none but a table of readings."""
    layout = layout_of(what.shape)
    assert layout is not None
    if layout.height * layout.width > MOST_PIXELS:
        raise UserError(
            f"{key}: its pictures are {layout.height} x {layout.width}; make them smaller before they are imported"
        )
    for other in recordings:
        if other.keys[key].dtype != what.dtype:
            raise UserError(
                f"{other.name}: {key} is {other.keys[key].dtype}, in {recordings[0].name} {what.dtype}, whose white is "
                "another; store all pictures as uint8"
            )
    picked = np.unique(np.linspace(0, len(recordings) - 1, SAMPLED).astype(int))
    factor = 1.0
    if what.dtype != np.uint8:
        starts = [next(iter(recordings[n].blocks(key))).reshape(-1) for n in picked]
        try:
            factor = factor_of(np.concatenate(starts), f"{key} ({what})")
        except UserError:
            if layout.channels == 0 and crop is None and size is None and not grey:
                return None
            raise
    if crop is not None and (crop.top + crop.height > layout.height or crop.left + crop.width > layout.width):
        raise UserError(
            f"--crop {crop.top},{crop.left},{crop.height},{crop.width}: goes beyond the recorded picture, which is "
            f"{layout.height} pixels high and {layout.width} wide"
        )
    pictures = Pictures(layout, factor, crop, size, grey)
    casts = []
    if what.dtype != np.uint8:
        span = "0 to 1, so times 255" if factor != 1 else "0 to 255"
        casts.append(f"{key}: {what.dtype} from {span} -> uint8")
    if layout.first:
        casts.append(f"{key}: channels first -> last")
    if layout.channels == 4:
        casts.append(f"{key}: opacity left out")
    return Seen(key, pictures, tuple(casts))


def _sensed(parts: tuple[Part, ...], keys: Sequence[Key]) -> Sensed:
    size = sum(
        len(p.entries) if p.entries is not None else int(np.prod(k.shape)) for p, k in zip(parts, keys, strict=True)
    )
    casts = [
        f"{part}: {key.dtype} -> float32" for part, key in zip(parts, keys, strict=True) if key.dtype != np.float32
    ]
    flat = [
        f"{p}: {' x '.join(map(str, k.shape))} -> flat" for p, k in zip(parts, keys, strict=True) if len(k.shape) > 1
    ]
    return Sensed(parts, size, (*casts, *flat))
