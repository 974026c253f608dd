"""How a training step grows with the length of sequences and with how many there are, and what memory it takes.

A step of T frames is compared with one of the shortest T, per frame; a step on N frames with one on the fewest. Both
take turns. The memory is that of a process of its own, whose pictures are in a mapped file, as those of large data are:
what the kernel can drop at any time is not counted.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from benchmarks.timing import compare, one_thread
from benchmarks.training_step import LENGTH, SHAPE, make_model, make_trainer, random_sequences
from latentrl.data_collection.mapped import open_mapped, write_mapped
from latentrl.inference.backends import Backend, Emission, backend_named, is_installed
from latentrl.training.trainer import Trainer
from latentrl.types import Belief, Sequences

LENGTHS = (15, 150, 1500, 5000)
FRAMES = (510, 10_005, 100_005, 1_000_005)
BATCH = 8
"""Sequences of a step: as many as a kernel takes at once."""
SAMPLED_EVERY = 0.005
"""Seconds between two looks at a process' memory."""


def turns(trainers: Sequence[Trainer], repeats: int) -> list[list[float]]:
    """Processor seconds of ``repeats`` steps of each trainer in turn, after one that does not count."""
    seconds: list[list[float]] = [[] for _ in trainers]
    with one_thread():
        for repeat in range(repeats + 1):
            for trainer, found in zip(trainers, seconds, strict=True):
                started = time.process_time()
                trainer.advance()
                if repeat:
                    found.append(time.process_time() - started)
    return seconds


def length_rows(lengths: Sequence[int] = LENGTHS, batch: int = BATCH, repeats: int = 3) -> list[dict[str, Any]]:
    """A step's time for sequences of each of ``lengths``, and per frame as a multiple of the shortest's."""
    trainers = [make_trainer(make_model("joint"), moving_dots(batch, length), batch) for length in lengths]
    seconds = turns(trainers, repeats)
    rows = []
    for length, found in zip(lengths, seconds, strict=True):
        ratios = [own / length / (first / lengths[0]) for own, first in zip(found, seconds[0], strict=True)]
        row = {"length": length, "batch": batch, "ms": 1e3 * median(found)}
        rows.append({**row, "us_per_frame": 1e6 * median(found) / (batch * length), "per_frame_ratio": median(ratios)})
    return rows


