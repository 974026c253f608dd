"""The trials of a sweep, kept by Optuna (Akiba et al., 2019) in a SQLite file: asked for, told, gone on with."""

from __future__ import annotations

import json
import math
import sqlite3
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from latentrl.support.errors import UserError, message_of, one_line
from latentrl.sweeps.definition import Sweep
from latentrl.sweeps.figures import FIGURES, Figure, Judged
from latentrl.sweeps.ranges import Value
from latentrl.training.settings import TrainSettings

DATABASE = "sweep.db"
NAME = "sweep"
PATIENT_TRIALS = 4
"""Trials that are not pruned: there is nothing yet to compare them with."""
PATIENT_SHARE = 1 / 3
"""Of the steps of a training, before which none is pruned: blur and sigma's hold end there, and the bound is met."""


def optuna_here() -> Any:
    """The library.

    Raises:
        UserError: it is missing.
    """
    try:
        import optuna
        import sqlalchemy  # noqa: F401
    except ImportError as error:
        raise UserError(f"latentrl sweep: Optuna is missing ({error}): pip install 'latentrl[sweep]'") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


class _Odd(ValueError):
    """Something stored that no sweep stores; the message says what."""


def _storage(optuna: Any, path: Path) -> Any:
    """The database in ``path``, whatever its name: in a URL ``?``, ``#``, ``%`` and ``{`` would mean something."""
    whole = str(path.resolve())
    return optuna.storages.RDBStorage(
        f"sqlite:///{DATABASE}",
        engine_kwargs={"creator": lambda: sqlite3.connect(whole, check_same_thread=False)},
    )


