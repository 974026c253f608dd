"""Kill verbs at any moment, go on, and compare what comes out with an uninterrupted run, byte by byte.

    python tools/chaos.py --kills 1000 --seed 0

Each trial is one folder. Its verb is started in a process of its own and killed by SIGKILL, SIGTERM or SIGINT, up to
three times: after a time that is drawn, or just before the n-th file that it opens for writing, makes, renames or
removes; a file that it opens may be left empty, as by a process that dies just after. What a user would type then goes
on. The trial is *lost* if none of these commands succeeds, and *different* if a file of the result is not the
uninterrupted run's. Processes are forked from one that has imported everything, so that a kill costs a run of the verb
alone; so are the processes that a study starts, which a kill may meet as well, and which work on where the study is
killed: what comes next waits for them, as its refusal says.
"""

from __future__ import annotations

import argparse
import csv
import gc
import hashlib
import importlib
import io
import json
import mmap
import multiprocessing
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
FAILED = 3
"""Exit code of a study in which a training failed: of a tool that imports nothing of what it kills."""
MOST_KILLS = 3
"""In one trial."""
PATIENCE = 300.0
"""Seconds after which a run counts as hanging."""
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGING = frozenset({"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"})
"""Audit events, beside "open", that change what is on disk."""
BUSY = "is at work there"
"""What a verb says where a process that a killed one has left behind works on."""

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
        run: does a command.
    """

    prepare: Callable[[Path], None]
    begin: Callable[[Path, Path], None]
    commands: Callable[[Path, Path], list[Arguments]]
    result: str
    modules: tuple[str, ...]
    ignored: tuple[str, ...] = ()
    cleaned: Mapping[str, Clean] = field(default_factory=dict)
    run: Callable[[Arguments], None] = field(default_factory=lambda: run_verb)


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
    """How a run ended: its exit ``code``, negative for a signal, ``seconds``, changes on disk, if the kill came."""

    code: int
    seconds: float
    events: int
    log: str
    struck: bool


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
        ended = forked(partial(stage.run, command), trial, work)
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
            ended = _patient(partial(stage.run, command), trial, work, kill)
            # A command that does not fit the situation says so, and the next is tried.
            if ended.code != 2:
                outcome.afresh += number > 0 and kill is not kills[0]
                break
        said.append(f"{kill or 'to the end'}: {command[0]} ended with {ended.code}")
        if kill is None:
            return None if ended.code == 0 else "; ".join([*said, ended.log[-1500:]])
        if ended.code == 0 and not ended.struck:
            # It was done before the moment came.
            outcome.survived += 1
        # A study goes on without the one of its processes that was killed, and says in the end that it failed.
        elif ended.code in (-kill.number, 130, 0, FAILED):
            outcome.kills[kill.number.name] += 1
        else:
            return "; ".join([*said, ended.log[-1500:]])
    return None


def _patient(work: Callable[[], object], watched: Path, logs: Path, kill: Kill | None) -> Ended:
    """As :func:`forked`, once nothing is at work any more that a killed process has left behind."""
    start = time.monotonic()
    while True:
        ended = forked(work, watched, logs, kill)
        if ended.code != 2 or BUSY not in ended.log or time.monotonic() - start > PATIENCE:
            return ended
        time.sleep(0.1)


class Shared:
    """Numbers that forked processes see and change: changes on disk so far, and whether the kill has come."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 16)

    def __getitem__(self, place: int) -> int:
        return int(struct.unpack_from("q", self._memory, 8 * place)[0])

    def __setitem__(self, place: int, value: int) -> None:
        struct.pack_into("q", self._memory, 8 * place, value)


EVENTS, STRUCK = 0, 1
Hook = Callable[[Path, Shared], Callable[[str, tuple[Any, ...]], None]]
"""Makes an audit hook for changes below a folder, with the numbers that it counts in."""