def frame_rows(frames: Sequence[int] = FRAMES, batch: int = 50, repeats: int = 15) -> list[dict[str, Any]]:
    """A step's time on data of each number of ``frames``, and as a multiple of that on the fewest."""
    data = random_sequences(max(frames) // LENGTH)
    trainers = []
    for count in frames:
        # The coordinates that a trainer of its own would read off so many pictures are no part of a step.
        one = make_trainer(make_model("joint"), data[: min(frames) // LENGTH], batch)
        one.penalties, one.data = (), data[: count // LENGTH]
        trainers.append(one)
    seconds = turns(trainers, repeats)
    rows = []
    for count, found in zip(frames, seconds, strict=True):
        ratios = [own / first for own, first in zip(found, seconds[0], strict=True)]
        rows.append({"frames": count, "batch": batch, "ms": 1e3 * median(found), "ratio": median(ratios)})
    return rows


def memory_rows(frames: Sequence[int] = FRAMES[:-1]) -> list[dict[str, Any]]:
    """The largest memory of a process that trains on each number of ``frames``, in megabytes; none where unknown."""
    if anonymous_memory() is None:
        return []
    rows = []
    with TemporaryDirectory() as place:
        for count in frames:
            command = [sys.executable, "-m", "benchmarks.scale", place, str(count)]
            said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
            before, peak = map(float, said)
            rows.append({"frames": count, "pictures_mb": count * np.prod(SHAPE) / 2**20, "before_mb": before})
            rows[-1]["peak_mb"] = peak
    return rows


def scan_rows(length: int = 1000, batch: int = BATCH, repeats: int = 3, device: str = "cpu") -> list[dict[str, Any]]:
    """Loops over time against scans: a filter and smoother with given matrices, its gradient, and the extended one.

    The ratio is loop / scan, below one where the loop is faster; in processor time, or wall time on a GPU.
    """
    model = make_model("joint").to(device)
    data = moving_dots(batch, length).to(device)
    positions = model.encode(data.observations).mean.detach().double()
    scan = backend_named("parallel")
    loops = [name for name in ("reference", "numba") if is_installed(name) and (name != "numba" or device == "cpu")]
    weights = backend_named("reference").mixture(model.dynamics)
    controls = weights.scaled(data.actions)
    emission = Emission(model.projection, model.emission_variance().diag().detach())
    with torch.no_grad():
        run = backend_named("reference").filter(model.filter_prior(1), positions, controls, emission, weights)
        dynamics = torch.cat((run.transitions, torch.zeros_like(run.transitions[..., :1])), -1)
        noises = run.noises.diagonal(dim1=-2, dim2=-1)
    prior = Belief(*(one.detach() for one in model.filter_prior(1)))

    def given(backend: Backend, gradient: bool) -> None:
        with torch.set_grad_enabled(gradient):
            seen = positions.requires_grad_(gradient)
            found = backend.filter_linear(prior, seen, controls, emission.matrix, emission.noise, dynamics, noises)
            smoothed = backend.smooth(found)
            if gradient:
                torch.autograd.grad(smoothed.mean.sum(), seen)
        _finish(device)

    def extended(backend: Backend, gradient: bool) -> None:
        with torch.no_grad():
            mixed = backend.mixture(model.dynamics)
            backend.smooth(backend.filter(prior, positions, controls, emission, mixed))
        _finish(device)

    rows = []
    work: dict[str, tuple[Callable[[Backend, bool], None], bool]] = {
        "matrices given": (given, False),
        "with its gradient": (given, True),
        "linearised in turn": (extended, False),
    }
    clock = time.process_time if device == "cpu" else time.perf_counter
    for (name, (function, gradient)), loop in product(work.items(), loops):
        before, after = (partial(function, backend, gradient) for backend in (backend_named(loop), scan))
        with one_thread():
            found = compare(before, after, repeats, 1, clock).summary()
        times = {"loop_ms": 1e3 * found["yardstick_seconds"], "scan_ms": 1e3 * found["subject_seconds"]}
        rows.append({"work": name, "loop": loop, "length": length, "batch": batch, "ratio": found["ratio"], **times})
    return rows


def _finish(device: str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def measured(quick: bool) -> dict[str, list[dict[str, Any]]]:
    """All rows; ``quick`` only shows that they can be measured."""
    return {
        "length": length_rows(LENGTHS[:2], repeats=2) if quick else length_rows(),
        "frames": frame_rows(FRAMES[:2], batch=4, repeats=2) if quick else frame_rows(),
        "memory": memory_rows(FRAMES[:1] if quick else FRAMES[:3]),
        "scan": scan_rows(20, 2, 2) if quick else scan_rows(),
    }


def table(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """What is printed of :func:`measured`."""
    lines = ["", f"{'step of ' + str(BATCH) + ' sequences':<38}{'per frame':>20}{'a frame':>12}{'a step':>12}"]
    for row in rows["length"]:
        name, own = f"T = {row['length']}", f"{row['us_per_frame']:>9.1f} us{row['ms']:>9.1f} ms"
        lines.append(f"{name:<38}{row['per_frame_ratio']:>20.2f}{own}")
    lines += ["", f"{'step on so many frames':<38}{'of the first':>20}{'a step':>12}"]
    lines += [f"{row['frames']:<38,}{row['ratio']:>20.2f}{row['ms']:>9.1f} ms" for row in rows["frames"]]
    lines += ["", f"{'memory of a training':<38}{'pictures':>20}{'before':>12}{'at most':>12}"]
    for row in rows["memory"]:
        memory = f"{row['before_mb']:>9.0f} MB{row['peak_mb']:>9.0f} MB"
        lines.append(f"{format(row['frames'], ',') + ' frames':<38}{row['pictures_mb']:>17.1f} MB{memory}")
    lines += ["", f"{'filter and smoother by scans':<38}{'ratio':>20}{'loop':>12}{'scan':>12}"]
    for row in rows["scan"]:
        name = f"{row['work']}; {row['loop']}"
        lines.append(f"{name:<38}{row['ratio']:>20.2f}{row['loop_ms']:>9.1f} ms{row['scan_ms']:>9.1f} ms")
    return "\n".join(lines)


def anonymous_memory() -> float | None:
    """What only this process has in memory, in megabytes; None where the system does not say."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")), None)


def moving_dots(count: int, length: int = LENGTH, seed: int = 0) -> Sequences:
    """``count`` sequences of a soft dot that moves a little, so that there are coordinates to read, and soon."""
    generator = torch.Generator().manual_seed(seed)
    height, width, _ = SHAPE
    start = 0.3 + 0.4 * torch.rand(count, 1, 2, generator=generator)
    place = (start + 0.02 * torch.randn(count, length, 2, generator=generator).cumsum(1)).clamp(0.3, 0.7)
    rows, columns = torch.arange(height) / height, torch.arange(width) / width
    far = (rows[:, None] - place[..., :1, None]) ** 2 + (columns - place[..., 1:, None]) ** 2
    pictures = (255 * (-far / 0.04).exp()).to(torch.uint8).unsqueeze(-1)
    return Sequences(pictures, torch.zeros(count, length - 1, 1))


def measure_memory(place: Path, frames: int) -> tuple[float, float]:
    """Megabytes before the data is opened, and the most from there to the end of some gradient steps."""
    dots = moving_dots(500)
    count = frames // LENGTH
    pairs = ((dots.observations[n % 500].numpy(), dots.actions[n % 500].numpy()) for n in range(count))
    split = place / f"frames-{frames}"
    split.mkdir()
    write_mapped(split, pairs, count)
    last = (dots.observations[(count - 1) % 500].numpy(), dots.actions[(count - 1) % 500].numpy())
    # What a first step loads and compiles is not the data's.
    small = make_trainer(make_model("joint"), dots, 50)
    small.advance()
    before = peak = anonymous_memory() or 0.0
    done = False

    def watch() -> None:
        nonlocal peak
        while not done:
            peak = max(peak, anonymous_memory() or 0.0)
            time.sleep(SAMPLED_EVERY)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        mapped = open_mapped(split, last, count)
        assert mapped is not None
        trainer = make_trainer(make_model("joint"), Sequences(*mapped), 50)
        for _ in range(10):
            trainer.advance()
    finally:
        done = True
        watching.join()
    return before, peak


if __name__ == "__main__":
    print(*measure_memory(Path(sys.argv[1]), int(sys.argv[2])))
