"""``benchmarks/gpu.sh``: what a GPU makes of it. First it is checked, then measured, each part within its own time.

A part that fails or runs out of time is named, and the others go on.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.eager_ekvae import EagerEKVAE
from benchmarks.image_step import make_recipe
from benchmarks.planning import planners
from benchmarks.training_step import TORQUE, make_model, random_sequences
from latentrl.agents.imagination import Imagination, PolicyInput
from latentrl.models.base import GenerativeModel
from latentrl.objectives.rewo import REWO
from latentrl.rewards.position import PositionReward
from latentrl.support.files import write_json
from latentrl.training.building import trainer_for
from latentrl.training.coarse_to_fine import Schedule
from latentrl.training.settings import TrainSettings
from latentrl.training.trainer import Trainer
from latentrl.types import Sequences

TOTAL = 340.0
"""Seconds for everything; what has not begun by then is named and left out."""
BATCHES = (50, 500, 5000)
PLANS = ((1000, 30), (100_000, 30))
ENVS, MILLION = 4096, 1_000_000
QUICKSTART, PIXELS = 8000, 8000
"""Steps of the trainings that are estimated where their time does not suffice."""
GOALS = {"eager / graph, batch 50": 20.0, "graph, batch 500 / batch 50": 1.5, "quickstart s": 30.0, "pixels s": 300.0}
"""At least, at most, at most, at most."""


@dataclass(frozen=True)
class Bench:
    """Where and how much is measured.

    Attributes:
        device: the GPU, or a processor to try the parts on.
        quick: so little that only whether it runs is seen.
    """

    device: torch.device
    quick: bool

    def wait(self) -> None:
        """Until the device has done what it was asked."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def seconds(self, work: Callable[[], object], most: float) -> float:
        """The median of runs of ``work``, each waited for, within ``most`` seconds and after three unmeasured ones."""
        for _ in range(1 if self.quick else 4):
            work()
        self.wait()
        found: list[float] = []
        began = time.perf_counter()
        while not found or (time.perf_counter() - began < most and len(found) < (1 if self.quick else 200)):
            start = time.perf_counter()
            work()
            self.wait()
            found.append(time.perf_counter() - start)
        return statistics.median(found)


def trainer_of(bench: Bench, model: GenerativeModel, data: Sequences, batch: int, recorded: bool) -> Trainer:
    """The default training without its blur, on the device."""
    settings = replace(TrainSettings(), batch=batch, blur=Schedule(width=0.0), log_every=100)
    trainer = trainer_for(model.to(bench.device), REWO(0.03**2), data.to(bench.device), settings, seed=0)
    if not recorded:
        trainer.replayed.make = None
    return trainer


def check(bench: Bench) -> dict[str, Any]:
    """The same step on the processor and on the device; that nothing in it waits, where PyTorch can tell."""
    found: dict[str, Any] = {"torch": torch.__version__, "python": platform.python_version()}
    if bench.device.type == "cuda":
        found |= {"cuda": torch.version.cuda, "gpu": torch.cuda.get_device_name(bench.device)}
    data = random_sequences(8, 4 if bench.quick else 15)
    index = torch.arange(8)
    moments = []
    for device in (torch.device("cpu"), bench.device):
        model = make_model("joint")
        one = trainer_of(Bench(device, bench.quick), model, data, 8, recorded=False)
        posterior = model.encode(data.observations.to(device))
        # Without a sample: generators of two devices draw differently.
        smoothed = model.smooth(data.observations.to(device), data.actions.to(device))
        (posterior.mean.square().sum() + smoothed.mean.square().sum()).backward()
        moments.append(torch.cat([p.grad.flatten().cpu() for p in model.parameters() if p.grad is not None]))
        if device.type == "cuda":
            torch.cuda.set_sync_debug_mode("error")
        try:
            one.work(index.to(device), one.data)
        finally:
            if device.type == "cuda":
                torch.cuda.set_sync_debug_mode("default")
        one.look()
    found["largest relative difference of a gradient"] = float(
        (moments[0] - moments[1]).abs().max() / moments[0].abs().max()
    )
    if found["largest relative difference of a gradient"] > 1e-3:
        raise AssertionError(f"the device's gradient is another: {found}")
    return found


