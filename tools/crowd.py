"""Let many processes at a time do the same in one folder: one does it, and the others are told so before they work.

    python tools/crowd.py --processes 10

Each verb is started so many times at once. A crowd is *bad* where none succeeds, where one that is refused ends with
another code than 2 or in more than one line, or where the result is not that of a process that was alone. What the
refused ones took of the processor, as a share of what the working one took, says whether they were told at the start.
Verbs that may be called again, such as `evaluate`, may succeed once more where one comes after another has ended.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from tools.chaos import Arguments, Stage, differences, fingerprints, forked
from tools.disk_faults import STAGES, prepared

WAIT = 300.0


class Ended(NamedTuple):
    """How one of a crowd ended: its exit ``code``, ``seconds`` of the processor, what it printed."""

    code: int
    seconds: float
    log: str


def crowd(stage: Stage, command: Arguments, trial: Path, work: Path, processes: int) -> list[Ended]:
    """Do a command in so many processes at once."""
    fork = multiprocessing.get_context("fork")
    start, told = fork.Barrier(processes), fork.SimpleQueue()
    children = []
    for number in range(processes):
        place = work / f"process-{number}"
        place.mkdir()
        one = fork.Process(target=_one, args=(stage, command, trial, place, start, told))
        one.start()
        children.append(one)
    found = [told.get() for _ in children]
    for one in children:
        one.join(WAIT)
    for number in range(processes):
        shutil.rmtree(work / f"process-{number}")
    return found


def _one(stage: Stage, command: Arguments, trial: Path, place: Path, start: Barrier, told) -> None:  # type: ignore[no-untyped-def]
    def waiting() -> None:
        start.wait(WAIT)
        stage.run(command)

    ended = forked(waiting, trial, place)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    told.put(Ended(ended.code, spent.ru_utime + spent.ru_stime, ended.log))


def problem_of(ended: Sequence[Ended], expected: dict[str, str], found: dict[str, str]) -> str | None:
    """What is wrong with how a crowd ended; None: nothing."""
    for one in ended:
        lines = [line for line in one.log.splitlines() if line.startswith("error: ")]
        if one.code not in (0, 2) or "Traceback" in one.log or (one.code == 2 and len(lines) != 1):
            return f"ended with {one.code}: {one.log[-1500:]}"
    if all(one.code for one in ended):
        return f"none succeeded: {ended[0].log[-600:]}"
    return None if found == expected else f"differs in {differences(expected, found)}"


def main(argv: Sequence[str] | None = None) -> int:
    """The command; 1 if a crowd was bad."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=10)
    parser.add_argument("--verbs", nargs="+", choices=sorted(STAGES), default=list(STAGES))
    given = parser.parse_args(argv)
    start, bad = time.monotonic(), 0
    with tempfile.TemporaryDirectory(prefix="crowd-") as folder:
        home = Path(folder).resolve()
        shared, trial = prepared(home, given.verbs), home / "trial"
        for name in given.verbs:
            stage, results = STAGES[name], []
            for processes in (1, given.processes):
                trial.mkdir()
                stage.begin(shared, trial)
                found = crowd(stage, stage.commands(shared, trial)[-1], trial, home, processes)
                results.append((found, fingerprints(stage, trial)))
                shutil.rmtree(trial)
            (alone, expected), (many, reached) = results
            problem = problem_of(many, expected, reached)
            refused = [one.seconds for one in many if one.code == 2]
            share = f", after at most {max(refused) / alone[0].seconds:.0%} of its work" if refused else ""
            print(f"{name}: {sum(one.code == 0 for one in many)} worked, {len(refused)} refused{share}", flush=True)
            if problem is not None:
                bad += 1
                print(f"bad: {name}: {problem}", flush=True)
    print(f"{time.monotonic() - start:.0f} s")
    return int(bad > 0)


if __name__ == "__main__":
    raise SystemExit(main())
