"""How often a training that failed says so, and one that went well does not: warnings counted against labels.

    python tools/alarms.py --suite runs/suite --rods runs/rods --out runs/alarms

Of every system that the suite and the rods have recorded, their trained runs are judged, and beside them two that were
made to fail: `--steps 300`, and the source's recipe, `--recipe source --steps 1500`. What is warned of is told by
held-out observations alone (``latentrl.metrics.failures``); what went wrong in truth by labels that no training has
seen. Called again, it goes on; what is finished stays.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from latentrl.data_collection.storage import METADATA, load_ground_truth, load_metadata, load_sequences
from latentrl.envs import coordinates_of
from latentrl.envs.coordinates import Coordinate, positions, velocities
from latentrl.metrics.coordinates import coordinate_values
from latentrl.metrics.failures import LEAST_TOLD, MOST_UNDRAWN, MOST_UNTOLD, MOST_UNTOLD_MOTION, near_errors
from latentrl.models.over_data import smooth
from latentrl.numerics.regression import neighbour_r2
from latentrl.runs.folder import CHECKPOINT, METRICS, SETTINGS, is_finished, load_model
from latentrl.studies.cells import WARNINGS, reason
from latentrl.studies.launchers.base import Ending, Job
from latentrl.studies.launchers.local import run_jobs
from latentrl.studies.lock import exclusive
from latentrl.support.errors import UserError, reported
from latentrl.support.files import read_json, write_json, write_text
from latentrl.support.printing import NONE

ENOUGH = 0.9
"""R^2 by neighbours from which on a coordinate counts as told: chosen before anything was counted."""
POOR: dict[str, tuple[str, ...]] = {
    "300 steps": ("--steps", "300"),
    "source's recipe": ("--recipe", "source", "--steps", "1500"),
}
"""Trainings that are meant to fail, most of them: by name, options of ``latentrl train``."""
SIZES = ("--position-size", "--state-size")
FRAMES = 8000
"""Of the test split that labels are compared on, at most."""
PAGE, FIGURES = "alarms.md", "alarms.json"
CURE = "remove it to have it made anew"

Judged = dict[str, Any]


def least_told(run: Path, data: Path) -> tuple[float | None, float | None]:
    """How well the worst position and the worst velocity are told, by labels: R^2 by neighbours in other sequences.

    Positions are looked for in the state's position dimensions, angles by sine and cosine; velocities in the whole
    state.

    Returns:
        The least R^2 of each; None where the ground truth has no such coordinate.
    """
    model, metadata = load_model(run), load_metadata(data)
    sequences = load_sequences(data, "test", metadata=metadata)
    some = slice(None, max(2, FRAMES // sequences.length))
    coordinates = coordinates_of(metadata, str(data / METADATA))
    truth = {name: entry[some] for name, entry in load_ground_truth(data, "test", metadata).items()}
    with torch.no_grad():
        latents = smooth(model, sequences[some]).mean[..., : model.latent_size].float()
    values = coordinate_values(truth, coordinates, latents.shape[:2])

    def told(one: Coordinate, inputs: torch.Tensor) -> float:
        target = values[one.name].reshape(latents.shape[:2])
        parts = (np.sin(target), np.cos(target)) if one.kind == "angle" else (target,)
        return float(np.mean([neighbour_r2(inputs, torch.from_numpy(part)) for part in parts]))

    known = [one for one in coordinates if one.name in values]
    placed = [told(one, latents[..., : model.position_size]) for one in positions(known)]
    moving = [told(one, latents) for one in velocities(known)]
    return min(placed, default=None), min(moving, default=None)


def verdict(metrics: Mapping[str, Any], position: float | None, velocity: float | None) -> Judged:
    """What is warned of and what went wrong, of one run.

    Args:
        metrics: of its ``metrics.json``.
        position: of :func:`least_told`.
        velocity: of :func:`least_told`.

    Returns:
        ``position`` and ``velocity``, R^2; ``warned`` of ``fold``, ``motion`` (displacement or prediction), ``drawing``
        and ``anything``; ``wrong`` with the positions, the velocities and either (``drawing``, ``anything``), where
        labels tell.
    """
    said = list(metrics.get(WARNINGS) or ())
    near, *yardsticks = near_errors(metrics)
    either = None if position is None and velocity is None else min(position or 1, velocity or 1) < ENOUGH
    return {
        "position": position,
        "velocity": velocity,
        "untold_share": metrics.get("untold_share"),
        "told_displacement": metrics.get("told_displacement"),
        "untold_motion": metrics.get("untold_motion"),
        "undrawn_share": metrics.get("undrawn_share"),
        "warnings": said,
        "warned": {
            "fold": metrics.get("untold_share", 0.0) > MOST_UNTOLD,
            "motion": metrics.get("told_displacement", 1.0) < LEAST_TOLD
            or metrics.get("untold_motion", 0.0) > MOST_UNTOLD_MOTION
            or any(near > mse for mse in yardsticks),
            "drawing": metrics.get("undrawn_share", 0.0) > MOST_UNDRAWN,
            "anything": bool(said),
        },
        "wrong": {
            "fold": None if position is None else position < ENOUGH,
            "motion": None if velocity is None else velocity < ENOUGH,
            "drawing": either,
            "anything": either,
        },
    }


def page(found: Mapping[str, Judged], command: str) -> str:
    """The page: how often the tests are right, and every run."""
    kinds = {
        "fold": "frames that look different share a position",
        "motion": "motion or prediction is not learned",
        "drawing": "what varies is not drawn",
        "anything": "any warning",
    }
    wrong = {"fold": "a position untold", "motion": "a velocity untold", "drawing": "either", "anything": "either"}
    counted = []
    for kind, title in kinds.items():
        pairs = [(one["warned"][kind], one["wrong"][kind]) for one in found.values() if one["wrong"][kind] is not None]
        hit, missed, false, silent = (
            pairs.count(pair) for pair in ((True, True), (False, True), (True, False), (False, False))
        )
        counted.append((title, wrong[kind], f"{hit} of {hit + missed}", f"{false} of {false + silent}"))
    figures = ("untold_share", "told_displacement", "untold_motion", "undrawn_share")
    heads = ("training", "position", "velocity", *(f"`{name}`" for name in figures), "warned of", "right")
    rows = []
    for name, one in found.items():
        warned = [kind for kind in ("fold", "motion", "drawing") if one["warned"][kind]]
        others = len(one["warnings"]) > 0 and not warned
        known = one["wrong"]["anything"]
        right = NONE if known is None else "yes" if one["warned"]["anything"] == known else "**no**"
        numbers = (one[key] for key in ("position", "velocity", *figures))
        told = "constraint" if others else ", ".join(warned) or "nothing"
        rows.append((name, *map(_number, numbers), told, right))
    parts = (
        "# Warnings, counted against labels",
        "",
        f"`{command}` makes this page. A training warns by what held-out observations alone tell",
        "([which tests](../ekvae.md#when-it-fails)). Here their word is counted against labels: the worst told",
        f"position and the worst told velocity, R² by neighbours in other sequences; below {ENOUGH} counts as untold.",
        "One training for each row; *300 steps* and *source's recipe* are meant to fail.",
        "",
        *_table(("warned of", "wrong in truth", "failures warned of", "false alarms"), counted),
        "",
        *_table(heads, rows),
        "",
    )
    return "\n".join(parts)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = (heads, ["---", *["---:"] * (len(heads) - 1)], *rows)
    return [f"| {' | '.join(line)} |" for line in lines]


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.3f}"


def trained(folder: Path) -> dict[str, tuple[Path, Path]]:
    """Finished runs of a suite's folder and their data, by ``SYSTEM, seed K``."""
    found = {}
    for run in sorted(folder.glob("*/seed*/model")):
        if is_finished(run) and (run / METRICS).is_file():
            found[f"{run.parent.parent.name}, seed {run.parent.name.removeprefix('seed')}"] = run, run.parent / "data"
    return found


