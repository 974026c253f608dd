"""Train every row of a table with several seeds, and compare: the source's tables as one command."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from latentrl.clusters.where import LOCAL, where
from latentrl.studies import CONTESTS, STUDIES
from latentrl.studies.cells import STATES, Cell, cells_of, gpus_of, printed
from latentrl.studies.contests.definition import Contest
from latentrl.studies.contests.page import NO_RESULT, page, verdict
from latentrl.studies.contests.results import results_of
from latentrl.studies.definition import Study
from latentrl.studies.launchers import LAUNCHERS, launched
from latentrl.studies.launchers.base import Plan, RunsJobs
from latentrl.studies.measuring import MODULE
from latentrl.studies.own import read_study
from latentrl.studies.progress import in_words, left_of
from latentrl.studies.report import write_report
from latentrl.studies.results import Results
from latentrl.studies.running import measuring_arguments, missing_data, run_study, unmeasured
from latentrl.studies.single import single_runs
from latentrl.studies.suite.chain import Chain
from latentrl.studies.suite.outcome import outcome_of
from latentrl.studies.suite.report import failures, others_of, show, told_states, write_pages
from latentrl.studies.suite.running import plan_of, run_suite
from latentrl.support.commands import command
from latentrl.support.errors import FAILED, UserError, reported
from latentrl.support.options import check_one_or_more, default_hint, given_words, options_to_json

TITLES = {name: plan.title for plans in (STUDIES, CONTESTS) for name, plan in plans.items()}
WHICH = "; ".join(f"{name}: {title}" for name, title in TITLES.items()) + "; or a JSON file with your own rows"


@dataclass(frozen=True)
class StudyOptions:
    """Train every row of a table with several seeds and compare them.

    Call it again to go on after an interruption: no finished run is repeated.
    """

    study: Annotated[tyro.conf.Positional[str], tyro.conf.arg(help=WHICH, metavar="STUDY")]
    out: Annotated[Path | None, default_hint("runs/study-NAME", "FOLDER")] = None
    """The folder for everything."""
    seeds: int = 5
    """Runs of every row, each on data of its own."""
    jobs: Annotated[int | None, default_hint("1; on a cluster as many as it has cores", "INT")] = None
    """Processes at a time, each on one core."""
    on: Annotated[str, tyro.conf.arg(metavar="{local,ray,ray://HOST:PORT,slurm}")] = LOCAL
    """Where: on this machine; on a cluster of Ray (pip install 'latentrl[ray]'); slurm: write scripts for sbatch."""
    rows: Annotated[tuple[str, ...], default_hint("all", "ROW ...")] = ()
    """Names of the rows to train; --dry-run shows them. ROW/seedK is a single run: other processes may train others of
    the folder meanwhile, and no report is written."""
    figure_4_4: Annotated[tyro.conf.FlagCreatePairsOff[bool], tyro.conf.arg(name="figure-4.4")] = False
    """Train other annealing lengths than the tables' as well."""
    data_dir: Annotated[Path | None, default_hint("collected", "FOLDER")] = None
    """Your data: a data folder, or a folder with one for each seed: seed0, seed1, ..."""
    steps: Annotated[int | None, default_hint("the study's", "INT")] = None
    """Gradient steps of every run, for a quick look; the report is marked. Rows that train longer take as many times
    more. Where agents are judged, everything else is then as small as it can be: data, policies, episodes."""
    recipe: Literal["latentrl", "source"] = "latentrl"
    """How every row is trained, as in `latentrl train`."""
    device: Annotated[str, tyro.conf.arg(metavar="{auto,cpu,cuda,cuda:N}")] = "cpu"
    """Of every training, as in `latentrl train`."""
    publish: Annotated[Path | None, default_hint("nowhere", "FOLDER")] = None
    """Write tables, claims, figures and settings into FOLDER/NAME as well."""
    dry_run: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print the commands and about how long they take; do nothing."""
    data_only: tyro.conf.FlagCreatePairsOff[bool] = False
    """Collect the data that is missing; train nothing."""
    report: tyro.conf.FlagCreatePairsOff[bool] = False
    """Train nothing: report what is finished."""
    retry_failed: tyro.conf.FlagCreatePairsOff[bool] = False
    """Train failed runs afresh; else they stay failed."""


def study(options: StudyOptions) -> Results | None:
    """Train what is not finished, then write the report; None for a dry run.

    Raises:
        UserError: bad options, data that is not there, a folder that holds something else.
    """
    where(options.on, tuple(LAUNCHERS))
    if options.study in CONTESTS:
        return contest(CONTESTS[options.study], options)
    plan = STUDIES.get(options.study) or read_study(Path(options.study), (*STUDIES, *CONTESTS))
    steps = plan.steps if options.steps is None else options.steps
    check_one_or_more(seeds=options.seeds, jobs=options.jobs, steps=options.steps)
    out = options.out or Path("runs") / f"study-{plan.name}{'' if steps == plan.steps else f'-{steps}-steps'}"
    cells = cells_of(plan, out, options.data_dir, options.seeds, steps, options.recipe, options.device)
    chosen = _chosen(plan, cells, options)
    if options.dry_run:
        _show(plan.of_length(steps), chosen, options)
        return None
    alone = not single_runs(options.rows, "--rows")
    if not options.report:

        def run(runs_jobs: RunsJobs, workers: int) -> None:
            how = (workers, options.retry_failed, runs_jobs, alone, not options.data_only)
            run_study(plan.of_length(steps), out, chosen, *how)

        if not launched(options.on, _plan(plan, out, chosen, options, run)) or options.data_only:
            return None
        if not alone:
            return _tell_states(chosen)
    reported_cells = [cell for cell in cells if cell.row in plan.rows or cell in chosen or cell.record()]
    for cell in reported_cells:
        cell.check()
    folders = [out] if options.publish is None else [out, options.publish / plan.name]
    results = write_report(plan, reported_cells, steps, options_to_json(options), folders)
    _tell(plan, results, folders)
    return results


def _plan(
    study: Study, out: Path, cells: Sequence[Cell], options: StudyOptions, run: Callable[[RunsJobs, int], object]
) -> Plan:
    """What a launcher needs to know."""
    for cell in cells:
        cell.check()
    todo = [cell for cell in cells if cell.open or (options.retry_failed and not cell.finished)]
    unseen = unmeasured(study, cells)
    first = _line(options, "--data-only", skip=("retry_failed",)) if missing_data(study, todo) else None
    if options.data_only:
        return Plan(out, options.jobs, run, None, (first,) if first else (), _line(options, "--data-only"))
    runs = tuple(_line(replace(options, rows=(cell.name,))) for cell in (*todo, *unseen))
    report = _line(options, "--report", skip=("retry_failed",), publish=options.publish)
    return Plan(out, options.jobs, run, first, runs, report, gpus_of(options.device))


def _line(options: StudyOptions, *words: str, skip: Sequence[str] = (), publish: Path | None = None) -> str:
    """A command with the same options, but for those that say where and how much at a time."""
    given = replace(options, publish=publish)
    left_out = ("study", "jobs", "on", "data_only", "dry_run", "report", *skip)
    return command("study", options.study, *given_words(given, left_out, {"figure_4_4": "--figure-4.4"}), *words)


def _tell_states(cells: Sequence[Cell]) -> Results:
    results = Results.read(cells)
    for cell in cells:
        print(f"{cell.name}: {cell.state()}")
    _tell_failures(results, "trains them afresh")
    return results


def contest(plan: Contest, options: StudyOptions) -> Results | None:
    """Train, learn and judge what is not finished, then write the page; None for a dry run.

    Raises:
        UserError: bad options, a folder that holds something else.
    """
    steps, quick = plan.steps if options.steps is None else options.steps, options.steps not in (None, plan.steps)
    check_one_or_more(seeds=options.seeds, jobs=options.jobs, steps=steps)
    _refuse_for(plan, options, quick)
    out = options.out or Path("runs") / f"study-{plan.name}{f'-{steps}-steps' if quick else ''}"
    runs = plan.runs(steps, options.recipe)
    _check_rows(options, list(runs))
    single = single_runs(options.rows, "--rows", options.seeds)
    pairs = [(seed, name) for seed in range(options.seeds) for name in options.rows or runs]
    pairs = [(seed, name) for name, seed in single] or pairs
    # Seed by seed, so that whole comparisons are finished early.
    chains = [Chain.of(runs[name], seed, out, quick) for seed, name in pairs]
    if options.dry_run:
        show(chains, out, options.jobs or 1)
        return None
    if not options.report:

        def run(runs_jobs: RunsJobs, workers: int) -> None:
            run_suite(chains, out, workers, options.retry_failed, "study", runs_jobs, not single)

        def begins(chain: Chain) -> str:
            return _line(replace(options, rows=(chain.name,)))

        report = _line(options, "--report", skip=("retry_failed",), publish=options.publish)
        if not launched(options.on, plan_of(chains, out, options.jobs, options.retry_failed, run, begins, report)):
            return None
        if single:
            return _tell_of(plan, chains, quick)
    found = outcome_of([*chains, *others_of(runs.values(), chains, out, quick)], quick)
    line = _command_of(plan, options)
    write_pages(plan.name, found, lambda figures: page(plan, figures, line), out, options.publish)
    print(f"{verdict(plan, found)}{f' {NO_RESULT}' if quick else ''}")
    results = replace(results_of(plan, found), failures=tuple(failures(found)))
    _tell_failures(results, "does them once more")
    return results


def _tell_of(plan: Contest, chains: Sequence[Chain], quick: bool) -> Results:
    """What became of single chains."""
    found = outcome_of(chains, quick)
    results = replace(results_of(plan, found), failures=tuple(failures(found)))
    for line in told_states(chains):
        print(line)
    _tell_failures(results, "does them once more")
    return results


def _command_of(plan: Contest, options: StudyOptions) -> str:
    """What makes the page that these options make; what changes none of it is left out."""
    given: dict[str, object] = {"--steps": options.steps, "--out": options.out, "--publish": options.publish}
    given |= {"--recipe": None if options.recipe == StudyOptions.recipe else options.recipe}
    words = [word for flag, value in given.items() if value is not None for word in (flag, value)]
    rows = ("--rows", *options.rows) if options.rows else ()
    return command("study", plan.name, "--seeds", options.seeds, *rows, *words)


def _refuse_for(plan: Contest, options: StudyOptions, quick: bool) -> None:
    """Options that say nothing to a contest are not passed over.

    Raises:
        UserError: names the flag.
    """
    unsuited = {
        "--data-only": options.data_only,
        "--figure-4.4": options.figure_4_4,
        f"--data-dir {options.data_dir}": options.data_dir is not None,
        f"--device {options.device}": options.device != "cpu",
    }
    for flag, given in unsuited.items():
        if given:
            raise UserError(f"{flag}: the study {plan.name} makes its own data and trains on the CPU; leave it out")
    if quick and options.publish is not None:
        raise UserError(f"--publish: what --steps {options.steps} makes is no result; leave one of the two out")


def _check_rows(options: StudyOptions, known: Sequence[str]) -> None:
    single = [name for name, _ in single_runs(options.rows, "--rows", options.seeds)]
    unknown = [name for name in single or options.rows if name not in known]
    if unknown:
        raise UserError(f"--rows {unknown[0]}: there is no such row; there are {', '.join(known)}")


def _chosen(plan: Study, cells: Sequence[Cell], options: StudyOptions) -> tuple[Cell, ...]:
    """The cells that the options ask for."""
    _check_rows(options, [row.name for row in plan.all_rows])
    single = single_runs(options.rows, "--rows", options.seeds)
    if single:
        return tuple(cell for cell in cells if (cell.row.name, cell.seed) in single)
    default = plan.all_rows if options.figure_4_4 else plan.rows
    names = options.rows or tuple(row.name for row in default)
    return tuple(cell for cell in cells if cell.row.name in names)


def _show(plan: Study, cells: Sequence[Cell], options: StudyOptions) -> None:
    """What a call without --dry-run would start, in turn."""
    for cell in cells:
        cell.check()
    todo = [cell for cell in cells if cell.open or (options.retry_failed and not cell.finished)]
    for arguments in missing_data(plan, todo).values():
        print(printed(plan.collector, arguments))
    for cell in todo:
        print(printed("latentrl.train", cell.next_arguments()))
    if plan.measurement is not None:
        for cell in (*todo, *unmeasured(plan, cells)):
            print(printed(MODULE, measuring_arguments(plan, cell)))
    left = in_words(left_of(todo, cells, plan.minutes, options.jobs or 1)) if todo else "no time"
    states = ", ".join(f"{n} {state}" for state in STATES if (n := sum(cell.state() == state for cell in cells)))
    print(f"\n{len(cells)} runs: {states}; about {left} in {options.jobs or 1} process(es), one core each")


def _tell(plan: Study, results: Results, folders: Sequence[Path]) -> None:
    for table in plan.tables:
        print("\n" + (folders[0] / f"table_{table.number.replace('.', '_')}.md").read_text(encoding="utf-8"))
    for folder in folders:
        print(f"{folder}: tables, claims, figures, settings.json")
    _tell_failures(results, "trains them afresh")


def _tell_failures(results: Results, cure: str) -> None:
    for failed in results.failures:
        print(failed)
    if results.failures:
        print(f"next: look at their logs beside the run folders; --retry-failed {cure}")


def main(argv: Sequence[str] | None = None) -> None:
    """``latentrl study``; exits with 3 where a run failed, once all is written."""
    with reported():
        options = tyro.cli(StudyOptions, args=argv, prog="latentrl study")
        try:
            results = study(options)
        except KeyboardInterrupt:
            print("\ninterrupted; every run has saved its state. The same command goes on.", file=sys.stderr)
            raise SystemExit(130) from None
        if results is not None and results.failures:
            raise SystemExit(FAILED)


if __name__ == "__main__":
    main()
