"""Animated GIFs of an agent at work: the real system, what the agent sees, what it believes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from latentrl.support.files import replacing

BACKGROUND = (250, 250, 248)
INK = (60, 60, 60)
CAPTION = 18
GAP = 6


def side_by_side(pictures: dict[str, NDArray[np.uint8]], size: int = 192) -> Image.Image:
    """One frame: each picture ``[H, W]`` or ``[H, W, 1 or 3]`` uint8, made ``size`` high, under its caption."""
    widths = [max(1, round(size * pixels.shape[1] / pixels.shape[0])) for pixels in pictures.values()]
    width = sum(widths) + (len(pictures) - 1) * GAP
    frame = Image.new("RGB", (width, size + CAPTION), BACKGROUND)
    canvas = ImageDraw.Draw(frame)
    left = 0
    for (caption, pixels), wide in zip(pictures.items(), widths, strict=True):
        grey = pixels.ndim == 2 or pixels.shape[-1] == 1
        image = Image.fromarray(pixels.reshape(pixels.shape[:2]) if grey else pixels).convert("RGB")
        frame.paste(image.resize((wide, size), Image.Resampling.NEAREST), (left, CAPTION))
        canvas.text((left + 4, 3), caption, fill=INK)
        left += wide + GAP
    return frame


def one_palette(frames: Sequence[Image.Image], samples: int = 8, colours: int = 128) -> list[Image.Image]:
    """The frames with the colours that suit ``samples`` of them: what does not move costs a GIF nothing then."""
    if not frames:
        return []
    chosen = frames[:: max(1, len(frames) // samples)]
    width, height = frames[0].size
    montage = Image.new("RGB", (width, height * len(chosen)))
    for index, frame in enumerate(chosen):
        montage.paste(frame, (0, index * height))
    palette = montage.quantize(colours)
    return [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]


def write_gif(path: Path, frames: Sequence[Image.Image], frames_per_second: float) -> Path:
    """Write an endlessly looping GIF, whole or not at all.

    Raises:
        ValueError: no frames.
    """
    if not frames:
        raise ValueError(f"{path}: a GIF needs at least one frame")
    duration = round(1000 / frames_per_second)
    with replacing(path) as partial:
        frames[0].save(partial, format="GIF", save_all=True, append_images=list(frames[1:]), duration=duration, loop=0)
    return path