def steps(bench: Bench) -> dict[str, Any]:
    """Milliseconds of a training step, by batch: eager, ours, and ours as a CUDA graph."""
    rows: dict[str, Any] = {}
    length = 3 if bench.quick else 15
    for batch in (2, 3) if bench.quick else BATCHES:
        data = random_sequences(min(batch, 1000), length)
        for kind in ("eager", "ours", "graph"):
            model = EagerEKVAE(make_model("joint")) if kind == "eager" else make_model("joint")
            trainer = trainer_of(bench, model, data, batch, kind == "graph")
            rows[f"{kind}, batch {batch}"] = 1e3 * bench.seconds(trainer.advance, 4.0)
            if kind == "graph" and bench.device.type == "cuda" and trainer.replayed.make is None:
                rows[f"graph, batch {batch}"] = "not recorded"
    return rows


def pixels(bench: Bench) -> dict[str, Any]:
    """Milliseconds of a step of the reacher's recipe for pictures, and what its training would take."""
    trainer = make_recipe(False, *((2, 4) if bench.quick else (16, 30)), device=bench.device)
    step = bench.seconds(trainer.advance, 15.0)
    return {"ms a step": 1e3 * step, "pixels s": step * PIXELS, "of steps": PIXELS}


def quickstart(bench: Bench) -> dict[str, Any]:
    """Seconds of the quickstart's training: its own steps if the time suffices, else what those that were done tell."""
    settings = replace(TrainSettings(), steps=4 if bench.quick else QUICKSTART)
    data = random_sequences(8 if bench.quick else 500, 4 if bench.quick else 15).to(bench.device)
    trainer = trainer_for(make_model("joint").to(bench.device), REWO(0.03**2), data, settings, seed=0)
    began = time.perf_counter()
    while trainer.step < settings.steps and time.perf_counter() - began < 60:
        trainer.advance()
    bench.wait()
    took, starts = time.perf_counter() - began, settings.starts * settings.start_steps - settings.start_steps
    rate = took / trainer.step
    return {"steps done": trainer.step, "ms a step": 1e3 * rate, "quickstart s": rate * (QUICKSTART + starts)}


def plans(bench: Bench) -> dict[str, Any]:
    """Milliseconds of a plan of one iteration."""
    model = make_model("joint").requires_grad_(False).eval().to(bench.device)
    state, goal = torch.zeros(1, model.state_size, device=bench.device), torch.zeros(2, device=bench.device)
    generator = torch.Generator(bench.device).manual_seed(0)
    rows = {}
    for samples, horizon in ((20, 3),) if bench.quick else PLANS:
        for name, planner in planners(samples, horizon).items():
            moved: Any = planner
            moved.low, moved.high = moved.low.to(bench.device), moved.high.to(bench.device)
            frozen, reward = model.frozen(), PositionReward(goal)
            with torch.inference_mode():
                work = partial(moved.plan, frozen, reward, state, generator=generator)
                rows[f"{name}, {samples} x {horizon} ms"] = 1e3 * bench.seconds(work, 4.0)
    return rows


def imagination(bench: Bench) -> dict[str, Any]:
    """Imagined steps a second of SAC's environment, with the transfer of its arrays; SAC's own networks not counted."""
    from latentrl.agents.imagined_env import ImaginedEnv
    from latentrl.agents.imagined_episodes import ImaginedEpisodes

    model = make_model("joint").requires_grad_(False).eval().to(bench.device)
    bound = torch.tensor([TORQUE], device=bench.device)
    count = 8 if bench.quick else ENVS
    rows = {}
    kinds: tuple[PolicyInput, ...] = ("mean",) if bench.quick else ("mean", "belief")
    for sees in kinds:
        imagined = Imagination(model, model.initial_states, sees)
        reward = PositionReward(torch.zeros(2, device=bench.device))
        env = ImaginedEnv(ImaginedEpisodes(imagined, reward, -bound, bound, count))
        actions = np.zeros((count, 1), np.float32)
        rows[f"{sees}, {count} environments, steps/s"] = count / bench.seconds(partial(env.step, actions), 8.0)
    return rows