def forked(
    work: Callable[[], object], watched: Path, logs: Path, kill: Kill | None = None, hook: Hook | None = None
) -> Ended:
    """Do something in a process of its own, which is killed if it is to be; or with another ``hook``."""
    log, shared = logs / "log.txt", Shared()
    start = time.monotonic()
    # A signal that comes before the child has its own handlers waits for them.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    child = os.fork()
    if child == 0:
        _child(work, log, _Hook(watched, shared, kill) if hook is None else hook(watched, shared))
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    code = _watched(child, start, kill, shared)
    said = log.read_text(errors="replace") if log.exists() else ""
    return Ended(code, time.monotonic() - start, shared[EVENTS], said, bool(shared[STRUCK]))


def _watched(child: int, start: float, kill: Kill | None, shared: Shared) -> int:
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            break
        past = time.monotonic() - start
        if kill is not None and kill.seconds is not None and not shared[STRUCK] and past >= kill.seconds:
            shared[STRUCK] = 1
            os.kill(child, kill.number)
        if past > PATIENCE:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.001)
    try:
        # Whatever it started is of its own session.
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        pass
    return os.waitstatus_to_exitcode(status)


def _child(work: Callable[[], object], log: Path, hook: Callable[[str, tuple[Any, ...]], None]) -> NoReturn:
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _speak_into(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC))
    sys.addaudithook(hook)
    os._exit(_code_of(work))


def _speak_into(descriptor: int) -> None:
    """Let what this process says be written there, also what it says by the streams' numbers."""
    for number in (1, 2):
        os.dup2(descriptor, number)
    sys.stdout = sys.stderr = io.TextIOWrapper(open(1, "wb", buffering=0, closefd=False), write_through=True)


def _code_of(work: Callable[[], object]) -> int:
    """Do something; the exit code that Python would end with."""
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        work()
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except KeyboardInterrupt:
        return 130
    except BaseException:
        import traceback

        traceback.print_exc()
        return 1
    return 0


