"""The goal that goes with imported data: a picture, readings or a recorded frame, made like the observations."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentrl.recordings.film import UNREADABLE
from latentrl.recordings.observing import NotFinite, Seen
from latentrl.recordings.plan import Plan
from latentrl.recordings.span import Span
from latentrl.support.errors import UserError
from latentrl.support.files import fault_of_json, is_list, parsed_json
from latentrl.support.pictures import DEEP, amiss

PICTURE, READINGS = "goal.png", "goal.json"


def read_goal(text: str, plan: Plan) -> NDArray[Any]:
    """The observation ``[H, W, C]`` uint8 or ``[D]`` float32 that a ``--goal`` means.

    Args:
        text: a file; a JSON list of readings; or ``RECORDING:FRAME``, a recorded frame, counted from 0, or from the end
            if negative.
        plan: how observations are made.

    Raises:
        UserError: no such file, recording or frame, or another shape; says what is expected.
    """
    named = re.fullmatch(r"(.+):(-?\d+)", text)
    if named and not Path(text).exists():
        return _recorded(text, named[1], int(named[2]), plan)
    if is_list(text) and not isinstance(plan.observing, Seen):
        return _readings(text, text, plan.observing.shape)
    path = Path(text)
    if not path.is_file():
        raise UserError(
            f"--goal {text}: there is no such file; give a picture, a JSON list of readings, or RECORDING:FRAME"
        )
    if isinstance(plan.observing, Seen):
        return _picture(path, plan.observing)
    return _readings(text, path, plan.observing.shape)


def write_goal(goal: NDArray[Any], folder: Path) -> Path:
    """Store a goal without loss, under the name that every verb looks for."""
    if goal.dtype != np.uint8:
        path = folder / READINGS
        path.write_text(json.dumps(goal.tolist()) + "\n", encoding="utf-8")
        return path
    path = folder / PICTURE
    Image.fromarray(goal[..., 0] if goal.shape[2] == 1 else goal).save(path)
    return path


def _recorded(text: str, name: str, frame: int, plan: Plan) -> NDArray[Any]:
    found = [one for one in plan.source.recordings if one.name == name]
    if not found:
        some = ", ".join(one.name for one in plan.source.recordings[:3])
        raise UserError(f"--goal {text}: there is no file and no recording {name}; recordings are called {some}, ...")
    frames = plan.frames[name]
    if not -frames <= frame < frames:
        raise UserError(f"--goal {text}: {name} has the frames 0 to {frames - 1}")
    wanted = frame % frames
    # Of that frame alone, for others may be cut out.
    try:
        for block in plan.observing.blocks(Span(found[0], frames, wanted, wanted + 1)):
            return block[0].copy()
    except NotFinite as error:
        raise UserError(f"--goal {text}: a reading of that frame is no number; give another frame") from error
    raise UserError(f"--goal {text}: {name} ends before that frame; is the file complete?")


def _picture(path: Path, seen: Seen) -> NDArray[np.uint8]:
    pictures, layout = seen.pictures, seen.pictures.layout
    height, width, channels = pictures.shape
    try:
        with warnings.catch_warnings():
            # Pillow warns of pictures that are far too large, which are refused anyway.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                # Before any pixel is read: a small file may hold a huge picture.
                _check_header(path, image, seen)
                # In colours until it is small, as recorded frames are.
                pixels = np.array(image.convert("L" if layout.channels in (0, 1) else "RGB"))
    except UserError:
        raise
    except UNREADABLE as error:
        raise UserError(f"--goal {path}: cannot be read as a picture ({error}); give a PNG or JPEG file") from error
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    if pixels.shape[:2] == (layout.height, layout.width):
        if pictures.crop is not None:
            part = pictures.crop
            pixels = pixels[part.top : part.top + part.height, part.left : part.left + part.width]
    found = pictures.finished(np.ascontiguousarray(pixels))
    assert found.shape == (height, width, channels)
    return found


def _check_header(path: Path, image: Image.Image, seen: Seen) -> None:
    layout, (height, width, _) = seen.pictures.layout, seen.pictures.shape
    if image.size not in ((layout.width, layout.height), (width, height)):
        raise UserError(
            f"--goal {path}: is {image.height} pixels high and {image.width} wide, recorded frames are "
            f"{layout.height} and {layout.width}; take it with the camera that recorded the data"
        )
    if image.mode in DEEP:
        raise UserError(f"--goal {path}: has Pillow's mode {image.mode}; save it with eight bits a colour")
    problem = amiss(image)
    if problem is not None:
        raise UserError(f"--goal {path}: {problem}")


def _readings(text: str, source: str | Path, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The readings in a file, or in a list that is written out."""
    try:
        written = source if isinstance(source, str) else source.read_text(encoding="utf-8")
        fault = fault_of_json(written)
        if fault is not None:
            raise UserError(f"--goal {text}: {fault}; give a JSON list of {shape[0]} numbers")
        with np.errstate(over="ignore"):  # too large for float32: infinite, which is refused below
            found = np.array(parsed_json(written), np.float32)
    except UserError:
        raise
    except (OSError, ValueError, TypeError, OverflowError) as error:
        raise UserError(f"--goal {text}: readings are observed; give a JSON list of {shape[0]} numbers") from error
    if found.shape != shape:
        raise UserError(
            f"--goal {text}: has the shape {list(found.shape)}; give a JSON list of {shape[0]} finite numbers"
        )
    for at in np.flatnonzero(~np.isfinite(found)):
        raise UserError(f"--goal {text}: number {at} is {found[at]}, counted from 0; give finite numbers")
    return found