def memory(bench: Bench) -> dict[str, Any]:
    """Mebibytes on the device, most at any time, of a step with sequences of so many frames; and of a few."""
    rows = {}
    length = 3 if bench.quick else 20
    for frames in (30, 60) if bench.quick else (10_000, MILLION):
        data = random_sequences(frames // length, length)
        if bench.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(bench.device)
        trainer = trainer_of(bench, make_model("joint"), data, 2 if bench.quick else 50, False)
        rows[f"{frames} frames, ms a step"] = 1e3 * bench.seconds(trainer.advance, 3.0)
        if bench.device.type == "cuda":
            rows[f"{frames} frames, MiB"] = torch.cuda.max_memory_allocated(bench.device) / 2**20
            rows[f"{frames} frames, MiB of them data"] = data.observations.numel() / 2**20
    return rows


PARTS: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "check": check,
    "training step, ms": steps,
    "reacher-pixels": pixels,
    "plans": plans,
    "SAC in imagination": imagination,
    "memory": memory,
    "quickstart": quickstart,
}
"""In this order; the one that takes longest comes last."""


def measure(bench: Bench) -> dict[str, Any]:
    """Every part's figures; of one that failed, why."""
    began, found = time.perf_counter(), dict[str, Any]()
    for name, part in PARTS.items():
        start = time.perf_counter()
        if start - began > TOTAL:
            found[name] = {"failed": f"not begun: {TOTAL:.0f} s were over"}
            continue
        try:
            found[name] = part(bench)
        except Exception as error:  # whatever it is, the other parts are measured
            found[name] = {"failed": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"}
        found[name]["part took s"] = time.perf_counter() - start
    return found


def goals(found: dict[str, Any]) -> dict[str, Any]:
    """What is asked for, and what came out; None where it was not measured."""
    rows = found.get("training step, ms", {})

    def ratio(above: str, below: str) -> float | None:
        numbers = rows.get(above), rows.get(below)
        return numbers[0] / numbers[1] if all(isinstance(number, float) for number in numbers) else None

    return {
        "eager / graph, batch 50": ratio("eager, batch 50", "graph, batch 50"),
        "graph, batch 500 / batch 50": ratio("graph, batch 500", "graph, batch 50"),
        "quickstart s": found.get("quickstart", {}).get("quickstart s"),
        "pixels s": found.get("reacher-pixels", {}).get("pixels s"),
    }


def table(found: dict[str, Any], reached: dict[str, Any]) -> str:
    """What is printed."""
    lines: list[str] = []
    for name, rows in found.items():
        lines += ["", name]
        lines += [f"  {key:<52}{f'{value:.4g}' if isinstance(value, float) else value}" for key, value in rows.items()]
    lines += ["", f"{'goals':<54}{'asked':>10}{'measured':>12}"]
    for name, asked in GOALS.items():
        value = reached[name]
        lines.append(f"  {name:<52}{asked:>10g}{'-' if value is None else format(value, '.4g'):>12}")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="benchmarks/gpu.sh", description=__doc__)
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N, or cpu to try the parts")
    parser.add_argument("--quick", action="store_true", help="only show that it runs")
    parser.add_argument("--out", type=Path, default=Path("runs/bench/gpu.json"))
    given = parser.parse_args(argv)
    device = torch.device(given.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        parser.error(
            f"--device {given.device}: PyTorch {torch.__version__} sees no CUDA device; try --device cpu --quick"
        )
    found = measure(Bench(device, given.quick))
    reached = goals(found)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    write_json(given.out, {"device": str(device), "quick": given.quick, "goals": GOALS, "reached": reached, **found})
    print(table(found, reached))
    return found


if __name__ == "__main__":
    main()
