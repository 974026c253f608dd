"""A training from its first start to its last step: the choice of a start, the run folder's checkpoints and log."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from latentrl.runs.folder import CHECKPOINT, HISTORY
from latentrl.runs.tensors import read_tensors, write_tensors
from latentrl.support.errors import UserError
from latentrl.support.files import replacing
from latentrl.support.interrupts import deferred_interrupt
from latentrl.training.settings import TrainSettings
from latentrl.training.trainer import COLUMNS, Trainer


def best_start(make: Callable[[int], Trainer], settings: TrainSettings, progress: bool = True) -> Trainer:
    """The best of several trainings after their first steps.

    Some initial weights lead to a model that explains each frame but no motion. It never recovers, and it is known
    early by a rate that stays high: what the transition does not predict, the posterior must tell. No label is needed.

    Args:
        make: the trainer of start 0, 1, ..., each with weights and random numbers of its own.
        settings: ``starts`` and ``start_steps``.
        progress: show a progress bar.
    """
    if settings.starts == 1:
        return make(0)
    steps = min(settings.start_steps, settings.steps)
    best, lowest, spent = None, math.inf, 0.0
    with tqdm(total=settings.starts * steps, disable=not progress, unit="step", dynamic_ncols=True) as bar:
        for number in range(settings.starts):
            bar.set_description_str(f"start {number + 1} of {settings.starts}")
            trainer, rates = make(number), []
            for _ in range(steps):
                rates.append(float(trainer.advance().rate.mean()) / trainer.data.length)
                bar.update()
            recent = rates[3 * steps // 4 :]
            rate = sum(recent) / len(recent)
            bar.set_postfix_str(f"rate {rate:.2f} nats/step, lowest {min(rate, lowest):.2f}")
            spent += trainer.seconds
            if best is None or rate < lowest:
                best, lowest = trainer, rate
    assert best is not None
    best.seconds = spent
    return best


def fit(trainer: Trainer, folder: Path, progress: bool = True, until: int | None = None) -> None:
    """Train until ``settings.steps``, or until the step ``until``, logging and saving into ``folder``.

    A ``checkpoint.safetensors`` found there is continued. On Ctrl-C the state is saved and the interrupt goes on.

    Raises:
        DivergedError: see :meth:`Trainer.advance`; the last checkpoint stays.
        UserError: a checkpoint that does not belong to these settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint, settings = folder / CHECKPOINT, trainer.settings
    last = settings.steps if until is None else until
    if checkpoint.is_file():
        tensors, metadata = read_tensors(checkpoint, "start afresh with --overwrite")
        try:
            trainer.load_state(tensors, metadata)
        except (RuntimeError, KeyError, ValueError) as error:
            raise UserError(f"{checkpoint} does not fit {folder}/settings.json ({error}): use --overwrite") from error
        trainer.history = list(_read_history(folder / HISTORY, trainer.step))
    with SummaryWriter(str(folder), purge_step=trainer.step + 1) as board, deferred_interrupt() as stop_if_asked:
        if not checkpoint.is_file():
            for row in trainer.history:
                _log(board, row)
        bar = tqdm(total=settings.steps, initial=trainer.step, disable=not progress, unit="step", dynamic_ncols=True)
        try:
            while trainer.step < last:
                stop_if_asked()
                trainer.advance()
                bar.update()
                if trainer.step % settings.log_every == 0:
                    row = trainer.history[-1]
                    _log(board, row)
                    bar.set_postfix_str(
                        f"C {row['constraint']:.1e} (bound {row['bound']:.1e}) beta {row['beta']:.1e} "
                        f"rate {row['rate']:.2f} distortion {row['distortion']:.0f} nats/step"
                    )
                if trainer.step % settings.checkpoint_every == 0:
                    _save(trainer, folder)
        except KeyboardInterrupt:
            _save(trainer, folder)
            raise
        finally:
            bar.close()
    _save(trainer, folder)


def _log(board: SummaryWriter, row: dict[str, float]) -> None:
    for key in COLUMNS[1:]:
        board.add_scalar(f"train/{key}", row[key], int(row["step"]))


def _save(trainer: Trainer, folder: Path) -> None:
    write_tensors(folder / CHECKPOINT, *trainer.state())
    with replacing(folder / HISTORY) as partial, partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(trainer.history)


def _read_history(path: Path, until: int) -> Iterator[dict[str, Any]]:
    """The rows of an interrupted training up to the checkpoint; later ones will be written again."""
    if not path.is_file() or until == 0:
        return
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            if int(row["step"]) <= until:
                yield {key: int(value) if key == "step" else float(value) for key, value in row.items()}
