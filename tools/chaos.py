"""Kill verbs at any moment, go on, and compare what comes out with an uninterrupted run, byte by byte.

    python tools/chaos.py --kills 1000 --seed 0

Each trial is one folder. Its verb is started in a process of its own and killed by SIGKILL, SIGTERM or SIGINT, up to
three times: after a time that is drawn, or just before the n-th file that it opens for writing, makes, renames or
removes; a file that it opens may be left empty, as by a process that dies just after. What a user would type then goes
on. The trial is *lost* if none of these commands succeeds, and *different* if a file of the result is not the
uninterrupted run's. Processes are forked from one that has imported everything, so that a kill costs a run of the verb
alone.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import importlib
import io
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
MOST_KILLS = 3
"""In one trial."""
PATIENCE = 300.0
"""Seconds after which a run counts as hanging."""
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGING = frozenset({"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"})
"""Audit events, beside "open", that change what is on disk."""

Arguments = tuple[str, ...]
Clean = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Stage:
    """A verb to be killed.

    Attributes:
        prepare: makes, in the campaign's folder, what all trials read.
        begin: makes a trial's folder from it, given both.
        commands: of a trial, given the campaign's folder and its own: how a user begins and goes on, best first.
        result: the folder in the trial's that is compared.
        modules: imported before any process is forked.
        ignored: patterns of files that hold times of day or are for the eye alone.
        cleaned: what is taken out of files before they are compared, such as durations, by pattern.
    """

    prepare: Callable[[Path], None]
    begin: Callable[[Path, Path], None]
    commands: Callable[[Path, Path], list[Arguments]]
    result: str
    modules: tuple[str, ...]
    ignored: tuple[str, ...] = ()
    cleaned: Mapping[str, Clean] = field(default_factory=dict)


@dataclass(frozen=True)
class Kill:
    """By ``number``, after ``seconds`` or before the ``event``-th change on disk; ``torn``: leave that file empty."""

    number: signal.Signals
    seconds: float | None = None
    event: int | None = None
    torn: bool = False

    def __str__(self) -> str:
        when = f"after {self.seconds:.3f} s" if self.seconds is not None else f"at change {self.event}"
        return f"{self.number.name} {when}{' (torn)' if self.torn else ''}"


@dataclass(frozen=True)
class Ended:
    """How a run ended: its exit ``code``, negative for a signal, ``seconds``, and its changes on disk."""

    code: int
    seconds: float
    events: int
    log: str


@dataclass
class Outcome:
    """Of a campaign with one stage."""

    trials: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    survived: int = 0
    afresh: int = 0
    lost: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)


def campaign(name: str, stage: Stage, kills: int, seed: int, work: Path, told: Callable[[str], object]) -> Outcome:
    """Kill a stage so many times.

    Args:
        name: of the stage.
        stage: what is killed.
        kills: how many.
        seed: of everything that is drawn.
        work: an empty folder.
        told: called with a line for each trial that went wrong.
    """
    shared, outcome = work / "shared", Outcome()
    shared.mkdir(parents=True)
    ended = forked(lambda: stage.prepare(shared), shared, work)
    if ended.code != 0:
        raise RuntimeError(f"{name}: could not be prepared:\n{ended.log}")
    # All trials are at one place, for some files say where they are.
    trial, wholes = work / "trial", []
    for number in range(2):
        ended = _uninterrupted(stage, shared, trial, work)
        wholes.append(fingerprints(stage, trial))
        trial.rename(work / f"whole-{number}")
    expected, seconds, events = wholes[0], ended.seconds, ended.events
    if wholes[1] != expected:
        raise RuntimeError(f"{name}: two uninterrupted runs differ in {differences(*wholes)}")
    told(f"{name}: uninterrupted {seconds:.2f} s, {events} changes on disk, {len(expected)} files")
    while outcome.kills.total() + outcome.survived < kills:
        rng = random.Random(f"{name} {seed} {outcome.trials}")
        left = kills - outcome.kills.total() - outcome.survived
        problem = _trial(stage, shared, trial, work, _drawn(rng, min(left, MOST_KILLS), seconds, events), outcome)
        found = {} if problem is not None else fingerprints(stage, trial)
        where = f"{name} --seed {seed}, trial {outcome.trials}"
        if problem is not None:
            outcome.lost.append(f"{where}: {problem}")
            told(f"lost: {outcome.lost[-1]}")
        elif found != expected:
            outcome.different.append(f"{where}: {differences(expected, found)}")
            told(f"different: {outcome.different[-1]}")
        if found == expected:
            shutil.rmtree(trial)
        else:
            trial.rename(work / f"trial-{outcome.trials}")
        outcome.trials += 1
    return outcome


def _uninterrupted(stage: Stage, shared: Path, trial: Path, work: Path) -> Ended:
    trial.mkdir()
    stage.begin(shared, trial)
    for command in stage.commands(shared, trial):
        ended = forked(partial(_verb, command), trial, work)
        if ended.code == 0:
            return ended
    raise RuntimeError(f"an uninterrupted run failed:\n{ended.log}")


def _drawn(rng: random.Random, most: int, seconds: float, events: int) -> list[Kill]:
    found = []
    for _ in range(rng.randint(1, most)):
        number = rng.choice(SIGNALS)
        if rng.random() < 0.5:
            found.append(Kill(number, seconds=rng.uniform(0, seconds)))
        else:
            found.append(Kill(number, event=rng.randint(1, events), torn=rng.random() < 0.5))
    return found


def _trial(stage: Stage, shared: Path, trial: Path, work: Path, kills: Sequence[Kill], outcome: Outcome) -> str | None:
    """One folder, killed and gone on with; None, or how it was lost."""
    trial.mkdir()
    stage.begin(shared, trial)
    said = []
    for kill in (*kills, None):
        for number, command in enumerate(stage.commands(shared, trial)):
            ended = forked(partial(_verb, command), trial, work, kill)
            # A command that does not fit the situation says so, and the next is tried.
            if ended.code != 2:
                outcome.afresh += number > 0 and kill is not kills[0]
                break
        said.append(f"{kill or 'to the end'}: {command[0]} ended with {ended.code}")
        if kill is None:
            return None if ended.code == 0 else "; ".join([*said, ended.log[-1500:]])
        if ended.code == 0:
            # It was done before the moment came.
            outcome.survived += 1
        elif ended.code in (-kill.number, 130):
            outcome.kills[kill.number.name] += 1
        else:
            return "; ".join([*said, ended.log[-1500:]])
    return None


def forked(work: Callable[[], object], watched: Path, logs: Path, kill: Kill | None = None) -> Ended:
    """Do something in a process of its own, which is killed if it is to be."""
    log, counter = logs / "log.txt", logs / "events"
    counter.write_text("0")
    start = time.monotonic()
    # A signal that comes before the child has its own handlers waits for them.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    child = os.fork()
    if child == 0:
        _child(work, watched, log, counter, kill)
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    code = _watched(child, start, kill)
    return Ended(code, time.monotonic() - start, int(counter.read_text() or 0), log.read_text(errors="replace"))


def _watched(child: int, start: float, kill: Kill | None) -> int:
    struck = kill is None or kill.seconds is None
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            break
        past = time.monotonic() - start
        if kill is not None and kill.seconds is not None and not struck and past >= kill.seconds:
            os.kill(child, kill.number)
            struck = True
        if past > PATIENCE:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.001)
    try:
        # Whatever it started is of its own session.
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        pass
    return os.waitstatus_to_exitcode(status)


def _child(work: Callable[[], object], watched: Path, log: Path, counter: Path, kill: Kill | None) -> NoReturn:
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.stdout, sys.stderr = io.TextIOWrapper(os.fdopen(1, "wb", 0), write_through=True), sys.stdout
    sys.stderr = sys.stdout
    hook = _Hook(watched, kill)
    sys.addaudithook(hook)
    code = 0
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        work()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except KeyboardInterrupt:
        code = 130
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 1
    hook.kill = None
    counter.write_text(str(hook.events))
    os._exit(code)


class _Hook:
    """Counts changes on disk below a folder, and kills its own process at one of them."""

    def __init__(self, watched: Path, kill: Kill | None) -> None:
        self.root, self.kill, self.events, self._busy = str(watched), kill, 0, False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._busy or not (event in CHANGING or event == "open"):
            return
        path = arguments[0]
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & WRITING):
            return
        if not isinstance(path, str | bytes | os.PathLike) or not os.fsdecode(path).startswith(self.root):
            return
        self.events += 1
        kill = self.kill
        if kill is None or kill.event != self.events:
            return
        self._busy = True
        if kill.torn and event == "open" and arguments[2] & (os.O_TRUNC | os.O_CREAT):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644))
        os.kill(os.getpid(), kill.number)
        self._busy = False


def fingerprints(stage: Stage, trial: Path) -> dict[str, str]:
    """SHA-256 of every file of a result that counts, by name."""
    home = trial / stage.result
    found = {}
    for path in sorted(home.rglob("*")):
        if not path.is_file() or any(path.match(pattern) for pattern in stage.ignored):
            continue
        content = path.read_bytes()
        for pattern, clean in stage.cleaned.items():
            if path.match(pattern):
                content = clean(content)
        found[str(path.relative_to(home))] = hashlib.sha256(content).hexdigest()
    beside = sorted(path.name for path in home.parent.iterdir() if path != home)
    return {**found, "beside it": ", ".join(beside)}


def differences(one: Mapping[str, str], other: Mapping[str, str]) -> str:
    """The files in which the fingerprints of two results differ."""
    return ", ".join(sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name)))


def without(*keys: str) -> Clean:
    """A JSON object without some of its keys."""

    def clean(content: bytes) -> bytes:
        return json.dumps({key: value for key, value in json.loads(content).items() if key not in keys}).encode()

    return clean


def without_columns(*names: str) -> Clean:
    """A CSV table without some of its columns."""

    def clean(content: bytes) -> bytes:
        rows = list(csv.DictReader(io.StringIO(content.decode())))
        return json.dumps([{key: value for key, value in row.items() if key not in names} for row in rows]).encode()

    return clean


def _verb(command: Arguments) -> None:
    from latentrl.__main__ import VERBS

    VERBS[command[0]].run(command[1:])


# The stages. A verb that can go on is asked to first; else it is begun again, as its message says.

SMALL = ("--sequences", "60", "--test-sequences", "55", "--length", "5", "--num-envs", "10")
FEW = ("--sequences", "20", "--test-sequences", "10", "--length", "6", "--num-envs", "5")
STEPS = ("--steps", "30", "--batch", "4", "--device", "cpu", "--no-progress")


def _nothing(*_: Path) -> None:
    pass


def _data(shared: Path) -> None:
    _verb(("collect", "--out", str(shared / "data"), *FEW))


def _run(shared: Path) -> None:
    _data(shared)
    _verb(("train", "--data", str(shared / "data"), "--run", str(shared / "run"), *STEPS))


def _copied(shared: Path, trial: Path) -> None:
    shutil.copytree(shared / "run", trial / "out" / "run")


def _collect(_: Path, trial: Path) -> list[Arguments]:
    out = ("collect", "--out", str(trial / "out" / "data"))
    return [(*out, "--resume"), (*out, *SMALL)]


def _train(shared: Path, trial: Path) -> list[Arguments]:
    run = ("--run", str(trial / "out" / "run"))
    begin = ("train", "--data", str(shared / "data"), *run, *STEPS)
    return [("train", *run, "--resume", "--no-progress"), begin, (*begin, "--overwrite")]


def _learn(_: Path, trial: Path) -> list[Arguments]:
    return [("learn", "--run", str(trial / "out" / "run"), "--updates", "3", "--horizon", "3")]


STAGES: dict[str, Stage] = {
    "collect": Stage(_nothing, _nothing, _collect, "out/data", ("latentrl.collect",)),
    "train": Stage(
        _data,
        _nothing,
        _train,
        "out/run",
        ("latentrl.collect", "latentrl.train"),
        ignored=("events.out.tfevents.*",),
        cleaned={"metrics.json": without("train_seconds"), "history.csv": without_columns("seconds")},
    ),
    "learn": Stage(
        _run,
        _copied,
        _learn,
        "out/run",
        ("latentrl.collect", "latentrl.train", "latentrl.learn"),
        ignored=("events.out.tfevents.*",),
    ),
}


def preload(stages: Sequence[str]) -> None:
    """Import what the verbs need, once; without threads, which a fork would not take along."""
    for module in dict.fromkeys(module for name in stages for module in STAGES[name].modules):
        importlib.import_module(module)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the campaigns; 1 if anything was lost or different."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000, help="in all, shared among the stages")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stages", nargs="+", choices=sorted(STAGES), default=list(STAGES))
    parser.add_argument("--work", type=Path, help="a folder for the trials; those that went wrong stay in it")
    options = parser.parse_args(argv)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    preload(options.stages)
    home = options.work or Path(tempfile.mkdtemp(prefix="chaos-"))
    print(f"chaos: {options.kills} kills, --seed {options.seed}, in {home}", flush=True)
    bad, start = 0, time.monotonic()
    share = -(-options.kills // len(options.stages))
    for name in options.stages:
        work = home.resolve() / name
        shutil.rmtree(work, ignore_errors=True)
        found = campaign(name, STAGES[name], share, options.seed, work, lambda line: print(line, flush=True))
        bad += len(found.lost) + len(found.different)
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(found.kills.items()))
        print(
            f"{name}: {found.trials} trials, {found.kills.total()} killed ({kinds}), {found.survived} ended before the "
            f"kill, {found.afresh} begun again; {len(found.lost)} lost, {len(found.different)} different",
            flush=True,
        )
    print(f"{time.monotonic() - start:.0f} s")
    if not bad and options.work is None:
        shutil.rmtree(home)
    return int(bad > 0)


if __name__ == "__main__":
    raise SystemExit(main())
