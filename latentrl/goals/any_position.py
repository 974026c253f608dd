"""Every position: what a policy for any goal learns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from latentrl.goals.base import WrittenGoal
from latentrl.models.base import WorldModel
from latentrl.support.errors import UserError


@dataclass(frozen=True)
class AnyGoal(WrittenGoal):
    """Every position a state can have: what a goal-conditioned policy learns, and no one goal to reach."""

    is_position: ClassVar[bool] = True
    is_single: ClassVar[bool] = False
    syntax: ClassVar[str] = "any"

    @classmethod
    def parse(cls, rest: str) -> AnyGoal:
        """The goal; nothing follows the keyword.

        Raises:
            ValueError: something does.
        """
        if rest:
            raise ValueError(rest)
        return cls()

    def __str__(self) -> str:
        return "any"

    def target(self, model: WorldModel, run: Path, data: Path | None) -> Tensor:
        """Refused: no one point ``[Da]`` stands for every position.

        Raises:
            UserError: always.
        """
        raise UserError(
            "--goal any: is for learning a policy; say which goal to reach, such as a picture of it, or declare a task "
            "whose episodes draw theirs (goal_options, docs/declarations.md)"
        )