def made_to_fail(runs: Mapping[str, tuple[Path, Path]], out: Path) -> dict[str, tuple[Path, Path, tuple[str, ...]]]:
    """Trainings that are to be made: of every run of seed 0 those of `POOR`, with its data and sizes."""
    found = {}
    for name, (run, data) in runs.items():
        if not name.endswith("seed 0"):
            continue
        model = read_json(run / SETTINGS, CURE)["model"]["settings"]
        given = [word for flag in SIZES for word in (flag, str(model[flag[2:].replace("-", "_")]))]
        for kind, options in POOR.items():
            place = out / f"{run.parent.parent.name}-{kind.replace(' ', '-').replace(chr(39), '')}"
            words = ("-m", "latentrl.train", "--data", str(data), "--run", str(place), *given, *options)
            found[f"{name.removesuffix(', seed 0')}, {kind}"] = place, data, (*words, "--device", "cpu", "--seed", "0")
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", type=Path, default=Path("runs/suite"), help="the folder of `latentrl suite`")
    parser.add_argument("--rods", type=Path, default=Path("runs/rods"), help="the folder of `make rods`")
    parser.add_argument("--out", type=Path, default=Path("runs/alarms"), help="the folder for everything")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time, each on one core")
    parser.add_argument("--report", action="store_true", help="judge what is there and train nothing")
    given = parser.parse_args(argv)
    with reported():
        runs = {**trained(given.suite), **{f"rod {name}": place for name, place in trained(given.rods).items()}}
        if not runs:
            raise UserError(f"no finished run in {given.suite} or {given.rods}: run `latentrl suite` first")
        poor = made_to_fail(trained(given.suite), given.out)
        given.out.mkdir(parents=True, exist_ok=True)
        if not given.report:
            try:
                _train(poor, given.out, given.jobs)
            except KeyboardInterrupt:
                print("\ninterrupted; the same command goes on.", file=sys.stderr)
                return 130
        runs |= {name: (run, data) for name, (run, data, _) in poor.items() if is_finished(run)}
        found = _judged(runs, given.out / FIGURES)
        text = page(found, "python tools/alarms.py")
        write_text(given.out / PAGE, text)
        print(text)
    return 0