class Forked:
    """What stands in for `subprocess.Popen` of a verb: a process that has imported everything already."""

    def __init__(self, words: Sequence[str], stdout: Any, **_: Any) -> None:
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            _speak_into(stdout.fileno())
            os._exit(_code_of(partial(_python, words)))

    def poll(self) -> int | None:
        """The exit code, if it has ended."""
        if self.returncode is None:
            found, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if found else None
        return self.returncode

    def wait(self) -> int:
        """The exit code, once it has ended."""
        while self.poll() is None:
            time.sleep(0.001)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Unless it has ended."""
        self.send_signal(signal.SIGKILL)


class _Hook:
    """Counts changes on disk below a folder, and kills the process that makes one of them.

    One that works beside another, deaf to Ctrl-C, does not count.
    """

    def __init__(self, watched: Path, shared: Shared, kill: Kill | None) -> None:
        self.root, self.shared, self.kill, self._busy = str(watched), shared, kill, False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._busy or not changes(event, arguments, self.root) or multiprocessing.current_process().daemon:
            return
        path = arguments[0]
        self.shared[EVENTS] += 1
        kill = self.kill
        if kill is None or kill.event is None or kill.event > self.shared[EVENTS] or self.shared[STRUCK]:
            return
        self._busy = True
        self.shared[STRUCK] = 1
        if kill.torn and event == "open" and arguments[2] & (os.O_TRUNC | os.O_CREAT):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644))
        os.kill(os.getpid(), kill.number)
        self._busy = False


def changes(event: str, arguments: tuple[Any, ...], root: str) -> bool:
    """Whether an audit event is a change on disk below a folder."""
    if not (event in CHANGING or event == "open"):
        return False
    if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & WRITING):
        return False
    path = arguments[0]
    return isinstance(path, str | bytes | os.PathLike) and os.fsdecode(path).startswith(root)


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
    """A JSON object without some keys, at any depth."""

    def clean(content: bytes) -> bytes:
        return json.dumps(_without(json.loads(content), keys)).encode()

    return clean


def _without(content: Any, keys: Sequence[str]) -> Any:
    if isinstance(content, dict):
        return {key: _without(value, keys) for key, value in content.items() if key not in keys}
    return [_without(value, keys) for value in content] if isinstance(content, list) else content


def without_columns(*names: str) -> Clean:
    """A CSV table without some of its columns."""

    def clean(content: bytes) -> bytes:
        rows = list(csv.DictReader(io.StringIO(content.decode())))
        return json.dumps([{key: value for key, value in row.items() if key not in names} for row in rows]).encode()

    return clean


def without_rows(column: str, value: str) -> Clean:
    """A table without the rows in which a column has a value; after `without_columns` it is JSON."""

    def clean(content: bytes) -> bytes:
        return json.dumps([row for row in json.loads(content) if row[column] != value]).encode()

    return clean


def _python(words: Sequence[str]) -> None:
    """Do what ``python -m latentrl.VERB ...`` does, or ``python -c CODE``."""
    from latentrl.support.commands import MODULES

    _, option, what, *arguments = words
    if option == "-c":
        exec(what, {"__name__": "__main__"})
        return
    assert option == "-m", words
    name = what.removeprefix("latentrl.")
    run_verb(({file: verb for verb, file in MODULES.items()}.get(name, name), *arguments))


def run_verb(command: Arguments) -> None:
    from latentrl.__main__ import VERBS

    VERBS[command[0]].run(command[1:])


# The stages. A verb that can go on is asked to first; else it is begun again, as its message says.

SMALL = ("--sequences", "60", "--test-sequences", "55", "--length", "5", "--num-envs", "10")
FEW = ("--sequences", "20", "--test-sequences", "10", "--length", "6", "--num-envs", "5")
STEPS = ("--steps", "10", "--batch", "4", "--device", "cpu", "--no-progress")
ROW = {"name": "a", "model": "ekvae", "options": ["--state-size", "3"]}
STUDY = {"steps": 10, "train": ["--batch", "4", "--kappa", "0.5"], "columns": ["mse_reconstruction"], "rows": [ROW]}


def _nothing(*_: Path) -> None:
    pass


def _data(shared: Path) -> None:
    run_verb(("collect", "--out", str(shared / "data"), *FEW))


def make_run(shared: Path) -> None:
    _data(shared)
    run_verb(("train", "--data", str(shared / "data"), "--run", str(shared / "run"), *STEPS))


def make_log(shared: Path) -> None:
    """Recordings to be imported."""
    import numpy as np

    rng = np.random.default_rng(0)
    (shared / "log").mkdir()
    for number in range(6):
        observations, actions = rng.normal(size=(40, 2)), rng.uniform(-1, 1, (40, 1))
        np.savez(shared / "log" / f"{number}.npz", observations=observations, actions=actions)


def _import(shared: Path, trial: Path) -> list[Arguments]:
    begin = ("import", str(shared / "log"), "--out", str(trial / "out" / "data"))
    return [begin, (*begin, "--overwrite")]


def _copied(shared: Path, trial: Path) -> None:
    shutil.copytree(shared / "run", trial / "out" / "run")


def _collect(_: Path, trial: Path) -> list[Arguments]:
    out = ("collect", "--out", str(trial / "out" / "data"))
    return [(*out, "--resume"), (*out, *SMALL)]


def _train(shared: Path, trial: Path) -> list[Arguments]:
    run = ("--run", str(trial / "out" / "run"))
    begin = ("train", "--data", str(shared / "data"), *run, *STEPS)
    return [("train", *run, "--resume", "--no-progress"), begin, (*begin, "--overwrite")]


def _arms(shared: Path) -> None:
    """Pictures that a chart is read off: of an arm, whose wrist no blurred picture tells."""
    import numpy as np

    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.arms import wander

    data, _ = wander(100, 6, size=16)
    (shared / "log").mkdir()
    for number, (pictures, actions) in enumerate(zip(data.observations, data.actions, strict=True)):
        np.savez(shared / "log" / f"{number:03d}.npz", observations=pictures.numpy(), actions=actions.numpy() / 9)
    _import_log(shared, "--length", "6")


def _sensors(shared: Path) -> None:
    make_log(shared)
    _import_log(shared, "--length", "10")


def _import_log(shared: Path, *more: str) -> None:
    run_verb(("import", str(shared / "log"), "--out", str(shared / "data"), *more))


def _fitting(shared: Path, trial: Path, *more: str) -> list[Arguments]:
    resume, *begin = _train(shared, trial)
    return [resume, *((*command, *more) for command in begin)]


def _on_chart(shared: Path, trial: Path) -> list[Arguments]:
    return _fitting(shared, trial, "--state-size", "5", "--position-size", "3", "--standardise", "yes")


def _on_sensors(shared: Path, trial: Path) -> list[Arguments]:
    return _fitting(shared, trial, "--state-size", "4", "--position-size", "2")


def _few_motions(command: Arguments) -> None:
    """A verb that fits the velocities of a start on a chart in few steps."""
    from latentrl.training.stages import chart_start

    chart_start.MOTION_STEPS = 20
    run_verb(command)


def _learn(_: Path, trial: Path) -> list[Arguments]:
    return [("learn", "--run", str(trial / "out" / "run"), "--updates", "3", "--horizon", "3")]


def _study_file(shared: Path) -> None:
    _data(shared)
    (shared / "mine.json").write_text(json.dumps(STUDY))


def _study(shared: Path, trial: Path) -> list[Arguments]:
    how = ("--data-dir", str(shared / "data"), "--seeds", "1", "--recipe", "source", "--retry-failed")
    return [("study", str(shared / "mine.json"), "--out", str(trial / "out" / "study"), *how)]


def _forking(command: Arguments) -> None:
    """A verb whose processes are forked."""
    from latentrl.studies.launchers import local

    local.subprocess = ForkedSubprocess  # type: ignore[assignment, attr-defined]
    run_verb(command)


class ForkedSubprocess:
    """What the launcher uses of `subprocess`, with processes that need not import anything."""

    DEVNULL, STDOUT, Popen = subprocess.DEVNULL, subprocess.STDOUT, Forked


class ForkedContext:
    """What `latentrl.support.processes` uses of `multiprocessing`, with processes that are forked."""

    parent_process = staticmethod(multiprocessing.parent_process)

    @staticmethod
    def get_context(_: str) -> Any:
        return multiprocessing.get_context("fork")


def _quickstart(_: Path, trial: Path) -> list[Arguments]:
    return [("quickstart", "--out", str(trial / "out" / "quick"))]


def _small_quickstart(command: Arguments) -> None:
    """The quickstart with as little of everything as there can be; chance stands in for the planner."""
    from latentrl import quickstart
    from latentrl.quickstarts import QUICKSTARTS
    from latentrl.support import processes

    whole = quickstart.plan_of

    def small(options: quickstart.QuickstartOptions) -> Any:
        plan = whole(options)
        assert plan.learn is not None
        policy, planner = plan.evaluations.values()
        return replace(
            plan,
            collect=replace(plan.collect, sequences=20, test_sequences=10, length=6, num_envs=5),
            train=replace(plan.train, steps=5, batch=4, progress=False, recipe="source", kappa=0.5),
            learn=replace(plan.learn, updates=1, horizon=2),
            evaluations={
                ("policy",): replace(policy, episodes=2, steps=20, video=False),
                ("cem",): replace(planner, agent="random", episodes=2, steps=20),
            },
        )

    quickstart.plan_of = small
    # What works beside it need not import everything anew.
    processes.multiprocessing = ForkedContext  # type: ignore[assignment, attr-defined]
    # The page shows a film, which takes longer to draw than all else; that it is whole is seen by its tests.
    kind = QUICKSTARTS["pendulum"]
    name, showcase = next(iter(kind.items()))
    kind[name] = replace(showcase, report=_page)
    run_verb(command)


def _page(plan: Any, summary: Mapping[str, Any], out: Path, seed: int) -> None:
    (out / "report.html").write_text("a page")


TRAIN = Stage(
    _data,
    _nothing,
    _train,
    "out/run",
    ("latentrl.collect", "latentrl.train"),
    ignored=("events.out.tfevents.*",),
    # Settings note whether what was left had to be replaced, and the commit, which may change meanwhile.
    cleaned={
        "metrics.json": without("train_seconds"),
        "history.csv": without_columns("seconds"),
        "settings.json": without("overwrite", "git"),
    },
)
"""Pictures of the pendulum: the best of some starts, the gradient, the velocity's coordinates."""

