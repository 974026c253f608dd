"""What every stage is: a part of a training that is run once, from its beginning to its end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from latentrl.training.settings import TrainSettings
from latentrl.training.situation import Situation
from latentrl.training.training import Training


class Stage(ABC):
    """A stage has no state: it reads and changes a :class:`~latentrl.training.training.Training`.

    What it does depends on that and its seed alone, so that a stage that was interrupted can be begun again. Shapes
    stay: checkpoints and ``settings.json`` have those that the training began with. A number of a stage's own goes from
    an option (:mod:`latentrl.training.options`) by :func:`latentrl.training.recipes.settings_for` into
    :class:`~latentrl.training.settings.TrainSettings`, where :meth:`why` and :meth:`run` read it.

    Class attributes:
        needs: the capabilities (:mod:`latentrl.models.capabilities`) of a model that can be trained so.
        leaves: files in the run folder that only an unfinished training needs.
        continues: whether it saves what it has done on Ctrl-C and goes on from there; else it begins again.
    """

    needs: ClassVar[tuple[type, ...]] = ()
    leaves: ClassVar[tuple[str, ...]] = ()
    continues: ClassVar[bool] = False

    @abstractmethod
    def why(self, situation: Situation, settings: TrainSettings) -> str | None:
        """What the stage does here and why, in one line for people; None where there is nothing for it to do."""

    @abstractmethod
    def run(self, training: Training) -> None:
        """Do it, in place.

        Raises:
            KeyboardInterrupt: on Ctrl-C.
            UserError: what an interrupted run has left is damaged.
        """
