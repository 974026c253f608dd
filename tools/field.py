"""A year in the field: an agent that filters without end, through lost frames, blinding and knocks.

    python tools/field.py --steps 10000000 --single 1000000

The agent of one trained run acts in pendulums that nobody resets, so that its belief is one recursion from the first
step to the last. On the way frames get lost, one by one and in gaps; some arrive all white or all black; now and then
a pendulum is knocked into another state; and each belief is rounded to float32 before it is handed on. Told are:

- one loop with one pendulum, ``--single`` steps: how long each action takes, median, 99% and 99.9%;
- as many pendulums at once as ``--parallel`` says, until there are ``--steps`` filter steps in all;
- of both: whether a belief was not finite or not positive definite, how well the filter knows the angle in each tenth
  of the time, and how much memory the process had.

Without ``--run`` a small model is trained first. It ends with 1 if a belief was bad, memory grew, or the last tenth is
known worse than the second.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentrl.agents.latent import LatentAgent
from latentrl.envs.pendulum.batch import PendulumBatch, PendulumSettings
from latentrl.evaluation.loading import load_agent
from latentrl.types import Belief, Filter

LOST, GAP, LONGEST = 0.1, 0.002, 100
"""Share of single frames that are lost; chance that a gap begins at a step, and its longest length."""
BLIND = 0.001
"""Share of frames that arrive all white or all black."""
KNOCK = 0.005
"""Chance at each step that a pendulum is somewhere else at the next one."""
TENTHS = 10
GROWTH = 8.0
"""MiB that memory may grow by after the first tenth."""
WORSE = 0.02
"""By which the last tenth's share of explained variance may be below the second's, the first full of knocks."""


class Float32:
    """A filter whose beliefs are handed on as float32, as an embedded loop keeps them; the recursion is in float64."""

    def __init__(self, model: Filter) -> None:
        self.model = model
        self.spec: Any = getattr(model, "spec", None)

    def initial_belief(self, observation: Tensor) -> Belief:
        """The first belief, rounded."""
        return _rounded(self.model.initial_belief(observation))

    def filter(self, belief: Belief, action: Tensor, observation: Tensor | None) -> Belief:
        """The next belief, rounded."""
        return _rounded(self.model.filter(belief, action, observation))


def _rounded(belief: Belief) -> Belief:
    return Belief(belief.mean.float(), belief.covariance.float())


class Field:
    """``count`` pendulums, their cameras, and what happens to both.

    Args:
        count: of pendulums.
        seed: of everything that is drawn.
    """

    def __init__(self, count: int, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.pendulums = PendulumBatch(count, PendulumSettings())
        self.pendulums.reset(self.rng)
        self.count, self._gaps = count, np.zeros(count, dtype=np.int64)

    def see(self, first: bool = False) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Frames ``[N, 16, 16, 1]`` and which of them arrived ``[N]``: all, where they are the ``first``."""
        frames, rng = self.pendulums.photograph(self.rng)[0], self.rng
        blind = rng.random(self.count) < BLIND
        if blind.any():
            frames[blind] = rng.choice(np.array([0, 255], np.uint8), (int(blind.sum()), 1, 1, 1))
        begins = rng.random(self.count) < GAP
        self._gaps = np.where(begins, rng.integers(1, LONGEST + 1, self.count), np.maximum(self._gaps - 1, 0))
        seen = (self._gaps == 0) & (rng.random(self.count) >= LOST)
        return frames, seen | first

    def move(self, actions: NDArray[np.float32]) -> None:
        """Apply the actions ``[N, 1]``; some pendulums are knocked."""
        self.pendulums.advance(actions)
        knocked = self.rng.random(self.count) < KNOCK
        if knocked.any():
            self.pendulums.reset(self.rng, which=knocked)


@dataclass
class Told:
    """What was seen of one loop.

    Attributes:
        pendulums, steps: filter steps are their product.
        lost, seconds: frames that did not arrive; how long it took.
        bad: beliefs that are not finite or not positive definite.
        known: share of the variance of (cos, sin) of the angle that a linear map of the mean tells, each tenth.
        memory: MiB of the process at the end of each tenth.
        latency: of an action in ms: median, 99%, 99.9% and longest.
    """

    pendulums: int
    steps: int
    lost: int
    seconds: float
    bad: int
    known: list[float]
    memory: list[float]
    latency: dict[str, float]

    @property
    def problems(self) -> list[str]:
        """What should not be."""
        found = [] if not self.bad else [f"{self.bad} beliefs are not finite or not positive definite"]
        if self.memory[-1] - self.memory[0] > GROWTH:
            found.append(f"memory grew from {self.memory[0]:.0f} to {self.memory[-1]:.0f} MiB")
        if not self.known[-1] > self.known[1] - WORSE:
            found.append(f"the angle is known to {self.known[-1]:.3f}, in the second tenth to {self.known[1]:.3f}")
        return found

    def __str__(self) -> str:
        times = ", ".join(f"{name} {value:.2f}" for name, value in self.latency.items())
        return (
            f"{self.pendulums} pendulum(s), {self.steps} steps each, {self.pendulums * self.steps} filter steps "
            f"({self.lost / self.pendulums / self.steps:.1%} of the frames lost), {self.seconds:.0f} s\n"
            f"  bad beliefs {self.bad}\n"
            f"  angle known, by tenths: {' '.join(f'{value:.3f}' for value in self.known)}\n"
            f"  memory in MiB, by tenths: {' '.join(f'{value:.1f}' for value in self.memory)}\n"
            f"  one action in ms: {times}"
        )


