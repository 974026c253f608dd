"""By what trials are compared: figures of held-out sequences that need neither labels nor rewards.

Ground truth is not read here, nor are frames without noise: predictions are compared with what the camera saw.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from latentrl.data_collection.storage import load_sequences
from latentrl.metrics.failures import failures
from latentrl.metrics.held_out import held_out_figures
from latentrl.runs.folder import HISTORY, load_model
from latentrl.support.files import read_json
from latentrl.support.threads import few_threads
from latentrl.training.settings import TrainSettings

EVERY = TrainSettings.checkpoint_every
"""Steps after which a training writes its history."""


@dataclass(frozen=True)
class Figure:
    """A figure of a finished training.

    Attributes:
        direction: as Optuna has it.
        unit: what it is, for people.
        over: the names of held-out figures: the first, divided by the second where there is one.
    """

    direction: Literal["minimize", "maximize"]
    unit: str
    over: tuple[str, ...]

    @property
    def sign(self) -> int:
        """1 where less is better, else -1."""
        return 1 if self.direction == "minimize" else -1


FIGURES: dict[str, Figure] = {
    "prediction": Figure(
        "minimize",
        "squared error of predictions a few steps ahead, over that of nothing moving (1: no better)",
        ("mse_predict_near", "mse_still_near"),
    ),
    "elbo": Figure("maximize", "held-out evidence lower bound, nats per time step", ("test_elbo_per_step",)),
}


@dataclass(frozen=True)
class Judged:
    """A figure of a trial, and what its training failed at, as far as that shows without labels."""

    value: float
    warnings: tuple[str, ...]


def judged(run: Path, data: Path, figure: str) -> Judged:
    """Judge a finished run.

    Raises:
        UserError: a damaged run, data that is gone, sequences that are too short for the figure.
    """
    with few_threads():
        found = held_out_figures(load_model(run), load_sequences(data, "test"), {}, ())
    return Judged(value_of(found, figure), (*_of_training(run), *failures(found)))


def value_of(found: Mapping[str, float], figure: str) -> float:
    """A figure of held-out ones; NaN where the data has too few steps for it."""
    names = FIGURES[figure].over
    first = found.get(names[0], float("nan"))
    return first if len(names) == 1 else first / found.get(names[1], float("nan"))


def _of_training(run: Path) -> list[str]:
    """The warnings of a training that come from no held-out figure: of those others are made here, without labels."""
    stored = read_json(run / "metrics.json", f"remove {run} to train it again")
    numbers = {name: value for name, value in stored.items() if isinstance(value, int | float)}
    of_figures = {line for standardise in (True, False) for line in failures(numbers, standardise)}
    return [line for line in stored.get("warnings", ()) if line not in of_figures]


def losses(run: Path) -> dict[int, float]:
    """Rate plus distortion, nats per time step, by gradient steps: means of the last `EVERY` before each.

    It is the negative ELBO of training batches; empty before the first checkpoint.
    """
    path = run / HISTORY
    if not path.is_file():
        return {}
    found, last = dict[int, list[float]](), 0
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            last = int(row["step"])
            end = -(-last // EVERY) * EVERY
            found.setdefault(end, []).append(float(row["rate"]) + float(row["distortion"]))
    return {end: sum(values) / len(values) for end, values in found.items() if end <= last}
