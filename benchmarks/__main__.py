"""``python -m benchmarks``: every measured ratio, as a table and in ``runs/bench/bench.json``."""

from __future__ import annotations

import argparse
import platform
from pathlib import Path
from typing import Any, get_args

import gymnasium
import numpy
import torch

from benchmarks import dynamax_smoother, image_step, scale, sensor_threads, training_step
from benchmarks.busy import compare_busy
from benchmarks.collection import compare_collection
from benchmarks.planning import (
    BOUND,
    FORMS,
    compare_freezing,
    compare_learning,
    compare_planning,
    controllers,
    make_untrained,
    planners,
    time_control_steps,
)
from benchmarks.recursion import compare_recursions
from benchmarks.shares import KINDS, shares
from benchmarks.training_step import LENGTH, Version, compare_steps, make_model
from latentrl.agents.planners import PLANNERS, CEMOptions
from latentrl.agents.policies import AnalyticGradientOptions
from latentrl.inference.backends import AUTO, BACKENDS, choose, is_installed
from latentrl.models.base import WorldModel
from latentrl.support.files import write_json

STEPS_A_REPEAT = 2
NUM_ENVS = 256
IMAGE_BATCH, RECIPE_BATCH, SENSOR_BATCH = 10, 16, 50
GOALS = 20
SAMPLES, HORIZON = 1000, 30


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


def recursion_rows(quick: bool) -> list[dict[str, Any]]:
    """Filter, smoother or path, densities, and all of it backwards, without encoder and decoder; each backend."""
    cases: list[tuple[Version, int]] = [(version, batch) for version in get_args(Version)[:2] for batch in (50, 100)]
    rows = []
    for version, batch in cases[:1] if quick else cases:
        for backend in filter(is_installed, BACKENDS):
            summary = compare_recursions(version, batch, backend, repeats=2 if quick else 25).summary()
            times = {"eager_ms": 1e3 * summary["yardstick_seconds"], "library_ms": 1e3 * summary["subject_seconds"]}
            rows.append({"version": version, "batch": batch, "backend": backend, **_ratio(summary), **times})
    return rows


def smoother_rows(quick: bool) -> list[dict[str, Any]]:
    """The extended smoother with its gradient against dynamax's; none where that is not installed."""
    if not dynamax_smoother.is_there():
        return []
    rows = []
    for batch in (50,) if quick else (50, 100):
        for backend in filter(is_installed, BACKENDS):
            summary = dynamax_smoother.compare_smoothers(batch, backend, repeats=2 if quick else 50).summary()
            times = {"dynamax_ms": 1e3 * summary["yardstick_seconds"], "library_ms": 1e3 * summary["subject_seconds"]}
            rows.append({"batch": batch, "backend": backend, **_ratio(summary), **times})
    return rows


def share_rows(quick: bool) -> list[dict[str, Any]]:
    """Where the time of a training step goes."""
    batch, length, steps = (2, 4, 1) if quick else (RECIPE_BATCH, image_step.LENGTH, 20)
    trainers = {
        "16 x 16 x 1, batch 50": training_step.make_trainer_of_noise(make_model("joint"), 50),
        f"64 x 64 x 3, batch {batch}": image_step.make_recipe(False, batch, length),
    }
    return [{"work": work, **shares(trainer, steps)} for work, trainer in trainers.items()]


def network_row(quick: bool) -> dict[str, Any]:
    """The training step of the reacher's image model: the lean network against the convolutions."""
    batch, length = (1, 3) if quick else (IMAGE_BATCH, image_step.LENGTH)
    summary = image_step.compare_networks(batch, repeats=2 if quick else 7, length=length).summary()
    return _image_row(batch, length, summary, ("conv_ms", "lean_ms"))


def recipe_row(quick: bool) -> dict[str, Any]:
    """The training step of the reacher's recipe for pictures, plainly written and as it is."""
    batch, length = (2, 4) if quick else (RECIPE_BATCH, image_step.LENGTH)
    summary = image_step.compare_recipes(batch, repeats=2 if quick else 15, length=length).summary()
    return _image_row(batch, length, summary, ("plain_ms", "library_ms"))


def _image_row(batch: int, length: int, summary: dict[str, float], names: tuple[str, str]) -> dict[str, Any]:
    seconds = summary["yardstick_seconds"], summary["subject_seconds"]
    times = {name: 1e3 * value for name, value in zip(names, seconds, strict=True)}
    return {"batch": batch, "length": length, **_ratio(summary), **times}


def thread_rows(quick: bool) -> list[dict[str, Any]]:
    """What a model of sensors does on all cores and on one."""
    batch, goals, repeats = (2, 1, 2) if quick else (SENSOR_BATCH, GOALS, 30)
    work = {
        f"training step, batch {batch}": sensor_threads.training_step(batch),
        f"CEM, {goals} goals": sensor_threads.plan(goals, CEMOptions(3, 20, 2, 2) if quick else None),
    }
    rows = []
    for name, one in work.items():
        summary = sensor_threads.compare_threads(one, repeats).summary()
        seconds = {"all_ms": 1e3 * summary["yardstick_seconds"], "one_ms": 1e3 * summary["subject_seconds"]}
        rows.append({"work": name, **_ratio(summary), **seconds})
    return rows


