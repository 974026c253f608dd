"""A training's stages are remembered in its checkpoint: weights and what is finished are written in one go."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from latentrl.runs.folder import CHECKPOINT
from latentrl.runs.tensors import read_tensors
from latentrl.support.errors import UserError
from latentrl.support.steps import Record
from latentrl.training.loop import resume, save
from latentrl.training.training import Training

KEY = "steps"
"""Among a checkpoint's strings."""


def finished_stages(folder: Path, begun: Sequence[str]) -> tuple[str, ...]:
    """The stages that are finished in ``folder``, none without a checkpoint; ``begun`` as :class:`CheckpointMemory`.

    Raises:
        UserError: the checkpoint is damaged.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        return ()
    notes = read_tensors(path, "start afresh with --overwrite")[1]
    try:
        return tuple(Record.from_json(notes[KEY]).finished) if KEY in notes else tuple(begun)
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}): start afresh with --overwrite") from error


class CheckpointMemory:
    """Implements :class:`latentrl.support.steps.Memory`.

    Args:
        training: whose trainer is brought to where its checkpoint is, if there is one.
        begun: stages that were finished when the first checkpoint was written by a version that remembered none.
        known: the names of all stages.
    """

    training: Training
    begun: tuple[str, ...]
    known: frozenset[str]

    def __init__(self, training: Training, begun: Sequence[str], known: Collection[str]) -> None:
        self.training, self.begun, self.known = training, tuple(begun), frozenset(known)

    def load(self) -> Record:
        """What the checkpoint says, whose state the trainer takes over.

        Raises:
            UserError: a checkpoint that is damaged, or does not belong to these settings.
        """
        found = resume(self.training.trainer, self.training.folder)
        if found is None:
            return Record()
        try:
            record = Record.from_json(found[KEY]) if KEY in found else Record(list(self.begun))
        except ValueError as error:
            raise UserError(f"{self.training.folder}: the checkpoint is damaged ({error}): use --overwrite") from error
        unknown = [name for name in record.finished if name not in self.known]
        if unknown:
            raise UserError(
                f"{self.training.folder}: the checkpoint has finished {', '.join(unknown)}, which this version "
                "does not know: resume with the version it was begun with, or use --overwrite"
            )
        self.training.remembered = {KEY: record.as_json()}
        return record

    def save(self, record: Record) -> None:
        """Write the checkpoint."""
        self.training.remembered = {KEY: record.as_json()}
        save(self.training.trainer, self.training.folder, self.training.remembered)

    def failed(self, record: Record) -> None:
        """A stage that saves what it has done has done so; any other begins again from the last checkpoint."""
