"""The position in a picture or in readings."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from latentrl.goals.base import Goal, WrittenGoal
from latentrl.models.base import WorldModel
from latentrl.support.errors import UserError
from latentrl.support.files import fault_of_json, is_list, parsed_json
from latentrl.support.pictures import amiss

MODES = {1: "L", 3: "RGB"}
"""Pillow's names for pictures of so many channels."""
LARGEST_FILE = 2**28
"""Bytes."""


@dataclass(frozen=True)
class PictureGoal(WrittenGoal):
    """The position in a picture, or in readings: what a text means that begins with no goal's keyword.

    Attributes:
        path: the file's; or readings that are written out themselves, ``[0.87, -0.5]``.
    """

    path: Path
    is_position: ClassVar[bool] = True
    syntax: ClassVar[str] = "a picture or readings"

    @classmethod
    def parse(cls, rest: str) -> PictureGoal:
        """The whole text is the file's name, or a list of readings."""
        return cls(Path(rest))

    @property
    def is_file(self) -> bool:
        """Whether a file is named; else readings are written out, and lie nowhere."""
        return not is_list(str(self.path))

    def __str__(self) -> str:
        return str(self.path)

    def target(self, model: WorldModel, run: Path, data: Path | None) -> Tensor:
        """The position ``[Da]``."""
        return model.encode_goal(torch.from_numpy(self.observation(model, run, data)))

    def observation(self, model: WorldModel, run: Path, data: Path | None) -> NDArray[Any]:
        """The picture, or the readings."""
        return read_goal(self.path, model.spec.observation_shape, model.spec.observation_dtype)


@dataclass(frozen=True, eq=False)
class ObservedGoals(Goal):
    """The positions in raw observations ``[N, ...]``, one for each of N parallel episodes; not written as text."""

    observations: NDArray[Any]
    is_position: ClassVar[bool] = True
    is_single: ClassVar[bool] = False

    def target(self, model: WorldModel, run: Path, data: Path | None) -> Tensor:
        """The positions ``[N, Da]``."""
        return torch.stack([model.encode_goal(torch.from_numpy(one)) for one in self.observations])

    def observation(self, model: WorldModel, run: Path, data: Path | None) -> NDArray[Any]:
        """All of them ``[N, ...]``."""
        return self.observations

    def __str__(self) -> str:
        return "one of its own in every episode"


def read_goal(path: Path, shape: Sequence[int], dtype: str | None = None) -> NDArray[np.uint8] | NDArray[np.float32]:
    """One raw observation: the picture in ``path``, ``[H, W, C]`` uint8, or its numbers, ``[*shape]`` float32.

    Args:
        path: anything Pillow reads; for a model that sees no pictures, a JSON list of numbers (nested as ``shape``), in
            a file or in the place of its name.
        shape: the observation shape of the model that is to encode it, ``(H, W, C)`` for pictures.
        dtype: of what it sees; None: pictures where the shape is that of one. One that sees floats is given numbers.

    Raises:
        UserError: no such file, no picture or numbers, or not the size and colours that the model was trained on.
    """
    if len(shape) != 3 or shape[2] not in MODES or dtype not in (None, "uint8"):
        return _read_numbers(path, tuple(shape))
    height, width, channels = shape
    _check_file(path, "a picture of the goal")
    try:
        with warnings.catch_warnings():
            # Pillow warns of, and refuses, pictures that are far too large, before it has read their pixels.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                # Of what the file says it is, before any pixel is read: a small file may hold a huge picture.
                _check_picture(path, image, (width, height), MODES[channels])
                pixels = np.array(image)
    except UserError:
        raise
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError, EOFError) as error:
        raise UserError(f"--goal {path}: cannot be read as a picture ({error}); give a PNG or JPEG file") from error
    return pixels.reshape(height, width, channels)


def _check_file(path: Path, wanted: str) -> None:
    """Refuse what is no file, such as a folder or a pipe that never ends, or far too large for a goal."""
    if not path.exists():
        raise UserError(f"--goal {path}: there is no such file; give {wanted}")
    if not path.is_file():
        raise UserError(f"--goal {path}: is no file; give {wanted}")
    if path.stat().st_size > LARGEST_FILE:
        raise UserError(f"--goal {path}: holds {path.stat().st_size} bytes, which is no goal's file; give {wanted}")


def _check_picture(path: Path, image: Image.Image, size: tuple[int, int], mode: str) -> None:
    if image.size != size:
        raise UserError(
            f"--goal {path}: is {image.size[0]} x {image.size[1]} pixels, but the model sees {size[0]} x {size[1]}; "
            "take the picture with the camera that recorded the data"
        )
    if image.mode != mode:
        raise UserError(
            f"--goal {path}: has Pillow's mode {image.mode}, but the model sees {mode} images; "
            f"convert it: Image.open(...).convert({mode!r})"
        )
    problem = amiss(image)
    if problem is not None:
        raise UserError(f"--goal {path}: {problem}")


def _read_numbers(path: Path, shape: tuple[int, ...]) -> NDArray[np.float32]:
    written = str(path) if is_list(str(path)) else None
    if written is None:
        _check_file(path, "a JSON list of readings, or a file that holds one")
    try:
        text = written or path.read_text(encoding="utf-8")
        fault = fault_of_json(text)
        if fault is not None:
            raise UserError(
                f"--goal {path}: {fault}; the model observes numbers of shape {shape}: give a JSON list of them"
            )
        with np.errstate(over="ignore"):  # too large for float32: infinite, which is refused below
            numbers = np.array(parsed_json(text), dtype=np.float32)
    except UserError:
        raise
    except (ValueError, TypeError, OSError, OverflowError) as error:
        raise UserError(
            f"--goal {path}: the model observes numbers of shape {shape}, no pictures; give a JSON list of them"
        ) from error
    if numbers.shape != shape:
        raise UserError(
            f"--goal {path}: has the shape {numbers.shape}, but the model observes {shape}; give a number for each of "
            "its readings, in the data's order"
        )
    unusable = np.flatnonzero(~np.isfinite(numbers))
    if len(unusable):
        found = ", ".join(f"number {index} is {numbers.flat[index]}" for index in unusable[:3])
        raise UserError(f"--goal {path}: {found}, counted from 0; give finite numbers, within float32")
    return numbers