STAGES: dict[str, Stage] = {
    "collect": Stage(_nothing, _nothing, _collect, "out/data", ("latentrl.collect", "latentrl.envs.pendulum.vector")),
    "import": Stage(make_log, _nothing, _import, "out/data", ("latentrl.import_recordings",)),
    "train": TRAIN,
    "train-chart": replace(
        TRAIN,
        prepare=_arms,
        commands=_on_chart,
        modules=("latentrl.import_recordings", "latentrl.train"),
        run=_few_motions,
    ),
    "train-sensors": replace(
        TRAIN, prepare=_sensors, commands=_on_sensors, modules=("latentrl.import_recordings", "latentrl.train")
    ),
    "learn": Stage(
        make_run,
        _copied,
        _learn,
        "out/run",
        ("latentrl.collect", "latentrl.train", "latentrl.learn"),
        ignored=("events.out.tfevents.*",),
    ),
    "study": Stage(
        _study_file,
        _nothing,
        _study,
        "out/study",
        ("latentrl.collect", "latentrl.train", "latentrl.study"),
        # The page of the table rounds what the file beside it holds.
        ignored=("events.out.tfevents.*", "*.log", "*.png", "table_1.md"),
        cleaned={
            "*.csv": without_columns("seconds", "train_seconds"),
            "table_1.csv": without_rows("figure", "train_seconds"),
            "*.json": without("seconds", "train_seconds", "git"),
        },
        run=_forking,
    ),
    "quickstart": Stage(
        _nothing,
        _nothing,
        _quickstart,
        "out/quick",
        ("latentrl.quickstart", "latentrl.envs.pendulum.vector"),
        ignored=("events.out.tfevents.*",),
        cleaned={
            "history.csv": without_columns("seconds"),
            "*.json": without("seconds", "train_seconds", "wall_seconds", "hz_median", "hz_p99", "git"),
        },
        run=_small_quickstart,
    ),
}


