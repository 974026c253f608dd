"""Films, frame by frame: nothing but the frames at hand is in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageSequence, UnidentifiedImageError

from latentrl.recordings.recording import BLOCK, missing_package
from latentrl.support.errors import UserError, message_of

try:
    import av
except ImportError:
    av = None  # type: ignore[assignment]

ANIMATIONS = (".gif", ".apng", ".webp")
"""Read by Pillow, which is always there."""
FILMS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", *ANIMATIONS)
LOCAL = {"protocol_whitelist": "file"}
"""A film may be a list of others, at addresses that somebody else has chosen: none of them is asked."""
UNREADABLE = (
    UnidentifiedImageError,
    Image.DecompressionBombError,
    OSError,
    ValueError,
    EOFError,
    IndexError,
    SyntaxError,
)
"""What Pillow raises for pictures that are cut off."""
HALF = 0.5
"""Of a frame: how far its time may lie before the one that is asked for."""


@dataclass(frozen=True)
class FilmFacts:
    """What a film's header says.

    Attributes:
        frames: how many.
        shape: ``[H, W, 3]`` of a frame.
        rate: frames a second; None: not known.
    """

    frames: int
    shape: tuple[int, int, int]
    rate: float | None


def film_facts(path: Path) -> FilmFacts:
    """What is known of a film without decoding it.

    Raises:
        UserError: no such file, no film, or its decoder is not installed.
    """
    if path.suffix.lower() in ANIMATIONS:
        try:
            with Image.open(path) as image:
                seconds = float(image.info.get("duration", 0)) / 1000
                return FilmFacts(getattr(image, "n_frames", 1), (image.height, image.width, 3), _rate(seconds))
        except UNREADABLE as error:
            raise _damaged(path, error) from error
    _require_av(path)
    try:
        with av.open(str(path), options=LOCAL) as container:
            stream = container.streams.video[0]
            rate = None if stream.average_rate is None else float(stream.average_rate)
            if stream.codec_context is None:
                raise ValueError("no codec is known for it")
            shape = (stream.codec_context.height, stream.codec_context.width, 3)
            # Some formats do not count their frames; their packets can be counted without decoding them.
            count = stream.frames or sum(1 for packet in container.demux(stream) if packet.size)
            return FilmFacts(count, shape, rate)
    except (av.error.FFmpegError, OSError, IndexError, ValueError) as error:
        raise _damaged(path, error) from error


def film_blocks(path: Path, start: float | None = None, count: int | None = None) -> Iterator[NDArray[np.uint8]]:
    """The frames ``[n, H, W, 3]`` of a film in order, a few together.

    Args:
        path: the film.
        start: seconds at which the first one is, in a film that holds several recordings; None: its first frame.
        count: how many; None: to the end.

    Raises:
        UserError: the film is damaged, or ends earlier; its decoder is not installed.
    """
    frames = _animated(path) if path.suffix.lower() in ANIMATIONS else _decoded(path, start)
    held: list[NDArray[np.uint8]] = []
    given = 0
    for frame in frames:
        if given == count:
            break
        held.append(frame)
        given += 1
        if len(held) == BLOCK:
            yield np.stack(held)
            held = []
    if count is not None and given < count:
        raise UserError(f"{path}: ends {count - given} frames too early; is the file complete?")
    if held:
        yield np.stack(held)


def _animated(path: Path) -> Iterator[NDArray[np.uint8]]:
    try:
        with Image.open(path) as image:
            for frame in ImageSequence.Iterator(image):
                yield np.array(frame.convert("RGB"))
    except UNREADABLE as error:
        raise _damaged(path, error) from error


def _decoded(path: Path, start: float | None) -> Iterator[NDArray[np.uint8]]:
    _require_av(path)
    try:
        with av.open(str(path), options=LOCAL) as container:
            stream = container.streams.video[0]
            if stream.codec_context is None:
                raise ValueError("no codec is known for it")
            first = None
            if start is not None and stream.time_base is not None:
                first = start - HALF / float(stream.average_rate or 1)
                if start > 0:
                    # To the last key frame before it: what lies between is decoded and not kept.
                    container.seek(int(max(first, 0.0) / stream.time_base), stream=stream, backward=True)
            for frame in container.decode(stream):
                if first is not None and frame.time is not None and frame.time < first:
                    continue
                yield frame.to_ndarray(format="rgb24")
    except (av.error.FFmpegError, OSError, IndexError, ValueError) as error:
        raise _damaged(path, error) from error


def _require_av(path: Path) -> None:
    if av is None:
        raise missing_package(path, "PyAV, which decodes films")


def _rate(seconds: float) -> float | None:
    return 1 / seconds if seconds > 0 else None


def _damaged(path: Path, error: Exception) -> UserError:
    if isinstance(error, FileNotFoundError):
        return UserError(f"{path}: there is no such film; copy it there, or take its recording out")
    return UserError(f"{path}: cannot be read as a film ({message_of(error)}); convert it to MP4")
