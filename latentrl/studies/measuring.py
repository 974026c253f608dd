"""Measure a trained run in a process of its own, and read what was measured: files in the run folder.

OMP_NUM_THREADS=1 python -m latentrl.studies.measuring geodesics --run runs/mine --data data/mine
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from latentrl.runs.tensors import read_tensors, write_tensors
from latentrl.runs.versions import describe_environment
from latentrl.studies.measurements import MEASUREMENTS
from latentrl.studies.measurements.base import Arrays
from latentrl.support.errors import reported
from latentrl.support.files import check_kinds, read_json, write_json

MEASURED, ARRAYS = "measured.json", "measured.safetensors"
MODULE = "latentrl.studies.measuring"


def measure(name: str, run: Path, data: Path) -> dict[str, float]:
    """Measure ``run`` and keep what was found in its folder, figures last; returns these.

    Raises:
        UserError: what the measurement cannot measure.
    """
    measurement = MEASUREMENTS[name]
    found = measurement.measure(run, data)
    write_tensors(run / ARRAYS, found.arrays)
    git = describe_environment()["git"]
    write_json(run / MEASURED, {**_identity(name), "figures": dict(found.figures), "git": git})
    return dict(found.figures)


def arguments(name: str, run: Path, data: Path) -> tuple[str, ...]:
    """Of this module, to measure a run."""
    return (name, "--run", str(run), "--data", str(data))


def is_measured(run: Path, name: str) -> bool:
    """Whether a run has been measured so, with today's settings."""
    if not (run / MEASURED).is_file():
        return False
    stored = _stored(run)
    return {key: stored.get(key) for key in _identity(name)} == _identity(name)


def figures_of(run: Path) -> dict[str, float]:
    """What was measured of a run; empty where nothing was."""
    if not (run / MEASURED).is_file():
        return {}
    return {key: float(math.nan if value is None else value) for key, value in _stored(run)["figures"].items()}


def arrays_of(run: Path) -> Arrays:
    """What pictures are made of.

    Raises:
        UserError: not measured, or damaged.
    """
    tensors, _ = read_tensors(run / ARRAYS, f"remove {run / MEASURED}, and the study measures the run again")
    return {name: tensor.numpy() for name, tensor in tensors.items()}


def _identity(name: str) -> dict[str, Any]:
    return {"measurement": name, "settings": dict(MEASUREMENTS[name].settings)}


def _stored(run: Path) -> dict[str, Any]:
    cure = f"remove {run / MEASURED}, and the study measures the run again"
    stored = read_json(run / MEASURED, cure)
    check_kinds(stored, {"measurement": str, "settings": dict, "figures": dict}, run / MEASURED, cure)
    return stored


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    with reported():
        parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
        parser.add_argument("measurement", choices=list(MEASUREMENTS))
        parser.add_argument("--run", type=Path, required=True, help="a finished run folder")
        parser.add_argument("--data", type=Path, required=True, help="the data that it was trained on")
        given = parser.parse_args(argv)
        for name, value in measure(given.measurement, given.run, given.data).items():
            print(f"{name}: {value:.4g}")


if __name__ == "__main__":
    main()
