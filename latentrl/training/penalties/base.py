"""What every penalty is: a scalar that a gradient step adds to the objective's loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from latentrl.models.base import GenerativeModel
from latentrl.models.capabilities import Sampled
from latentrl.objectives.base import Scalar
from latentrl.training.position_target import PositionTarget
from latentrl.training.settings import TrainSettings
from latentrl.types import Sequences


@dataclass(frozen=True)
class Step:
    """What a penalty may know of a gradient step.

    Attributes:
        number: counted from 1; where coarse to fine waits for the constraint, the step that it waits at. A tensor
            without dimensions: a penalty that asks ``if number > ...`` waits for the device.
        index: ``[B]``, the numbers of the batch's sequences.
        batch: as the model sees it.
        beta: the objective's weight of the rate.
        sequences: in the training data.
        known: a number that ``number`` has reached: on a processor itself, on a GPU one of some steps before.
    """

    number: Tensor | int
    index: Tensor
    batch: Sequences
    beta: Scalar
    sequences: int
    known: int = 0


class Penalty(ABC):
    """A penalty belongs to one model; the trainer sums penalties and knows none by name.

    Class attributes:
        needs: the capabilities (:mod:`latentrl.models.capabilities`) of a model that can have it.
        reads_states: whether it reads the states that the rate was estimated with.
    """

    needs: ClassVar[tuple[type, ...]] = ()
    reads_states: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def of(cls, model: GenerativeModel, settings: TrainSettings, target: PositionTarget) -> Penalty | None:
        """The penalty of a training of ``model``, which has what it needs; None where the settings want none.

        Args:
            model: that is trained.
            settings: of the training.
            target: where the position is to be, which changes as the training goes on.
        """

    @classmethod
    @abstractmethod
    def described(cls, settings: TrainSettings) -> str | None:
        """What is penalised under these settings, in one line for people; None where they want no such penalty."""

    def over(self, known: int) -> bool:
        """Whether there is none from the step ``known`` on, nor will be: then it need not be computed."""
        return False

    @abstractmethod
    def __call__(self, sampled: Sampled, step: Step) -> Tensor | None:
        """The penalty in nats, a scalar with gradient; None at a step without."""
