"""Goals: what a user points at instead of writing a reward function.

==================  ================================================  ==========
text                goal                                              reward
==================  ================================================  ==========
``goal.png``        the position in a picture                         Eq. 4.32
``goal.json``       the position in a list of sensor readings         Eq. 4.32
``frame:12:3``      the position in step 3 of recorded sequence 12    Eq. 4.32
``sequence:12``     the mean velocity of recorded sequence 12         Eq. 4.33
``velocity:-0.85``  a share of the data's top speed, with a sign      Eq. 4.33
``any``             every position: for a policy that is told its     Eq. 4.32
                    goal when it acts
==================  ================================================  ==========

Recorded sequences are those of the training split, counted from 0; nothing but their observations and actions is read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from latentrl.models.base import WorldModel
from latentrl.rewards.distance import PositionReward, VelocityReward
from latentrl.runs.folder import load_settings
from latentrl.runs.velocity_range import load_range
from latentrl.support.errors import UserError
from latentrl.types import Sequences

MODES = {1: "L", 3: "RGB"}
SYNTAX = "give a picture or readings, frame:SEQUENCE:STEP, sequence:NUMBER or velocity:FRACTION"


@dataclass(frozen=True)
class PictureGoal:
    """The position in a picture."""

    path: Path

    def target(self, model: WorldModel, run: Path, data: Path | None) -> Tensor:
        """The position ``[Da]``."""
        return model.encode_goal(torch.from_numpy(read_goal(self.path, model.spec.observation_shape)))


@dataclass(frozen=True)
class FrameGoal:
    """The position in one frame of the training data."""

    sequence: int
    step: int

    def target(self, model: WorldModel, run: Path, data: Path | None) -> Tensor:
        """The position ``[Da]``."""
        recorded = _recorded(run, data, self.sequence)
        if not 0 <= self.step < recorded.length:
            raise UserError(f"--goal frame:{self.sequence}:{self.step}: its steps are 0 to {recorded.length - 1}")
        return model.encode_goal(recorded.observations[0, self.step])


@dataclass(frozen=True)
class SequenceGoal:
    """The mean velocity of one sequence of the training data."""

    sequence: int

    def target(self, model: WorldModel, run: Path, data: Path | None) -> Tensor:
        """The velocity ``[Dv]``."""
        recorded = _recorded(run, data, self.sequence)
        return model.encode_goal(recorded.observations[0], recorded.actions[0])


@dataclass(frozen=True)
class SpeedGoal:
    """Signed shares of the training data's top speed, one for each velocity dimension."""

    fractions: tuple[float, ...]

    def target(self, model: WorldModel, run: Path, data: Path | None) -> Tensor:
        """The velocity ``[Dv]``."""
        found = load_range(run)
        if len(self.fractions) != len(found.top):
            raise UserError(
                f"--goal velocity:{','.join(map(str, self.fractions))}: the model has {len(found.top)} velocity "
                f"dimensions, so give {len(found.top)} numbers"
            )
        return found.at(self.fractions)


@dataclass(frozen=True, eq=False)
class ObservedGoals:
    """The positions in raw observations ``[N, ...]``, one for each of N parallel episodes; not written as text."""

    observations: NDArray[Any]

    def target(self, model: WorldModel, run: Path, data: Path | None) -> Tensor:
        """The positions ``[N, Da]``."""
        return torch.stack([model.encode_goal(torch.from_numpy(one)) for one in self.observations])


@dataclass(frozen=True)
class AnyGoal:
    """Every position a state can have: what a goal-conditioned policy learns, and no one goal to reach."""

    def target(self, model: WorldModel, run: Path, data: Path | None) -> Tensor:
        """None.

        Raises:
            UserError: always; what to reach is to be said.
        """
        raise UserError("--goal any: is for learning a policy; say which goal to reach, such as a picture of it")


Goal = PictureGoal | FrameGoal | SequenceGoal | SpeedGoal | ObservedGoals | AnyGoal
POSITIONS = (PictureGoal, FrameGoal, ObservedGoals, AnyGoal)
"""The kinds of goals that are positions."""


def parse_goal(text: str) -> Goal:
    """What ``--goal`` means; see the module's table.

    Raises:
        UserError: the text begins like a goal of a known kind and does not go on like one.
    """
    kind, _, rest = text.partition(":")
    try:
        if kind == "frame":
            sequence, step = map(int, rest.split(":"))
            return FrameGoal(sequence, step)
        if kind == "sequence":
            return SequenceGoal(int(rest))
        if kind == "velocity":
            fractions = tuple(map(float, rest.split(",")))
            if all(map(math.isfinite, fractions)):
                return SpeedGoal(fractions)
            raise ValueError(text)
    except ValueError as error:
        raise UserError(f"--goal {text}: {SYNTAX}") from error
    if text == "any":
        return AnyGoal()
    return PictureGoal(Path(text))


@torch.no_grad()
def goal_reward(goal: Goal, model: WorldModel, run: Path, data: Path | None = None) -> PositionReward | VelocityReward:
    """The reward for reaching ``goal`` in the latent space of ``model`` (Latent Matters, 4.3.2).

    Args:
        goal: from :func:`parse_goal`.
        model: the run's model.
        run: its run folder.
        data: the data folder that recorded goals are taken from; the one that the run was trained on if None.

    Raises:
        UserError: a picture that does not fit, no such sequence, or a model without velocity dimensions.
    """
    if isinstance(goal, POSITIONS):
        return PositionReward(goal.target(model, run, data))
    if model.position_size == model.latent_size:
        raise UserError("--goal: this model's state has no velocity dimensions of its own; give a picture, or an ekvae")
    return VelocityReward(goal.target(model, run, data), model.position_size)


def _recorded(run: Path, data: Path | None, sequence: int) -> Sequences:
    # Only here: whoever learns or plans for any other goal needs no data, and so does not load what reads it.
    from latentrl.data_collection.storage import load_sequences

    folder = data or Path(load_settings(run)["options"]["data"])
    sequences = load_sequences(folder, "train")
    if not 0 <= sequence < len(sequences):
        raise UserError(f"--goal: {folder} holds the sequences 0 to {len(sequences) - 1}, there is no {sequence}")
    return sequences[sequence : sequence + 1]


def read_goal(path: Path, shape: Sequence[int]) -> NDArray[np.uint8] | NDArray[np.float32]:
    """One raw observation: the picture in ``path``, ``[H, W, C]`` uint8, or its numbers, ``[*shape]`` float32.

    Args:
        path: anything Pillow reads; for a model that sees no pictures, a JSON list of numbers (nested as ``shape``).
        shape: the observation shape of the model that is to encode it, ``(H, W, C)`` for pictures.

    Raises:
        UserError: no such file, no picture or numbers, or not the size and colours that the model was trained on.
    """
    if len(shape) != 3 or shape[2] not in MODES:
        return _read_numbers(path, tuple(shape))
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


def _read_numbers(path: Path, shape: tuple[int, ...]) -> NDArray[np.float32]:
    try:
        numbers = np.array(json.loads(path.read_text(encoding="utf-8")), dtype=np.float32)
    except FileNotFoundError as error:
        raise UserError(f"--goal {path}: there is no such file; give a JSON list of readings") from error
    except (ValueError, TypeError, OSError) as error:
        raise UserError(
            f"--goal {path}: the model observes numbers of shape {shape}, no pictures; give a JSON list of them"
        ) from error
    if numbers.shape != shape or not np.isfinite(numbers).all():
        raise UserError(f"--goal {path}: has the shape {numbers.shape}; the model sees finite numbers of shape {shape}")
    return numbers
