"""What a goal is: a point in latent space that something a user can point at stands for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from numpy.typing import NDArray
from torch import Tensor

from latentrl.models.base import WorldModel


class Goal(ABC):
    """What is to be reached in a model's latent space."""

    is_position: ClassVar[bool]
    """Whether it is a position, rewarded by Eq. 4.32; else it is a velocity, rewarded by Eq. 4.33."""
    is_single: ClassVar[bool] = True
    """Whether it is the same for all episodes; else a policy has to be goal-conditioned."""

    @abstractmethod
    def target(self, model: WorldModel, run: Path, data: Path | None) -> Tensor:
        """The point ``[Da]`` or ``[Dv]``, or one for each of N episodes ``[N, Da]``, in latent units.

        Args:
            model: the run's model.
            run: its run folder.
            data: the data folder that recorded goals are taken from; the one that the run was trained on if None.

        Raises:
            UserError: the goal does not fit the model or the data, or there is no one point.
        """

    def observation(self, model: WorldModel, run: Path, data: Path | None) -> NDArray[Any] | None:
        """What is observed there ``[*shape]``, raw, or in each of N episodes ``[N, *shape]``; None: nobody knows.

        The arguments and errors are those of :meth:`target`.
        """
        return None


class WrittenGoal(Goal):
    """A goal that is written as text, after ``--goal``; a dataclass, so that equal texts are equal goals."""

    syntax: ClassVar[str]
    """How it is written, words in capitals standing for numbers."""

    @classmethod
    @abstractmethod
    def parse(cls, rest: str) -> WrittenGoal:
        """The goal from what follows its keyword and a colon.

        Raises:
            ValueError: this is not how it is written.
        """

    @abstractmethod
    def __str__(self) -> str:
        """As it is written."""