class Trials:
    """All trials of a sweep; those that another process has left behind wait to be gone on with.

    Args:
        sweep: what is searched.
        folder: the sweep's, which nobody else is at work in.
        seed: of the search.
        workers: trials at a time.
        prune: stop trials early that are behind half of the others.

    Raises:
        UserError: Optuna is missing, the file is damaged, or of a sweep with something else in it.
    """

    sweep: Sweep
    folder: Path
    figure: Figure

    def __init__(self, sweep: Sweep, folder: Path, seed: int = 0, workers: int = 1, prune: bool = True) -> None:
        self.sweep, self.folder, self.figure = sweep, folder, FIGURES[sweep.figure]
        self._optuna = optuna = optuna_here()
        path = folder / DATABASE
        self._check_whole(path)
        try:
            self._study = optuna.create_study(
                storage=_storage(optuna, path), study_name=NAME, direction=self.figure.direction, load_if_exists=True
            )
        except Exception as error:  # SQLAlchemy's, Alembic's and Optuna's have nothing in common
            raise UserError(f"{path} cannot be used ({one_line(error)}): give another --out") from error
        said = json.loads(json.dumps(sweep.as_json()))
        try:
            begun = self._study.user_attrs.get("sweep")
            self._check_stored(begun, said.keys())
        except Exception as error:  # of what is stored anything may be odd, and each fails in its own way
            raise self._damaged(message_of(error) if isinstance(error, _Odd) else one_line(error)) from error
        if begun is not None and begun != said:
            odd = next(key for key in said if begun[key] != said[key])
            raise UserError(
                f"{folder} was begun with {odd} = {json.dumps(begun[odd])}, now it would be "
                f"{json.dumps(said[odd])}: give another --out"
            )
        self._study.set_user_attr("sweep", said)
        self._study.pruner = self._pruner(prune)
        with warnings.catch_warnings():
            # The liar, for trials that run at a time, is experimental, which Optuna says every time.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            # The generator begins anew with every process, and must not suggest again what it did before.
            began = seed + len(self._study.trials)
            self._study.sampler = optuna.samplers.TPESampler(seed=began, constant_liar=workers > 1)

    def _damaged(self, why: str) -> UserError:
        return UserError(f"{self.folder / DATABASE} is damaged ({why}): put back a copy, or give another --out")

    def _check_whole(self, path: Path) -> None:
        """Refuse to begin anew where there are trials: their table would be written over."""
        if path.is_file() and not path.stat().st_size:
            raise self._damaged("it is empty")
        if not path.exists() and (self.folder / "trials").is_dir():
            raise self._damaged("it is gone, and its trials are not")

    def _check_stored(self, begun: Any, keys: Iterable[str]) -> None:
        """Read all that is read later.

        Raises:
            Exception: of any kind, by what is odd.
        """
        trials = self._study.trials
        if begun is None and not trials:
            return
        if not isinstance(begun, dict) or begun.keys() != set(keys):
            raise _Odd("it does not say what is searched")
        for one in trials:
            attributes, state = one.user_attrs, one.state.name
            told, fixed = attributes.get("warnings", []), one.system_attrs.get("fixed_params", {})
            if not isinstance(told, list) or not all(isinstance(line, str) for line in told):
                raise _Odd(f"the warnings of trial {one.number} are {told!r}")
            if not isinstance(attributes.get("reason", ""), str):
                raise _Odd(f"the reason of trial {one.number} is {attributes['reason']!r}")
            if not isinstance(fixed, dict):
                raise _Odd(f"the values of trial {one.number} are {fixed!r}")
            if state == "COMPLETE" and not (isinstance(one.value, float) and math.isfinite(one.value)):
                raise _Odd(f"the {self.sweep.figure} of trial {one.number} is {one.value!r}")
            self.place(one)

    def _pruner(self, prune: bool) -> Any:
        if not prune:
            return self._optuna.pruners.NopPruner()
        patient = math.ceil(PATIENT_SHARE * (self.sweep.options.steps or TrainSettings.steps))
        return self._optuna.pruners.MedianPruner(n_startup_trials=PATIENT_TRIALS, n_warmup_steps=patient)

    def take_up(self) -> int:
        """Let trials that ran when a process ended be the next; how many they are."""
        state = self._optuna.trial.TrialState
        left = self._study.get_trials(states=(state.RUNNING,))
        # A process that was killed in here has enqueued one already: no two may train in one folder.
        waiting = {self.place(one).name for one in self._study.get_trials(states=(state.WAITING,))}
        for one in left:
            name = self.place(one).name
            if name not in waiting:
                self._study.enqueue_trial(one.params, user_attrs={"folder": name})
                waiting.add(name)
            # Without a reason: another trial stands for it.
            self._study.tell(one.number, state=state.FAIL)
        return len(left)

    @property
    def ended(self) -> list[Any]:
        """Trials that have come to an end, in turn; those that others stand for are none."""
        return [one for one in self._study.trials if one.state.is_finished() and not self._replaced(one)]

    def _replaced(self, one: Any) -> bool:
        return one.state.name == "FAIL" and "reason" not in one.user_attrs

    def ask(self) -> tuple[Any, dict[str, Value], Path]:
        """The next trial, its values and its run folder."""
        trial = self._study.ask()
        values = {name: found.suggested(trial, name) for name, found in self.sweep.search.items()}
        return trial, values, self.place(trial)

    def place(self, trial: Any) -> Path:
        """The run folder of a trial: its own, or that of the one that it goes on with.

        Raises:
            ValueError: what is stored is no name of such a folder: somebody else's file may lead anywhere.
        """
        name = str(trial.user_attrs.get("folder", trial.number))
        if not (name.isascii() and name.isdecimal()):
            raise _Odd(f"the folder of trial {trial.number} is {name!r}")
        return self.folder / "trials" / name

    def report(self, trial: Any, losses: Mapping[int, float]) -> bool:
        """Note what a trial's training has come to by gradient steps; whether it is to be stopped."""
        for step, loss in losses.items():
            if math.isfinite(loss):
                trial.report(self.figure.sign * loss, step)
        return bool(losses) and bool(trial.should_prune())

    def tell(self, trial: Any, found: Judged) -> None:
        """A trial is finished and judged."""
        if not math.isfinite(found.value):
            self.tell_failed(trial, f"its {self.sweep.figure} is {found.value}: are the sequences too short?")
            return
        trial.set_user_attr("warnings", list(found.warnings))
        # The search keeps away from where there are any.
        trial.set_constraint("warnings", len(found.warnings))
        self._study.tell(trial, found.value)

    def tell_pruned(self, trial: Any) -> None:
        """A trial was stopped early."""
        trial.set_user_attr("reason", "behind half of the others")
        self._study.tell(trial, state=self._optuna.trial.TrialState.PRUNED)

    def tell_failed(self, trial: Any, reason: str) -> None:
        """A trial has no figure."""
        trial.set_user_attr("reason", reason)
        self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)

    def best(self) -> Any | None:
        """The best finished trial: without warnings before those with, then by the figure; None where there is none."""
        done = [one for one in self.ended if one.state.name == "COMPLETE"]
        return min(done, key=self._rank, default=None)

    def _rank(self, trial: Any) -> tuple[int, float]:
        return len(trial.user_attrs.get("warnings", ())), self.figure.sign * trial.value
