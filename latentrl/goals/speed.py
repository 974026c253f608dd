"""A share of the training data's top speed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from latentrl.goals.base import WrittenGoal
from latentrl.models.base import WorldModel
from latentrl.runs.velocity_range import load_range
from latentrl.support.errors import UserError


@dataclass(frozen=True)
class SpeedGoal(WrittenGoal):
    """Signed shares of the training data's top speed, one for each velocity dimension."""

    fractions: tuple[float, ...]
    is_position: ClassVar[bool] = False
    syntax: ClassVar[str] = "velocity:FRACTION"

    @classmethod
    def parse(cls, rest: str) -> SpeedGoal:
        """The goal from numbers that are separated by commas.

        Raises:
            ValueError: one is no finite number.
        """
        fractions = tuple(map(float, rest.split(",")))
        if not all(map(math.isfinite, fractions)):
            raise ValueError(rest)
        return cls(fractions)

    def __str__(self) -> str:
        return f"velocity:{','.join(map(str, self.fractions))}"

    def target(self, model: WorldModel, run: Path, data: Path | None) -> Tensor:
        """The velocity ``[Dv]``, in latent units.

        Raises:
            UserError: not one number for each velocity dimension, or a run without a velocity range.
        """
        try:
            found = load_range(run)
        except UserError as error:
            raise UserError(f"--goal {self}: {error}") from error
        if len(self.fractions) != len(found.top):
            raise UserError(
                f"--goal {self}: the model has {len(found.top)} velocity dimensions, so give {len(found.top)} numbers"
            )
        return found.at(self.fractions)
