"""Search flags of a training: many trials, judged on held-out sequences without labels, the hopeless stopped early."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from latentrl.data_collection.storage import METADATA
from latentrl.runs.folder import learn_command
from latentrl.studies.lock import exclusive
from latentrl.support.commands import command
from latentrl.support.errors import FAILED, UserError, reported
from latentrl.support.files import replacing
from latentrl.support.options import check_one_or_more, check_seed, default_hint
from latentrl.support.printing import say
from latentrl.sweeps.definition import Sweep, read_sweep
from latentrl.sweeps.figures import FIGURES
from latentrl.sweeps.running import run_sweep
from latentrl.sweeps.trials import DATABASE, Trials

TABLE = "trials.csv"


@dataclass(frozen=True)
class SweepOptions:
    """Search flags of `latentrl train`: each trial is a training, judged on held-out sequences without labels.

    Call it again to go on after an interruption, or with more --trials: no finished trial is repeated.
    """

    file: Annotated[Path, tyro.conf.Positional]
    """A TOML file with [train], flags that all trials share, and [search], flags and what they may be."""
    out: Annotated[Path | None, default_hint("runs/sweep-NAME_OF_FILE", "FOLDER")] = None
    """The folder for everything."""
    trials: Annotated[int | None, default_hint("the file's, or 20", "INT")] = None
    """In all, those of earlier calls included."""
    jobs: int = 1
    """Processes at a time, each on one core."""
    seed: int = 0
    """Of the search; that of every training stands in [train]."""
    prune: bool = True
    """Stop trainings early whose loss is behind half of the others'."""
    report: tyro.conf.FlagCreatePairsOff[bool] = False
    """Train nothing: tell what is finished."""

    @property
    def folder(self) -> Path:
        """The folder for everything."""
        return self.out or Path("runs") / f"sweep-{self.file.stem}"


def sweep(options: SweepOptions) -> str | None:
    """Bring all trials to their end; the command that trains with the best flags, None where no trial succeeded.

    Raises:
        UserError: a bad file, bad options, a folder that holds something else.
        KeyboardInterrupt: on Ctrl-C, after every training has saved its state.
    """
    said = read_sweep(options.file)
    check_one_or_more(trials=options.trials, jobs=options.jobs)
    check_seed(options.seed)
    count, folder = options.trials or said.trials, options.folder
    if options.report and not (folder / DATABASE).exists():
        raise UserError(f"--report: there is no sweep in {folder}; leave --report out")
    data = said.options.data
    if not options.report and not (data / METADATA).is_file():
        raise UserError(f"{options.file}: [train] data = {str(data)!r}: there is no data; record it: latentrl collect")
    with exclusive(folder, "sweep") as held:
        trials = Trials(said, folder, options.seed, options.jobs, options.prune)
        if not options.report:
            taken = trials.take_up()
            if taken:
                print(f"{folder}: goes on with {taken} trial(s) that were interrupted")
            try:
                run_sweep(trials, count, options.jobs, held)
            finally:
                _write(trials, folder / TABLE)
        return _tell(said, trials, folder)


def _write(trials: Trials, path: Path) -> None:
    """A line for every trial that has ended."""
    names = list(trials.sweep.search)
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["trial", "state", trials.sweep.figure, *names, "run", "remarks"])
        for one in trials.ended:
            told = "; ".join(one.user_attrs.get("warnings", ())) or one.user_attrs.get("reason", "")
            values = [one.params.get(name, "") for name in names]
            figure = one.value if one.state.name == "COMPLETE" else ""
            writer.writerow([one.number, one.state.name.lower(), figure, *values, trials.place(one), told])


def _tell(said: Sweep, trials: Trials, folder: Path) -> str | None:
    ended, best = trials.ended, trials.best()
    states = [one.state.name for one in ended]
    counted = ", ".join(
        f"{states.count(state)} {word}"
        for state, word in {"COMPLETE": "finished", "PRUNED": "stopped early", "FAIL": "failed"}.items()
    )
    print(f"\n{folder}: {len(ended)} trials: {counted}; {folder / TABLE}")
    if best is None:
        print("no trial is finished, so that none is best")
        return None
    figure = FIGURES[said.figure]
    say(f"best: trial {best.number}, {said.figure} {best.value:.4g} ({figure.unit})")
    for warning in best.user_attrs.get("warnings", ()):
        say(f"warning: {warning}")
    print(f"its run is {trials.place(best)}; the same from the beginning:")
    found = {name: best.params[name] for name in said.search if name in best.params}
    line = command("train", *said.words(found), "--run", folder / f"best-{best.number}")
    print(line)
    place = trials.place(best)
    following = learn_command(place, said.options.data) or command("imagine", "--run", place)
    print(f"next: {following}")
    return line


def main(argv: Sequence[str] | None = None) -> None:
    """``latentrl sweep``; exits with 3 where no trial succeeded."""
    with reported():
        options = tyro.cli(SweepOptions, args=argv, prog="latentrl sweep")
        try:
            found = sweep(options)
        except KeyboardInterrupt:
            print("\ninterrupted; every training has saved its state. The same command goes on.", file=sys.stderr)
            raise SystemExit(130) from None
        if found is None:
            raise SystemExit(FAILED)


if __name__ == "__main__":
    main()