def _train(poor: Mapping[str, tuple[Path, Path, tuple[str, ...]]], out: Path, workers: int) -> None:
    left = {}
    for name, (run, _, words) in poor.items():
        if not is_finished(run):
            resumed = ("--resume",) if (run / CHECKPOINT).is_file() else ("--overwrite",)
            left[name] = Job(name, (sys.executable, *words, *resumed), run.with_suffix(".log"))

    def ended(job: Job, ending: Ending) -> None:
        done = f"in {ending.seconds:.0f} s" if ending.code == 0 else reason(job.log, ending.log_offset, ending.code)
        print(f"{job.name}: {done}", file=sys.stderr)

    with exclusive(out, "alarms") as held:
        run_jobs(list(left.values()), workers, lambda job: None, ended, lambda running: None, held)


def _judged(runs: Mapping[str, tuple[Path, Path]], path: Path) -> dict[str, Judged]:
    """Verdicts of all runs; those of runs that have not changed are read from ``path``."""
    known = read_json(path, CURE) if path.is_file() else {}
    found = {}
    for name, (run, data) in runs.items():
        metrics = read_json(run / METRICS, CURE)
        made = f"{(run / METRICS).stat().st_mtime_ns}"
        before = known.get(name, {})
        # What was judged before drawings were has no such figure.
        if before.get("made") != made or "undrawn_share" not in before:
            known[name] = {**verdict(metrics, *least_told(run, data)), "made": made}
            write_json(path, known)
        found[name] = known[name]
    return found


if __name__ == "__main__":
    raise SystemExit(main())
