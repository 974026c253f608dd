"""The options of ``latentrl import``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from latentrl.recordings.pictures import Crop
from latentrl.recordings.timing import End, Held
from latentrl.support.errors import UserError
from latentrl.support.options import check_seed, default_hint


@dataclass(frozen=True)
class ImportOptions:
    """Make a data folder of recordings that are there: NumPy or CSV files, Minari, LeRobot, or films with tables."""

    source: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="SOURCE")]
    """The folder or file with the recordings, or the id of a Minari data set on this machine."""
    out: Annotated[Path | None, default_hint("data/SOURCE", "FOLDER")] = None
    """The data folder to make."""
    format: Annotated[str | None, default_hint("found out", "FORMAT")] = None
    """lerobot, minari, videos, arrays or tables."""
    observation: Annotated[tuple[str, ...], default_hint("the only one there is", "KEY ...")] = ()
    """What is observed: one camera, or readings that are put side by side. camera, observations/camera, state:0,1."""
    actions: Annotated[tuple[str, ...], default_hint("the only ones there are", "KEY ...")] = ()
    """The actions, put side by side."""
    truth: Annotated[tuple[str, ...], default_hint("none", "KEY ...")] = ()
    """What is known of the true state, for metrics alone: no model sees it."""
    size: Annotated[str | None, default_hint("as recorded", "HxW")] = None
    """Resize pictures: 64, or 48x64 for 48 rows of 64 pixels."""
    crop: Annotated[str | None, default_hint("none", "TOP,LEFT,HEIGHT,WIDTH")] = None
    """Keep a part of the recorded picture, before it is resized."""
    grey: tyro.conf.FlagCreatePairsOff[bool] = False
    """Keep brightness alone, one number a pixel in place of three."""
    every: int = 1
    """Keep every N-th frame, with one action between each two."""
    every_actions: Held = "mean"
    """With --every: the mean of the actions between two frames (forces, speeds), or the last (places to go to)."""
    surplus_action: End = "last"
    """With as many actions as frames: leave out the last, or the first if each is stored with what it led to."""
    gaps: Literal["refuse", "cut"] = "refuse"
    """Where readings or actions are no numbers, or steps uneven: an error, or recordings are cut into pieces there."""
    length: Annotated[int | None, default_hint("30, or what nine recordings in ten have", "INT")] = None
    """Frames in each sequence."""
    stride: Annotated[int | None, default_hint("length: no frame twice", "INT")] = None
    """Frames from the beginning of a sequence to that of the next."""
    test_share: float = 0.2
    """Share of the recordings that are held out."""
    seed: int = 0
    """Of the draw of those."""
    fps: Annotated[float | None, default_hint("what the format says", "FLOAT")] = None
    """Recorded frames a second, before --every."""
    control_step: Annotated[float | None, default_hint("1 / fps", "FLOAT")] = None
    """Seconds between recorded frames, before --every."""
    action_low: Annotated[
        tuple[float, ...], default_hint("what the format says, or the least recorded", "FLOAT ...")
    ] = ()
    """Least action, one number for each dimension or one for all."""
    action_high: Annotated[tuple[float, ...], default_hint("what the format says, or the largest", "FLOAT ...")] = ()
    """Largest action."""
    goal: Annotated[str | None, default_hint("none", "FILE|RECORDING:FRAME")] = None
    """What to reach: a picture, a JSON list of readings or its file, or a recorded frame; stored with the data."""
    describe: Annotated[Path | None, default_hint("none", "FILE")] = None
    """Coordinates of --truth and tasks, declared in a TOML or JSON file."""
    overwrite: tyro.conf.FlagCreatePairsOff[bool] = False
    """Replace an existing data folder."""

    @property
    def folder(self) -> Path:
        """Where the data goes."""
        name = Path(self.source).absolute().name
        return self.out or Path("data") / name.removesuffix(".npz").removesuffix(".csv")

    @property
    def picture_size(self) -> tuple[int, int] | None:
        """Height and width.

        Raises:
            UserError: not understood.
        """
        if self.size is None:
            return None
        found = re.fullmatch(r"([1-9]\d{0,3})(?:x([1-9]\d{0,3}))?", self.size)
        if found is None:
            raise UserError(
                f"--size {self.size}: give one number of pixels, up to 9999, or rows x columns, such as 48x64"
            )
        return int(found[1]), int(found[2] or found[1])

    @property
    def picture_crop(self) -> Crop | None:
        """What is kept of pictures.

        Raises:
            UserError: not understood.
        """
        if self.crop is None:
            return None
        found = re.fullmatch(r"(\d+),(\d+),([1-9]\d*),([1-9]\d*)", self.crop)
        if found is None:
            raise UserError(f"--crop {self.crop}: give TOP,LEFT,HEIGHT,WIDTH in pixels, such as 0,16,48,48")
        return Crop(*map(int, found.groups()))

    def check(self) -> None:
        """Refuse numbers out of range.

        Raises:
            UserError: names the flag.
        """
        if not self.source:
            raise UserError("SOURCE '': give the folder or file with the recordings")
        check_seed(self.seed)
        for name, least in (("every", 1), ("length", 2), ("stride", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise UserError(f"--{name} {value}: give {least} or more")
        if self.fps is not None and self.control_step is not None:
            raise UserError("--fps and --control-step: give one of them")
        for name in ("fps", "control_step"):
            value = getattr(self, name)
            if value is not None and not 1e-9 <= value <= 1e9:
                raise UserError(f"--{name.replace('_', '-')} {value:g}: give a number above 0, and of use")
