"""Bring every chain of the suite to its end: several at a time, each step in a process of its own."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType

from tqdm import tqdm

from latentrl.studies.cells import reason
from latentrl.studies.launchers.base import Ending, Job, Plan, RunsJobs
from latentrl.studies.launchers.local import run_jobs
from latentrl.studies.lock import beside_others, exclusive
from latentrl.studies.progress import TICK_SECONDS, in_words, remaining_seconds, seconds_left
from latentrl.studies.suite.chain import Chain, lacking
from latentrl.studies.suite.commands import Step
from latentrl.support.errors import UserError

MINUTES: dict[str, float] = {"record": 0.5, "collect": 4, "import": 0.5, "train": 15, "learn": 1.5, "evaluate": 2}
"""Of a step on one core, where neither a finished one nor its system tells."""


def run_suite(
    chains: Sequence[Chain],
    out: Path,
    workers: int,
    retry: bool = False,
    who: str = "suite",
    runs_jobs: RunsJobs = run_jobs,
    alone: bool = True,
) -> None:
    """Do what is left to do of every chain, ``workers`` of them at a time; a step that fails stops what needs it alone.

    Args:
        chains: in turn.
        out: the suite's folder.
        workers: processes at a time.
        retry: do failed steps once more.
        who: asks for them, for people.
        runs_jobs: says where.
        alone: nobody else is at work on any chain in ``out`` meanwhile, else on none of these.

    Raises:
        UserError: a folder that holds something else, another one at work in ``out``.
        KeyboardInterrupt: on Ctrl-C, after every process has saved its state.
    """
    with exclusive(out, who) if alone else beside_others(out, who, [one.folder for one in chains]) as held:
        able = [chain for chain in chains if lacking(chain.system) is None]
        for chain in able:
            chain.check()
            if retry:
                chain.forget_failures()
        runner = _Runner(able, workers)
        try:
            runs_jobs(runner.first_jobs(), workers, runner.started, runner.ended, runner.tick, held)
        finally:
            runner.bar.close()


def plan_of(
    chains: Sequence[Chain],
    out: Path,
    workers: int | None,
    retry: bool,
    run: Callable[[RunsJobs, int], object],
    line: Callable[[Chain], str],
    report: str,
) -> Plan:
    """What a launcher needs to know of chains: each is a command, which does its steps in turn.

    Args:
        chains: see :func:`run_suite`; so are ``out`` and ``retry``.
        out: see there.
        workers: at a time; None: the launcher's own number.
        retry: see there.
        run: does all of them.
        line: the command that does one of them, and goes on with it.
        report: the command that tells what came of them.
    """
    todo = []
    for chain in chains:
        if lacking(chain.system) is None:
            chain.check()
            if chain.open_steps() or (retry and "failed" in chain.states().values()):
                todo.append(chain)
    return Plan(out, workers, run, None, tuple(map(line, todo)), report)


def left_of(chains: Sequence[Chain], workers: int, running: Mapping[str, float] = MappingProxyType({})) -> float:
    """Seconds until all of ``chains`` are done.

    Args:
        chains: those that are asked for.
        workers: processes at a time.
        running: seconds that a step has taken in its present try, by its job's name.
    """
    measured = measured_seconds(chains)
    remaining = []
    for chain in chains:
        spent = chain.seconds()
        left = (
            remaining_seconds(
                expected(chain, step, measured), spent[step.name] + running.get(job_name(chain, step), 0.0)
            )
            for step in chain.open_steps()
        )
        remaining.append(sum(left))
    return seconds_left(remaining, workers)


def told_left(chains: Sequence[Chain], workers: int, running: Mapping[str, float] = MappingProxyType({})) -> str:
    """``; about 12 min left``; nothing of quick passes: what is known of a step's time is that of a whole one."""
    if any(chain.quick for chain in chains):
        return ""
    return f"; about {in_words(left_of(chains, workers, running))} left"


