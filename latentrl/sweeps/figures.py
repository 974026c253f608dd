"""By what trials are compared: figures of held-out sequences that need neither labels nor rewards.

Of a run's figures these are of observations alone; those that tell of ground truth are not read here.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from latentrl.metrics.failures import counted
from latentrl.runs.folder import HISTORY, METRICS
from latentrl.support.files import read_json
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


def judged(run: Path, figure: str) -> Judged:
    """Judge a finished run by its ``metrics.json``.

    Raises:
        UserError: a damaged run.
    """
    found = read_json(run / METRICS, f"remove {run} to train it again")
    return Judged(value_of(found, figure), tuple(found.get("warnings", ())))


def value_of(found: Mapping[str, Any], figure: str) -> float:
    """A figure of held-out ones; NaN where the data has too few steps for it."""
    names = [counted(found, name) for name in FIGURES[figure].over]
    first = found.get(names[0], float("nan"))
    return first if len(names) == 1 else first / found.get(names[1], float("nan"))


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
