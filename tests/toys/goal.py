"""A kind of goal: the position whose numbers are all the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from latentrl.goals.base import WrittenGoal
from latentrl.models.base import WorldModel


@dataclass(frozen=True)
class ToyGoal(WrittenGoal):
    """In latent units."""

    number: float
    is_position: ClassVar[bool] = True
    syntax: ClassVar[str] = "toy:NUMBER"

    @classmethod
    def parse(cls, rest: str) -> ToyGoal:
        return cls(float(rest))

    def __str__(self) -> str:
        return f"toy:{self.number}"

    def target(self, model: WorldModel, run: Path, data: Path | None) -> Tensor:
        return torch.full((model.position_size,), self.number)
