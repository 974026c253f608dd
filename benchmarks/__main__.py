"""``python -m benchmarks``: every measured ratio, as a table and in ``runs/bench/bench.json``."""

from __future__ import annotations

import argparse
import platform
from pathlib import Path
from typing import Any, get_args

import gymnasium
import numpy
import torch

from benchmarks.collection import compare_collection
from benchmarks.training_step import LENGTH, Version, compare_steps
from latentrl.runs import write_json

STEPS_A_REPEAT = 2
NUM_ENVS = 256


def training_rows(quick: bool) -> list[dict[str, Any]]:
    """The training step for the default and the source's posterior; with the eager version's checks on and off."""
    cases: list[tuple[Version, int, bool]] = [
        (version, batch, validate)
        for version in get_args(Version)[:2]
        for batch in (50, 100)
        for validate in (True, False)
    ]
    rows = []
    for version, batch, validate in cases[:1] if quick else cases:
        steps = 1 if quick else STEPS_A_REPEAT
        summary = compare_steps(version, batch, validate, repeats=2 if quick else 25, steps=steps).summary()
        rows.append(
            {
                "version": version,
                "batch": batch,
                "length": LENGTH,
                "eager_validates_arguments": validate,
                **_ratio(summary),
                "eager_ms": 1e3 * summary["yardstick_seconds"] / steps,
                "library_ms": 1e3 * summary["subject_seconds"] / steps,
            }
        )
    return rows


def collection_row(quick: bool) -> dict[str, Any]:
    """Frames a second of the vectorised pendulum."""
    num_envs = 8 if quick else NUM_ENVS
    summary = compare_collection(num_envs, steps=10 if quick else 300, repeats=2 if quick else 15).summary()
    return {
        "num_envs": num_envs,
        **_ratio(summary),
        "sync_frames_per_second": 1 / summary["yardstick_seconds"],
        "vector_frames_per_second": 1 / summary["subject_seconds"],
    }


def _ratio(summary: dict[str, float]) -> dict[str, float]:
    return {key: value for key, value in summary.items() if key.startswith("ratio")}


def table(training: list[dict[str, Any]], collection: dict[str, Any]) -> str:
    """What the run prints."""
    lines = [
        "Median [quartiles] of the ratios, yardstick / latentrl, in processor time on one thread.",
        "",
        f"{'training step, T = ' + str(LENGTH):<38}{'ratio':>20}{'eager':>12}{'latentrl':>12}",
    ]
    for row in training:
        checks = "" if row["eager_validates_arguments"] else ", checks off"
        name = f"{row['version']}, batch {row['batch']}{checks}"
        lines.append(f"{name:<38}{_spread(row):>20}{row['eager_ms']:>9.1f} ms{row['library_ms']:>9.1f} ms")
    lines += [
        "",
        f"{'collection, frames/s':<38}{'ratio':>20}{'SyncVectorEnv':>15}{'latentrl':>12}",
        f"{str(collection['num_envs']) + ' pendulums':<38}{_spread(collection):>20}"
        f"{collection['sync_frames_per_second']:>15,.0f}{collection['vector_frames_per_second']:>12,.0f}",
    ]
    return "\n".join(lines)


def _spread(row: dict[str, Any]) -> str:
    return f"{row['ratio']:.2f} [{row['ratio_lower_quartile']:.2f}, {row['ratio_upper_quartile']:.2f}]"


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measured ratios, in under two minutes.")
    parser.add_argument("--output", type=Path, default=Path("runs/bench"), help="folder for bench.json")
    parser.add_argument("--quick", action="store_true", help="one case, few repeats: to see that it runs")
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    training, collection = training_rows(options.quick), collection_row(options.quick)
    print(table(training, collection))
    versions = {"python": platform.python_version()}
    versions.update({module.__name__: module.__version__ for module in (torch, numpy, gymnasium)})
    path = options.output / "bench.json"
    write_json(
        path,
        {
            "quick": options.quick,
            "machine": {
                "processor": torch.backends.cpu.get_cpu_capability(),
                "system": platform.platform(),
                **versions,
            },
            "training_step": training,
            "collection": collection,
        },
    )
    print(f"\n{path}")


if __name__ == "__main__":
    main()
