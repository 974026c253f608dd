"""Goal images: what a user points at instead of writing a reward function."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from latentrl.errors import UserError

MODES = {1: "L", 3: "RGB"}


def read_goal(path: Path, shape: Sequence[int]) -> NDArray[np.uint8]:
    """The picture in ``path`` as one raw observation ``[H, W, C]`` uint8.

    Args:
        path: anything Pillow reads.
        shape: the observation shape ``(H, W, C)`` of the model that is to encode it.

    Raises:
        UserError: no such file, no picture, or not the size and colours that the model was trained on.
    """
    if len(shape) != 3 or shape[2] not in MODES:
        raise UserError(
            f"--goal {path}: the model observes arrays of shape {tuple(shape)}, so no picture can be its goal"
        )
    height, width, channels = shape
    try:
        with Image.open(path) as image:
            size, mode, pixels = image.size, image.mode, np.array(image)
    except FileNotFoundError as error:
        raise UserError(f"--goal {path}: there is no such file; give a picture of the goal") from error
    except (UnidentifiedImageError, OSError) as error:
        raise UserError(f"--goal {path}: cannot be read as a picture ({error}); give a PNG or JPEG file") from error
    if size != (width, height):
        raise UserError(
            f"--goal {path}: is {size[0]} x {size[1]} pixels, but the model sees {width} x {height}; "
            "take the picture with the camera that recorded the data"
        )
    if mode != MODES[channels]:
        raise UserError(
            f"--goal {path}: has Pillow's mode {mode}, but the model sees {MODES[channels]} images; "
            f"convert it: Image.open(...).convert({MODES[channels]!r})"
        )
    return pixels.reshape(height, width, channels)
