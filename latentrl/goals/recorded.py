"""The position in a recorded frame, the velocity of a recorded sequence."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from numpy.typing import NDArray
from torch import Tensor

from latentrl.goals.base import WrittenGoal
from latentrl.models.base import WorldModel
from latentrl.runs.folder import SETTINGS, load_settings
from latentrl.runs.schema import require
from latentrl.support.errors import UserError
from latentrl.types import Sequences


@dataclass(frozen=True)
class FrameGoal(WrittenGoal):
    """The position in one frame of the training data."""

    sequence: int
    step: int
    is_position: ClassVar[bool] = True
    syntax: ClassVar[str] = "frame:SEQUENCE:STEP"

    @classmethod
    def parse(cls, rest: str) -> FrameGoal:
        """The goal from ``SEQUENCE:STEP``, both counted from 0.

        Raises:
            ValueError: not two whole numbers.
        """
        sequence, step = map(int, rest.split(":"))
        return cls(sequence, step)

    def __str__(self) -> str:
        return f"frame:{self.sequence}:{self.step}"

    def target(self, model: WorldModel, run: Path, data: Path | None) -> Tensor:
        """The position ``[Da]``, in latent units.

        Raises:
            UserError: no such sequence or step.
        """
        return model.encode_goal(self._frame(run, data))

    def observation(self, model: WorldModel, run: Path, data: Path | None) -> NDArray[Any]:
        """The frame."""
        return self._frame(run, data).numpy()

    def _frame(self, run: Path, data: Path | None) -> Tensor:
        recorded = _recorded(run, data, self.sequence)
        if not 0 <= self.step < recorded.length:
            raise UserError(f"--goal {self}: its steps are 0 to {recorded.length - 1}")
        return recorded.observations[0, self.step]


@dataclass(frozen=True)
class SequenceGoal(WrittenGoal):
    """The mean velocity of one sequence of the training data."""

    sequence: int
    is_position: ClassVar[bool] = False
    syntax: ClassVar[str] = "sequence:NUMBER"

    @classmethod
    def parse(cls, rest: str) -> SequenceGoal:
        """The goal from the number of a sequence, counted from 0.

        Raises:
            ValueError: no whole number.
        """
        return cls(int(rest))

    def __str__(self) -> str:
        return f"sequence:{self.sequence}"

    def target(self, model: WorldModel, run: Path, data: Path | None) -> Tensor:
        """The velocity ``[Dv]``."""
        recorded = _recorded(run, data, self.sequence)
        return model.encode_goal(recorded.observations[0], recorded.actions[0])


def _recorded(run: Path, data: Path | None, sequence: int) -> Sequences:
    # Only here: whoever learns or plans for any other goal needs no data, and so does not load what reads it.
    from latentrl.data_collection.storage import load_sequences

    settings = load_settings(run)
    if data is None:
        require(settings, run / SETTINGS, "options.data")
    folder = data or Path(settings["options"]["data"])
    sequences = load_sequences(folder, "train")
    if not 0 <= sequence < len(sequences):
        raise UserError(f"--goal: {folder} holds the sequences 0 to {len(sequences) - 1}, there is no {sequence}")
    return sequences[sequence : sequence + 1]
