"""A training's stages are remembered in its checkpoint: weights and what is finished are written in one go."""

from __future__ import annotations

from collections.abc import Sequence

from latentrl.support.errors import UserError
from latentrl.support.steps import Record
from latentrl.training.loop import resume, save
from latentrl.training.training import Training

KEY = "steps"
"""Among a checkpoint's strings."""


class CheckpointMemory:
    """Implements :class:`latentrl.support.steps.Memory`.

    Args:
        training: whose trainer is brought to where its checkpoint is, if there is one.
        begun: stages that were finished when the first checkpoint was written by a version that remembered none.
    """

    def __init__(self, training: Training, begun: Sequence[str]) -> None:
        self.training, self.begun = training, tuple(begun)

    def load(self) -> Record:
        """What the checkpoint says, whose state the trainer takes over.

        Raises:
            UserError: a checkpoint that is damaged, or does not belong to these settings.
        """
        found = resume(self.training.trainer, self.training.folder)
        if found is None:
            return Record()
        if KEY not in found:
            record = Record(list(self.begun))
        else:
            try:
                record = Record.from_json(found[KEY])
            except ValueError as error:
                raise UserError(
                    f"{self.training.folder}: the checkpoint is damaged ({error}): use --overwrite"
                ) from error
        self.training.remembered = {KEY: record.as_json()}
        return record

    def save(self, record: Record) -> None:
        """Write the checkpoint."""
        self.training.remembered = {KEY: record.as_json()}
        save(self.training.trainer, self.training.folder, self.training.remembered)

    def failed(self, record: Record) -> None:
        """A stage that saves what it has done has done so; any other begins again from the last checkpoint."""
