"""From data to a score in every system of a suite: collect, train, learn, evaluate, several seeds, one table."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from latentrl.clusters.where import LOCAL, where
from latentrl.studies.launchers import LAUNCHERS, launched
from latentrl.studies.launchers.base import RunsJobs
from latentrl.studies.single import single_runs
from latentrl.studies.suite.chain import Chain
from latentrl.studies.suite.outcome import outcome_of
from latentrl.studies.suite.page import page
from latentrl.studies.suite.report import failures, others_of, show, told_states, write_pages
from latentrl.studies.suite.running import plan_of, run_suite
from latentrl.studies.systems import SYSTEMS
from latentrl.studies.systems.base import System
from latentrl.support.commands import command
from latentrl.support.errors import FAILED, UserError, reported
from latentrl.support.options import check_one_or_more, default_hint, given_words

NAME = "systems"
"""Of the page and of its figures."""
QUICK_SEEDS = 1


@dataclass(frozen=True)
class SuiteOptions:
    """From data to a score in every system: collect, train, learn a policy, evaluate; several seeds, one table.

    Call it again to go on after an interruption: no finished step is repeated.
    """

    out: Annotated[Path | None, default_hint("runs/suite; runs/suite-quick", "FOLDER")] = None
    """The folder for everything."""
    only: Annotated[
        tuple[str, ...],
        tyro.conf.arg(
            metavar="NAME [NAME ...]",
            help=f"Some systems alone, of: {', '.join(SYSTEMS)}. NAME/seedK is one seed of one: other processes may do "
            "others of the folder meanwhile, and no table is written.",
        ),
    ] = ()
    seeds: Annotated[int | None, default_hint("each system's: 3 where a target stands, else 1", "INT")] = None
    """Of data, training, policy and episodes: 0, 1, ..."""
    jobs: Annotated[int | None, default_hint("1; on a cluster as many as it has cores", "INT")] = None
    """Processes at a time, each on one core."""
    on: Annotated[str, tyro.conf.arg(metavar="{local,ray,ray://HOST:PORT,slurm}")] = LOCAL
    """Where: on this machine; on a cluster of Ray (pip install 'latentrl[ray]'); slurm: write scripts for sbatch."""
    list: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print every command that is left, and about how long they take; do nothing."""
    quick: tyro.conf.FlagCreatePairsOff[bool] = False
    """Everything as small as it can be, one seed: to see that it goes through. No result."""
    report: tyro.conf.FlagCreatePairsOff[bool] = False
    """Do nothing: write the table of what is there."""
    retry_failed: tyro.conf.FlagCreatePairsOff[bool] = False
    """Do failed steps once more; else they stay failed."""
    publish: Annotated[Path | None, default_hint("nowhere", "FOLDER")] = None
    """Write systems.md and systems.json into FOLDER as well; systems that were not run keep what is there."""

    @property
    def folder(self) -> Path:
        """The folder for everything."""
        return self.out or Path("runs") / ("suite-quick" if self.quick else "suite")


def suite(options: SuiteOptions) -> dict[str, Any] | None:
    """Do what is not done, then write the table; None for a list.

    Returns:
        The figures, see `latentrl.studies.suite.outcome.outcome_of`.

    Raises:
        UserError: bad options, a folder that holds something else.
    """
    chains = chains_of(options)
    if options.list:
        show(chains, options.folder, options.jobs or 1)
        return None
    single = bool(single_runs(options.only, "--only"))
    if not options.report:
        if not _launch(chains, options, not single):
            return None
        if single:
            for told in told_states(chains):
                print(told)
            return outcome_of(chains, options.quick)
    # What other calls have made is in the table too.
    others = others_of(SYSTEMS.values(), chains, options.folder, options.quick)
    found = outcome_of([*chains, *others], options.quick)
    publish = () if options.publish is None else ("--publish", options.publish)
    line = command("suite", *(("--quick",) if options.quick else ()), *publish)
    write_pages(NAME, found, lambda figures: page(SYSTEMS, figures, line), options.folder, options.publish)
    return found


def _launch(chains: Sequence[Chain], options: SuiteOptions, alone: bool) -> bool:
    """Whether all is done now."""

    def run(runs_jobs: RunsJobs, workers: int) -> None:
        run_suite(chains, options.folder, workers, options.retry_failed, runs_jobs=runs_jobs, alone=alone)

    def line(chain: Chain) -> str:
        return _line(replace(options, only=(chain.name,), publish=None))

    report = _line(replace(options, retry_failed=False), "--report")
    plan = plan_of(chains, options.folder, options.jobs, options.retry_failed, run, line, report)
    return launched(options.on, plan)


def _line(options: SuiteOptions, *words: str) -> str:
    """A command with the same options, but for those that say where and how much at a time."""
    return command("suite", *given_words(options, ("jobs", "on", "list", "report")), *words)


def chains_of(options: SuiteOptions) -> list[Chain]:
    """What the options ask for, seed by seed, so that whole tables are finished early.

    Raises:
        UserError: names the flag.
    """
    check_one_or_more(seeds=options.seeds, jobs=options.jobs)
    where(options.on, tuple(LAUNCHERS))
    single = single_runs(options.only, "--only", options.seeds)
    names = [name for name, _ in single] or options.only
    unknown = [name for name in names if name not in SYSTEMS]
    if unknown:
        raise UserError(f"--only {unknown[0]}: there is no such system; there are {', '.join(SYSTEMS)}")
    if options.quick and options.publish is not None:
        raise UserError("--publish: what --quick makes is no result; leave one of the two out")
    if single:
        return [Chain.of(SYSTEMS[name], seed, options.folder, options.quick) for name, seed in single]
    chosen = [SYSTEMS[name] for name in options.only or SYSTEMS]
    pairs = [(seed, system) for system in chosen for seed in range(_seeds(system, options))]
    return [Chain.of(system, seed, options.folder, options.quick) for seed, system in sorted(pairs, key=lambda p: p[0])]


def _seeds(system: System, options: SuiteOptions) -> int:
    return options.seeds or (QUICK_SEEDS if options.quick else system.seeds)


def main(argv: Sequence[str] | None = None) -> None:
    """``latentrl suite``; exits with 3 where a step failed, once all is written."""
    with reported():
        options = tyro.cli(SuiteOptions, args=argv, prog="latentrl suite")
        try:
            found = suite(options)
        except KeyboardInterrupt:
            print("\ninterrupted; every step has saved its state. The same command goes on.", file=sys.stderr)
            raise SystemExit(130) from None
        failed = failures(found) if found else []
        for line in failed:
            print(line)
        if failed:
            print("next: look at their logs beside the run folders; --retry-failed does them once more")
            raise SystemExit(FAILED)


if __name__ == "__main__":
    main()