def measured_seconds(chains: Sequence[Chain]) -> dict[tuple[str, str], list[float]]:
    """What finished steps took, by system and verb."""
    found: dict[tuple[str, str], list[float]] = {}
    for chain in chains:
        states, spent = chain.states(), chain.seconds()
        for step in chain.steps:
            if states[step.name] == "finished":
                found.setdefault((chain.system.name, step.verb), []).append(spent[step.name])
    return found


def expected(chain: Chain, step: Step, measured: Mapping[tuple[str, str], Sequence[float]]) -> float:
    """Seconds that a step takes: as in the system's finished seeds, else as its system says."""
    alike = measured.get((chain.system.name, step.verb))
    if alike:
        return sum(alike) / len(alike)
    return 60 * chain.system.minutes.get(step.verb, MINUTES[step.verb])


def job_name(chain: Chain, step: Step) -> str:
    """``SYSTEM/seedK: STEP``."""
    return f"{chain.name}: {step.name}"


class _Runner:
    """Jobs of chains, each followed by the next of its chain."""

    def __init__(self, chains: Sequence[Chain], workers: int) -> None:
        self.chains, self.workers = chains, workers
        self.at: dict[str, tuple[Chain, Step]] = {}
        self.ticked = 0.0
        total, left = (sum(len(steps) for steps in counted) for counted in self._counts())
        self.bar = tqdm(
            total=total,
            initial=total - left,
            bar_format="{n_fmt}/{total_fmt} steps |{bar}| {elapsed}{postfix}",
            dynamic_ncols=True,
            disable=None,
        )

    def _counts(self) -> tuple[list[tuple[Step, ...]], list[tuple[Step, ...]]]:
        return [chain.steps for chain in self.chains], [chain.open_steps() for chain in self.chains]

    def first_jobs(self) -> list[Job]:
        """The first open step of every chain."""
        jobs = (self._next(chain) for chain in self.chains)
        return [job for job in jobs if job is not None]

    def _next(self, chain: Chain) -> Job | None:
        step = chain.next_step()
        return None if step is None else self._job(chain, step)

    def _job(self, chain: Chain, step: Step) -> Job:
        name = job_name(chain, step)
        self.at[name] = chain, step
        again = partial(self._job, chain, step)
        return Job(name, (sys.executable, *chain.command(step)), chain.log(step), again)

    def started(self, job: Job) -> None:
        chain, step = self.at[job.name]
        chain.prepare(step)
        chain.note(step, "running", None, chain.seconds()[step.name])

    def ended(self, job: Job, ending: Ending) -> Job | None:
        chain, step = self.at[job.name]
        seconds = chain.seconds()[step.name] + ending.seconds
        if ending.interrupted:
            chain.note(step, "interrupted", "stopped; the next call goes on with it", seconds)
            return None
        why = self._settled(chain, step) if ending.code == 0 else reason(job.log, ending.log_offset, ending.code)
        chain.note(step, "finished" if why is None else "failed", why, seconds)
        self._tell(chain, step, why, ending)
        return self._next(chain)

    def _settled(self, chain: Chain, step: Step) -> str | None:
        """Put away what a step that ended well has made; else why it has not."""
        try:
            chain.settle(step)
        except UserError as error:
            return str(error)
        return None if chain.place.has(step) else f"{chain.place.product(step)} is not there"

    def _tell(self, chain: Chain, step: Step, why: str | None, ending: Ending) -> None:
        left = sum(len(steps) for steps in self._counts()[1])
        self.bar.n = (self.bar.total or 0) - left
        self.bar.refresh()
        said = f"finished in {in_words(ending.seconds)}" if why is None else f"FAILED: {why} ({chain.log(step)})"
        after = told_left(self.chains, self.workers) if left else ""
        tqdm.write(f"{job_name(chain, step)} {said}{after}")

    def tick(self, running: Mapping[str, float]) -> None:
        """Renew the display; ``running`` has the seconds of each present try, by name."""
        if not self.bar.disable and time.monotonic() - self.ticked > TICK_SECONDS:
            self.ticked = time.monotonic()
            self.bar.set_postfix_str(f"{', '.join(running)}{told_left(self.chains, self.workers, running)}")
