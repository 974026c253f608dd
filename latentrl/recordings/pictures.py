"""Recorded pictures made into what models see: ``[H, W, C]`` uint8, cropped and resized, in colours or in grey."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentrl.support.errors import UserError

COLOURS = (1, 3, 4)
"""Numbers a pixel: grey, colours, colours with opacity."""
SMALLEST_SIDE = 8
"""Pixels. Arrays with shorter sides that are not uint8 are readings: nothing tells that they are pictures."""


@dataclass(frozen=True)
class Layout:
    """How a picture is stored.

    Attributes:
        height: pixels.
        width: pixels.
        channels: numbers a pixel; 0: a grey picture without an axis for them.
        first: whether the channels' axis comes first.
    """

    height: int
    width: int
    channels: int
    first: bool = False


@dataclass(frozen=True)
class Crop:
    """A part of a picture, in its own pixels."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True)
class Pictures:
    """From frames as recorded to frames as models see them.

    Attributes:
        layout: of what was recorded, before the crop.
        factor: what recorded numbers are multiplied by: 255 where they lie in 0 to 1, else 1.
        crop: what is kept; None: all of it.
        size: height and width in the end; None: as it is after the crop.
        grey: brightness alone.
    """

    layout: Layout
    factor: float = 1.0
    crop: Crop | None = None
    size: tuple[int, int] | None = None
    grey: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(H, W, C)`` in the end."""
        part = self.crop or self.layout
        height, width = self.size or (part.height, part.width)
        return height, width, 1 if self.grey or self.layout.channels in (0, 1) else 3

    def __call__(self, frames: NDArray[Any], where: str, step: int = 0) -> NDArray[np.uint8]:
        """Frames ``[n, H, W, C]`` uint8 of recorded ``frames [n, ...]``.

        Args:
            frames: in this layout, uint8 or whatever was recorded.
            where: names recording and key in messages.
            step: number of the first one, for messages.

        Raises:
            UserError: another shape, values that are not finite or out of range.
        """
        frames = self._channels_last(frames, where)
        if self.crop is not None:
            part = self.crop
            frames = frames[:, part.top : part.top + part.height, part.left : part.left + part.width]
        pixels = as_bytes(frames, self.factor, where, step)
        if pixels.shape[-1] == 4:
            pixels = pixels[..., :3]
        return np.ascontiguousarray(self._resized(pixels))

    def finished(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A picture ``[h, w, C]`` that is cropped already, resized and in grey where that is asked for."""
        return self._resized(picture[None])[0]

    def _channels_last(self, frames: NDArray[Any], where: str) -> NDArray[Any]:
        found = layout_of(frames.shape[1:])
        if found != self.layout:
            raise UserError(
                f"{where}: its frames are {list(frames.shape[1:])}, the first recording's were {self.layout.height} x "
                f"{self.layout.width}; import them apart"
            )
        if self.layout.channels == 0:
            return frames[..., None]
        return np.moveaxis(frames, 1, -1) if self.layout.first else frames

    def _resized(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width, channels = self.shape
        if pixels.shape[1:] == (height, width, channels):
            return pixels
        done = np.empty((len(pixels), height, width, channels), np.uint8)
        for n, frame in enumerate(pixels):
            image = Image.fromarray(frame[..., 0] if frame.shape[2] == 1 else frame)
            # The filter of `PixelObservation`: an environment's picture and a recorded one are made small in one way.
            if image.size != (width, height):
                image = image.resize((width, height), Image.Resampling.BILINEAR)
            if channels == 1 and image.mode != "L":
                image = image.convert("L")
            done[n] = np.asarray(image).reshape(height, width, channels)
        return done


def layout_of(shape: tuple[int, ...]) -> Layout | None:
    """How pictures of this ``shape`` are stored; None: it is no picture's.

    Where either end could be the channels they come last.
    """
    if len(shape) == 2:
        return Layout(shape[0], shape[1], 0)
    if len(shape) == 3 and shape[2] in COLOURS:
        return Layout(shape[0], shape[1], shape[2])
    if len(shape) == 3 and shape[0] in COLOURS:
        return Layout(shape[1], shape[2], shape[0], first=True)
    return None


def is_picture(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    """Whether steps of this shape and dtype look like pictures.

    Raises:
        UserError: they look like several pictures at once.
    """
    layout = layout_of(shape)
    if layout is None:
        if len(shape) >= 3 and min(sorted(shape)[-2:]) >= SMALLEST_SIDE:
            raise UserError(
                f"a step is {list(shape)}: pictures have 1, 3 or 4 numbers a pixel; one frame a step, not a stack, "
                "and one camera"
            )
        return False
    colours = layout.channels > 0 and dtype == np.uint8
    return colours or min(layout.height, layout.width) >= SMALLEST_SIDE


def factor_of(samples: NDArray[Any], where: str) -> float:
    """What numbers like ``samples`` are multiplied by to become bytes: 255 for 0 to 1, else 1.

    Raises:
        UserError: they reach below 0, beyond 255, or are not finite.
    """
    if samples.dtype == np.uint8:
        return 1.0
    if samples.dtype == np.bool_:
        return 255.0
    least, most = float(samples.min()), float(samples.max())
    if not (0 <= least and most <= 255):
        raise UserError(f"{where}: goes from {least:g} to {most:g}: give pictures from 0 to 1 or from 0 to 255")
    return 255.0 if most <= 1 and samples.dtype.kind == "f" else 1.0


def as_bytes(frames: NDArray[Any], factor: float, where: str, step: int = 0) -> NDArray[np.uint8]:
    """``factor * frames`` rounded to uint8.

    Raises:
        UserError: a value that is not finite or does not lie in 0 to 255 then; names the step.
    """
    if frames.dtype == np.uint8 and factor == 1:
        return frames
    scaled = frames.astype(np.float32) * factor
    wrong = ~((scaled >= -0.5) & (scaled <= 255.5))
    if wrong.any():
        at = np.argwhere(wrong)[0]
        span = "0 to 1" if factor != 1 else "0 to 255"
        raise UserError(
            f"{where}, step {step + int(at[0])}: the value {frames[tuple(at)]:g} is not in {span}, where the first "
            "frames were; store all pictures as uint8"
        )
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
