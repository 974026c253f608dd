"""Gradient steps with a log, checkpoints and Ctrl-C."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import Any

from latentrl.live.bars import Shown, opened_bar, watch
from latentrl.models.base import GenerativeModel, WorldModel
from latentrl.runs.folder import CHECKPOINT, HISTORY
from latentrl.runs.tensors import read_tensors, write_tensors
from latentrl.support.errors import UserError
from latentrl.support.files import replacing
from latentrl.tracking.base import Scalars
from latentrl.tracking.tensorboard import Board
from latentrl.training.processes import interrupt_of_any
from latentrl.training.trainer import COLUMNS, Trainer


def save(trainer: Trainer, folder: Path, notes: Mapping[str, str] = MappingProxyType({})) -> None:
    """Write the checkpoint, with ``notes`` among its strings, and the history beside it, each atomically."""
    # The history first: rows beyond the checkpoint are dropped when it is continued, missing ones would stay missing.
    with replacing(folder / HISTORY) as partial, partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(trainer.history)
    tensors, metadata = trainer.state()
    write_tensors(folder / CHECKPOINT, tensors, {**metadata, **notes})


def resume(trainer: Trainer, folder: Path) -> dict[str, str] | None:
    """Continue from the checkpoint in ``folder``; returns its strings, or None if there is none.

    Raises:
        UserError: a checkpoint that is damaged, or does not belong to these settings.
    """
    checkpoint = folder / CHECKPOINT
    if not checkpoint.is_file():
        return None
    tensors, metadata = read_tensors(checkpoint, "start afresh with --overwrite")
    try:
        trainer.load_state(tensors, metadata)
    except (RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{checkpoint} does not fit {folder}/settings.json ({error}): use --overwrite") from error
    try:
        trainer.history = list(_read_history(folder / HISTORY, trainer.step))
    except (KeyError, ValueError, TypeError) as error:
        raise UserError(f"{folder / HISTORY} is damaged ({error!r}): remove it to go on without it") from error
    return metadata


def log_history(trainer: Trainer, folder: Path, trackers: Sequence[Scalars] = ()) -> None:
    """Write the steps before the trainer was chosen to TensorBoard's log, and to ``trackers``."""
    with closing(Board(folder)) as board:
        for row in trainer.history:
            _log((board, *trackers), row)


def fit(
    trainer: Trainer,
    folder: Path,
    progress: Shown = True,
    until: int | None = None,
    notes: Mapping[str, str] = MappingProxyType({}),
    trackers: Sequence[Scalars] = (),
) -> None:
    """Train until ``settings.steps``, or until the step ``until``, logging and saving into ``folder``.

    On Ctrl-C the state is saved after the step and the interrupt goes on; a second Ctrl-C does not wait, nor save.

    Args:
        trainer: goes on from its step; see :func:`resume`.
        folder: the run's.
        progress: show a progress bar, here or on a panel.
        until: the last step; that of the settings if None.
        notes: strings to keep in every checkpoint.
        trackers: what the figures go to beside TensorBoard's log in the folder.

    Raises:
        DivergedError: see :meth:`Trainer.advance`; the last checkpoint stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = trainer.settings
    # A stage before may have replaced what steps were recorded with.
    trainer.replayed.forget()
    last = settings.steps if until is None else until
    trainer.align()
    with (
        closing(Board(folder, trainer.step + 1)) as board,
        interrupt_of_any(trainer.processes) as stop_if_asked,
    ):
        whole = True
        # With those of the starts that were not chosen.
        done = trainer.step + settings.in_all - settings.steps
        # Where the starts took every step, theirs was the bar, and it is full.
        full = isinstance(progress, bool) and trainer.step >= last
        bar = opened_bar(False if full else progress, settings.in_all, done)
        watch(progress, trainer.history)
        try:
            while trainer.step < last:
                stop_if_asked()
                whole = False
                trainer.advance()
                whole = True
                bar.update()
                if trainer.step % settings.log_every == 0:
                    row = trainer.history[-1]
                    _log((board, *trackers), row)
                    if isinstance(progress, bool):  # a panel draws them
                        bar.set_postfix_str(
                            f"C {row['constraint']:.1e} (bound {row['bound']:.1e}) beta {row['beta']:.1e} "
                            f"rate {row['rate']:.2f} distortion {row['distortion']:.0f} {nats(trainer.model)}"
                        )
                if trainer.step % settings.checkpoint_every == 0:
                    trainer.align()
                    save(trainer, folder, notes)
                    if not progress:
                        _tell(trainer)
        except KeyboardInterrupt:
            # A second Ctrl-C falls within a step, whose half is no state to go on from: the last checkpoint is.
            if whole:
                save(trainer, folder, notes)
            raise
        finally:
            bar.close()
    save(trainer, folder, notes)


def nats(model: GenerativeModel) -> str:
    """The unit of rates and distortions in words: a model without time has no steps."""
    return "nats/step" if isinstance(model, WorldModel) else "nats/frame"


def _tell(trainer: Trainer) -> None:
    """A line in the place of a progress bar."""
    rate = f", rate {trainer.history[-1]['rate']:.2f} {nats(trainer.model)}" if trainer.history else ""
    steps, others = trainer.settings.steps, trainer.settings.in_all - trainer.settings.steps
    total = f" ({trainer.step + others} of {steps + others} in all)" if others else ""
    print(f"step {trainer.step} of {steps}{total}{rate}, {trainer.seconds:.0f} s", flush=True)


def _log(trackers: Sequence[Scalars], row: Mapping[str, float]) -> None:
    figures = {f"train/{key}": row[key] for key in COLUMNS[1:]}
    for tracker in trackers:
        tracker.log(figures, int(row["step"]))


def _read_history(path: Path, until: int) -> Iterator[dict[str, Any]]:
    """The rows of an interrupted training up to the checkpoint; later ones will be written again."""
    if not path.is_file() or until == 0:
        return
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            if int(row["step"]) <= until:
                yield {key: int(value) if key == "step" else float(value) for key, value in row.items()}
