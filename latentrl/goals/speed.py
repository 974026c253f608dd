"""A share of the training data's top speed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from latentrl.models.base import WorldModel
from latentrl.runs.velocity_range import load_range
from latentrl.support.errors import UserError


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