class Knowledge:
    """How well the angle is a linear map of the belief's mean; sums alone are kept."""

    def __init__(self, size: int) -> None:
        self.inputs, self.both, self.outputs = (np.zeros(shape) for shape in ((size, size), (size, 2), (2, 2)))
        self.total, self.count = np.zeros(2), 0

    def add(self, means: NDArray[np.float64], angle: NDArray[np.float64]) -> None:
        """Means ``[N, Dz]`` and angles ``[N]``."""
        ones = np.concatenate([means, np.ones((len(means), 1))], 1)
        told = np.stack([np.cos(angle), np.sin(angle)], 1)
        self.inputs += ones.T @ ones
        self.both += ones.T @ told
        self.outputs += told.T @ told
        self.total += told.sum(0)
        self.count += len(means)

    @property
    def share(self) -> float:
        """Of the variance that is explained; NaN of nothing."""
        if not self.count:
            return math.nan
        explained = np.trace(self.both.T @ np.linalg.lstsq(self.inputs, self.both, rcond=None)[0])
        spread = np.trace(self.outputs) - self.total @ self.total / self.count
        return float(1 - (np.trace(self.outputs) - explained) / spread)


def lived(agent: LatentAgent, count: int, steps: int, seed: int) -> Told:
    """Let an agent act in ``count`` pendulums for ``steps`` steps, its belief never begun anew."""
    field = Field(count, seed)
    agent.reset(seed)
    # Touched now, so that it counts as memory from the beginning.
    seconds = np.full(steps, np.inf, dtype=np.float32)
    lost = bad = 0
    known: list[float] = []
    memory: list[float] = []
    ends = [steps * (tenth + 1) // TENTHS for tenth in range(TENTHS)]
    knowledge: Knowledge | None = None
    began = time.monotonic()
    for step in range(steps):
        frames, seen = field.see(first=step == 0)
        lost += count - int(seen.sum())
        start = time.perf_counter()
        actions = agent.act(frames, seen)
        seconds[step] = time.perf_counter() - start
        belief = agent.belief
        bad += _bad(belief)
        if knowledge is None:
            knowledge = Knowledge(belief.mean.shape[1] + 1)
        knowledge.add(belief.mean.double().numpy(), field.pendulums.angle)
        field.move(actions)
        if step + 1 == ends[len(known)]:
            known.append(knowledge.share)
            memory.append(resident())
            knowledge = Knowledge(belief.mean.shape[1] + 1)
    names = {"median": 0.5, "99%": 0.99, "99.9%": 0.999, "longest": 1.0}
    latency = {name: 1e3 * float(np.quantile(seconds, share)) for name, share in names.items()}
    return Told(count, steps, lost, time.monotonic() - began, bad, known, memory, latency)


def _bad(belief: Belief) -> int:
    """How many of the beliefs are not finite or, in float64, not positive definite."""
    failed = torch.linalg.cholesky_ex(belief.covariance.double()).info != 0
    finite = belief.mean.isfinite().all(1) & belief.covariance.isfinite().all(2).all(1)
    return int((failed | ~finite).sum())


def resident() -> float:
    """Memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def small_run(folder: Path) -> Path:
    """A run of the pendulum, trained for minutes, with a policy."""
    from latentrl.__main__ import main as latentrl

    data, run = str(folder / "data"), str(folder / "run")
    latentrl(["collect", "--out", data, "--sequences", "500", "--test-sequences", "100"])
    latentrl(["train", "--data", data, "--run", run, "--steps", "300", "--device", "cpu", "--no-progress"])
    latentrl(["learn", "--run", run, "--updates", "60"])
    return folder / "run"


def main(argv: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="a run of the pendulum with a policy; else a small one is made")
    parser.add_argument("--steps", type=int, default=10_000_000, help="filter steps in all, in parallel")
    parser.add_argument("--single", type=int, default=1_000_000, help="steps of the loop with one pendulum")
    parser.add_argument("--parallel", type=int, default=250, help="pendulums at a time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    given = parser.parse_args(argv)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        run = given.run or small_run(Path(folder))
        loops = [(1, given.single), (given.parallel, -(-given.steps // given.parallel))]
        bad = False
        found = []
        for count, steps in loops:
            if steps < TENTHS:
                continue
            agent = load_agent(run, agent="policy")
            agent.model = Float32(agent.model)
            told = lived(agent, count, steps, given.seed)
            found.append({**asdict(told), "problems": told.problems})
            print(told, flush=True)
            for problem in told.problems:
                print(f"  WRONG: {problem}", flush=True)
            bad = bad or bool(told.problems)
    if given.out is not None:
        given.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return int(bad)


if __name__ == "__main__":
    raise SystemExit(main())
