"""Collect what data is missing, train what is not finished."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import gymnasium

from latentrl.data_collection.storage import METADATA
from latentrl.envs import register
from latentrl.runs.folder import SETTINGS
from latentrl.studies import measuring
from latentrl.studies.cells import Cell, State, command, printed, reason
from latentrl.studies.definition import Study
from latentrl.studies.launchers.base import Ending, Job, RunsJobs
from latentrl.studies.launchers.local import run_jobs
from latentrl.studies.lock import beside_others, exclusive
from latentrl.studies.progress import Progress, in_words
from latentrl.support.errors import UserError

FolderArguments = dict[Path, tuple[str, ...]]


def missing_data(study: Study, cells: Sequence[Cell]) -> FolderArguments:
    """The data folders that are not there, with the arguments of the study's collector that make them.

    Args:
        study: says how.
        cells: the runs that need them.

    Raises:
        UserError: data is missing and cannot be collected.
    """
    register()
    without = [cell for cell in cells if not (cell.data / METADATA).is_file()]
    missing = {cell.data: cell.seed for cell in without}
    if without and not without[0].collected:
        raise UserError(
            f"--data-dir: there is no data in {without[0].data}; give a data folder made by `latentrl collect`, "
            "or a folder that holds one for each seed: seed0, seed1, ..."
        )
    if missing and not study.collect:
        raise UserError(f"the study {study.name} does not say how to collect data: give yours with --data-dir")
    if missing and study.environment is not None and study.environment not in gymnasium.registry:
        raise UserError(
            f"the study {study.name} needs data of {study.environment}, an environment that this version of latentrl "
            "does not have: record it elsewhere and give its folder with --data-dir"
        )
    return {
        folder: (*study.collect, "--out", str(folder), "--seed", str(seed)) for folder, seed in sorted(missing.items())
    }


def forget_failures(cells: Sequence[Cell]) -> None:
    """Remove what failed runs have left, but for their logs, so that they are trained afresh."""
    for cell in cells:
        if cell.state() == "failed":
            shutil.rmtree(cell.folder, ignore_errors=True)
            cell.record_path.unlink()


def run_study(
    study: Study,
    out: Path,
    cells: Sequence[Cell],
    workers: int,
    retry: bool = False,
    runs_jobs: RunsJobs = run_jobs,
    alone: bool = True,
    train: bool = True,
) -> None:
    """Bring every cell to its end, in ``workers`` processes; what is finished, or has failed, stays as it is.

    Args:
        study: says how.
        out: the study's folder.
        cells: what to train.
        workers: processes at a time.
        retry: train failed runs afresh.
        runs_jobs: says where.
        alone: nobody else is at work on any run of the study meanwhile, else on none of these.
        train: else the data that is missing is collected, and no more.

    Raises:
        UserError: cells that hold something else, missing data, another study at work in ``out``.
        KeyboardInterrupt: on Ctrl-C, after every process has saved its state.
    """
    with exclusive(out, "study") if alone else beside_others(out, "study", [one.folder for one in cells]) as held:
        for cell in cells:
            cell.check()
            cell.settle()
        if retry:
            forget_failures(cells)
        todo = [cell for cell in cells if cell.open]
        if todo:
            _collect(study.collector, missing_data(study, todo), out, held, runs_jobs)
        if todo and train:
            progress = Progress(cells, study.minutes, workers)
            try:
                _train(todo, workers, progress, held, runs_jobs)
            finally:
                progress.close()
        if train:
            _measure(study, cells, workers, held, runs_jobs)


def unmeasured(study: Study, cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """Finished runs that the study's measurement has not seen."""
    name = study.measurement
    return () if name is None else tuple(c for c in cells if c.finished and not measuring.is_measured(c.folder, name))


def measuring_arguments(study: Study, cell: Cell) -> tuple[str, ...]:
    """Of `latentrl.studies.measuring`, for a run of a study that measures."""
    assert study.measurement is not None
    return measuring.arguments(study.measurement, cell.folder, cell.data)


def _measure(study: Study, cells: Sequence[Cell], workers: int, held: Sequence[int], runs_jobs: RunsJobs) -> None:
    """Measure what is trained; what cannot be measured is told once all others are, and tried again next time.

    Raises:
        UserError: names the first, with its log.
    """
    jobs = [
        Job(cell.name, command(measuring.MODULE, measuring_arguments(study, cell)), measuring_log(cell))
        for cell in unmeasured(study, cells)
    ]
    failed = list[str]()

    def ended(job: Job, ending: Ending) -> None:
        if ending.code == 0:
            print(f"{job.name} measured in {in_words(ending.seconds)}", flush=True)
        elif not ending.interrupted:
            failed.append(f"measuring {job.name} failed: {reason(job.log, ending.log_offset, ending.code)}; {job.log}")

    if jobs:
        runs_jobs(jobs, workers, on_end=ended, inherited=held)
    if failed:
        raise UserError(f"{'; '.join(failed)} (--report reports without)")


def measuring_log(cell: Cell) -> Path:
    """What the measuring of a run printed, all tries together."""
    return cell.log.with_name(f"{cell.folder.name}-measured.log")


def _collect(collector: str, missing: FolderArguments, out: Path, held: Sequence[int], runs_jobs: RunsJobs) -> None:
    jobs = []
    for folder, arguments in missing.items():
        print(f"$ {printed(collector, arguments)}", flush=True)
        jobs.append(Job(str(folder), command(collector, arguments), out / "collect.log"))

    def ended(job: Job, ending: Ending) -> None:
        if ending.code and not ending.stopped:
            raise UserError(f"collecting {job.name} failed: {reason(job.log, ending.log_offset, ending.code)}")

    if jobs:
        runs_jobs(jobs, 1, on_end=ended, inherited=held)


def _job(cell: Cell) -> Job:
    """What begins with a run, or goes on with it."""
    if cell.folder.is_dir() and not (cell.folder / SETTINGS).is_file():
        shutil.rmtree(cell.folder)  # it ended before there was anything to go on with
    words = command("latentrl.train", cell.next_arguments())
    return Job(cell.name, words, cell.log, lambda: _job(cell), cell.gpus)


def _train(cells: Sequence[Cell], workers: int, progress: Progress, held: Sequence[int], runs_jobs: RunsJobs) -> None:
    by_name = {cell.name: cell for cell in cells}
    jobs = [_job(cell) for cell in cells]

    def started(job: Job) -> None:
        cell = by_name[job.name]
        cell.folder.parent.mkdir(parents=True, exist_ok=True)
        cell.save_record("running", None, cell.spent)

    def ended(job: Job, ending: Ending) -> None:
        cell = by_name[job.name]
        seconds = cell.spent + ending.seconds
        state, why = outcome(cell, ending)
        cell.save_record(state, why, seconds)
        progress.ended(cell, f"finished in {in_words(seconds)}" if why is None else f"{state}: {why}")

    runs_jobs(jobs, workers, started, ended, progress.tick, held)


def outcome(cell: Cell, ending: Ending) -> tuple[State, str | None]:
    """The state that a try has left a cell in, and why if it is not finished."""
    if ending.code == 0 and cell.finished:
        return "finished", None
    if ending.interrupted:
        return "interrupted", "stopped; the next call of the study goes on with it"
    return "failed", reason(cell.log, ending.log_offset, ending.code)