def busy_rows(quick: bool) -> list[dict[str, Any]]:
    """Trainings beside a busy process, with the threads that each chooses."""
    batch, length, repeats, steps = (2, 4, 2, 1) if quick else (RECIPE_BATCH, image_step.LENGTH, 10, 8)
    small = training_step.make_trainer_of_noise(make_model("joint"), 50)
    large = image_step.make_recipe(False, batch, length)
    rows = []
    for work, trainer in {"16 x 16 x 1, batch 50": small, f"64 x 64 x 3, batch {batch}": large}.items():
        for place, (threads, comparison) in enumerate(compare_busy(trainer, steps, repeats).items()):
            summary = comparison.summary()
            names = {"alone_ms": "yardstick_seconds", "beside_ms": "subject_seconds"}
            times = {name: 1e3 * summary[seconds] / steps for name, seconds in names.items()}
            rows.append({"work": work, "threads": threads, "chosen": place == 0, **_ratio(summary), **times})
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


def planning_rows(quick: bool) -> list[dict[str, Any]]:
    """A command of each sampling planner against pytorch-mppi's, on the same dynamics in every form it was given."""
    samples, horizon = (20, 3) if quick else (SAMPLES, HORIZON)
    rows = []
    for name, planner in planners(samples, horizon).items():
        for form in FORMS:
            summary = compare_planning(planner, form, samples, horizon, repeats=2 if quick else 100).summary()
            rows.append(
                {
                    "planner": name,
                    "dynamics": form,
                    "samples": samples,
                    "horizon": horizon,
                    **_ratio(summary),
                    "pytorch_mppi_ms": 1e3 * summary["yardstick_seconds"],
                    "library_ms": 1e3 * summary["subject_seconds"],
                }
            )
    return rows


def imagination_rows(quick: bool) -> list[dict[str, Any]]:
    """Plans with default options in a model's transition and in its frozen one; an update of a policy."""
    repeats, rows = 2 if quick else 30, []
    made = {"cem": planners(20, 3)["cem"]} if quick else {name: PLANNERS[name](-BOUND, BOUND) for name in PLANNERS}
    update = AnalyticGradientOptions(horizon=3, batch=8) if quick else AnalyticGradientOptions()
    models: dict[str, WorldModel] = {"ekvae": make_model("joint").requires_grad_(False).eval()}
    models |= {name: make_untrained(name) for name in ("dks", "kvae", "rssm")}
    for model_name, model in models.items():
        for name, planner in made.items():
            summary = compare_freezing(model, planner, repeats).summary()
            rows.append(_imagination_row(f"{model_name}, {name}", summary))
    return [*rows, _imagination_row("ekvae, update of a policy", compare_learning(repeats, update).summary())]


def _imagination_row(work: str, summary: dict[str, float]) -> dict[str, Any]:
    plain, library = 1e3 * summary["yardstick_seconds"], 1e3 * summary["subject_seconds"]
    return {"work": work, **_ratio(summary), "plain_ms": plain, "library_ms": library}


def control_rows(quick: bool) -> list[dict[str, Any]]:
    """One action of each agent in one pendulum, default options: filter a picture, then decide."""
    model = make_model("joint").requires_grad_(False).eval()
    rows = []
    for name, controller in controllers(model).items():
        seconds = time_control_steps(controller, model, steps=2 if quick else 300)
        rows.append(
            {"agent": name, "median_ms": 1e3 * numpy.median(seconds), "p99_ms": 1e3 * numpy.quantile(seconds, 0.99)}
        )
    return rows


def _ratio(summary: dict[str, float]) -> dict[str, float]:
    return {key: value for key, value in summary.items() if key.startswith("ratio")}