def preload(stages: Sequence[str], known: Mapping[str, Stage] = STAGES) -> None:
    """Import what the verbs need, once; without threads, which a fork would not take along."""
    for module in dict.fromkeys(module for name in stages for module in known[name].modules):
        importlib.import_module(module)
    importlib.import_module("latentrl.__main__")
    import tyro

    # With the first command line that is read comes what reads it.
    tyro.cli(Outcome, args=[])
    if "torch" in sys.modules:
        preload_late()
        sys.modules["torch"].set_num_threads(1)
    # A process that is forked neither walks through what is imported nor copies it for that.
    gc.freeze()


def preload_late() -> None:
    """What the first step of an optimiser, its log and the fastest backend would import in each process."""
    from latentrl.support.compiling import can_compile

    importlib.import_module("torch._dynamo")
    importlib.import_module("torch.utils.tensorboard")
    if can_compile():
        from latentrl.transitions.kernels import kernels

        importlib.import_module("latentrl.inference.backends.numba_kernels")
        kernels()


def _shares(parser: argparse.ArgumentParser, stages: Sequence[str], kills: int) -> dict[str, int]:
    """How often each stage is killed: as is said of it, or as often as the others."""
    found = {}
    for word in stages:
        name, _, own = word.partition("=")
        if name not in STAGES or not (own.isdecimal() or not own):
            parser.error(f"--stages {word}: give NAME or NAME=KILLS, of {', '.join(STAGES)}")
        found[name] = int(own) if own else -(-kills // len(stages))
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Run the campaigns; 1 if anything was lost or different."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000, help="in all, shared among the stages")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--stages", nargs="+", default=list(STAGES), metavar="NAME[=KILLS]", help=f"some of {', '.join(STAGES)}"
    )
    parser.add_argument("--work", type=Path, help="a folder for the trials; those that went wrong stay in it")
    options = parser.parse_args(argv)
    kills = _shares(parser, options.stages, options.kills)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    preload(list(kills))
    home = options.work or Path(tempfile.mkdtemp(prefix="chaos-"))
    print(f"chaos: {sum(kills.values())} kills, --seed {options.seed}, in {home}", flush=True)
    bad, start = 0, time.monotonic()
    for name, share in kills.items():
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
