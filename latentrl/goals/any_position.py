"""Every position: what a policy for any goal learns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from latentrl.models.base import WorldModel
from latentrl.support.errors import UserError


@dataclass(frozen=True)
class AnyGoal:
    """Every position a state can have: what a goal-conditioned policy learns, and no one goal to reach."""

    def target(self, model: WorldModel, run: Path, data: Path | None) -> Tensor:
        """None.

        Raises:
            UserError: always; what to reach is to be said.
        """
        raise UserError("--goal any: is for learning a policy; say which goal to reach, such as a picture of it")