def table(
    training: list[dict[str, Any]],
    recursion: list[dict[str, Any]],
    smoother: list[dict[str, Any]],
    share: list[dict[str, Any]],
    networks: dict[str, Any],
    recipe: dict[str, Any],
    threads: list[dict[str, Any]],
    busy: list[dict[str, Any]],
    collection: dict[str, Any],
    planning: list[dict[str, Any]],
    imagination: list[dict[str, Any]],
    control: list[dict[str, Any]],
) -> str:
    """What the run prints."""
    lines = [
        "Median [quartiles] of the ratios, yardstick / latentrl; processor time on one thread unless told otherwise.",
        "",
        f"{'training step, T = ' + str(LENGTH):<38}{'ratio':>20}{'eager':>12}{'latentrl':>12}",
    ]
    for row in training:
        checks = "" if row["eager_validates_arguments"] else ", checks off"
        name = f"{row['version']}, batch {row['batch']}{checks}"
        lines.append(f"{name:<38}{_spread(row):>20}{row['eager_ms']:>9.1f} ms{row['library_ms']:>9.1f} ms")
    lines += ["", f"{'recursion, T = ' + str(LENGTH):<38}{'ratio':>20}{'eager':>12}{'latentrl':>12}"]
    for row in recursion:
        name = f"{row['version']}, batch {row['batch']}, {row['backend']}"
        lines.append(f"{name:<38}{_spread(row):>20}{row['eager_ms']:>9.1f} ms{row['library_ms']:>9.1f} ms")
    lines += ["", f"{'extended smoother, T = ' + str(LENGTH):<38}{'ratio':>20}{'dynamax':>12}{'latentrl':>12}"]
    for row in smoother:
        name = f"batch {row['batch']}, {row['backend']}"
        lines.append(f"{name:<38}{_spread(row):>20}{row['dynamax_ms']:>9.1f} ms{row['library_ms']:>9.1f} ms")
    if not smoother:
        lines.append("not compared: dynamax is not installed (pip install dynamax)")
    lines += ["", f"{'where a training step goes':<38}" + "".join(f"{kind:>22}" for kind in (*KINDS, "rest"))]
    for row in share:
        lines.append(f"{row['work']:<38}" + "".join(f"{row[kind]:>22.0%}" for kind in (*KINDS, "rest")))
    name = f"64 x 64 x 3, batch {networks['batch']}"
    lines += [
        "",
        f"{'training step, T = ' + str(networks['length']):<38}{'ratio':>20}{'conv':>12}{'lean':>12}",
        f"{name:<38}{_spread(networks):>20}{networks['conv_ms']:>9.1f} ms{networks['lean_ms']:>9.1f} ms",
        "",
        f"{'reacher recipe, T = ' + str(recipe['length']):<38}{'ratio':>20}{'plain':>12}{'latentrl':>12}",
        f"{'64 x 64 x 3, batch ' + str(recipe['batch']):<38}{_spread(recipe):>20}{recipe['plain_ms']:>9.1f} ms"
        f"{recipe['library_ms']:>9.1f} ms",
        "",
        f"{'joint angles; wall time':<38}{'ratio':>20}{'all cores':>12}{'one thread':>12}",
        *(f"{row['work']:<38}{_spread(row):>20}{row['all_ms']:>9.1f} ms{row['one_ms']:>9.1f} ms" for row in threads),
        "",
        f"{'beside a busy process, two cores':<38}{'speed left':>20}{'alone':>12}{'beside':>12}",
        *(
            f"{row['work'] + ', ' + str(row['threads']) + (' thread' if row['threads'] == 1 else ' threads'):<38}"
            f"{_spread(row):>20}{row['alone_ms']:>9.1f} ms{row['beside_ms']:>9.1f} ms"
            for row in busy
        ),
        "",
        f"{'collection, frames/s':<38}{'ratio':>20}{'SyncVectorEnv':>15}{'latentrl':>12}",
        f"{str(collection['num_envs']) + ' pendulums':<38}{_spread(collection):>20}"
        f"{collection['sync_frames_per_second']:>15,.0f}{collection['vector_frames_per_second']:>12,.0f}",
        "",
        f"{'one plan; dynamics of pytorch-mppi':<38}{'ratio':>20}{'pytorch-mppi':>15}{'latentrl':>12}",
    ]
    for row in planning:
        name = f"{row['planner']}, {row['samples']} x {row['horizon']}; {row['dynamics']}"
        lines.append(f"{name:<38}{_spread(row):>20}{row['pytorch_mppi_ms']:>12.2f} ms{row['library_ms']:>9.2f} ms")
    lines += ["", f"{'in the imagination':<38}{'ratio':>20}{'plain':>12}{'latentrl':>12}"]
    for row in imagination:
        lines.append(f"{row['work']:<38}{_spread(row):>20}{row['plain_ms']:>9.1f} ms{row['library_ms']:>9.1f} ms")
    lines += ["", f"{'one control step, one pendulum':<38}{'median':>20}{'p99':>15}"]
    for row in control:
        lines.append(f"{row['agent']:<38}{row['median_ms']:>17.2f} ms{row['p99_ms']:>12.2f} ms")
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
    training, recursion = training_rows(options.quick), recursion_rows(options.quick)
    smoother, share = smoother_rows(options.quick), share_rows(options.quick)
    networks = network_row(options.quick)
    recipe, threads = recipe_row(options.quick), thread_rows(options.quick)
    busy = busy_rows(options.quick)
    collection = collection_row(options.quick)
    planning, imagination = planning_rows(options.quick), imagination_rows(options.quick)
    control, scales = control_rows(options.quick), scale.measured(options.quick)
    steps = training, recursion, smoother, share, networks, recipe, threads, busy, collection
    print(table(*steps, planning, imagination, control))
    print(scale.table(scales))
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
            "backend": choose(AUTO, "cpu"),
            "training_step": training,
            "recursion": recursion,
            "extended_smoother": smoother,
            "shares": share,
            "image_networks": networks,
            "image_recipe": recipe,
            "sensor_threads": threads,
            "busy": busy,
            "collection": collection,
            "planning": planning,
            "imagination": imagination,
            "control_step": control,
            "scale": scales,
        },
    )
    print(f"\n{path}")


if __name__ == "__main__":
    main()
