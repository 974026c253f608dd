"""Let the disk run full under every verb, at any moment, and see that it keeps what it had and can be gone on with.

    python tools/disk_faults.py --faults 200 --seed 0

Where this process may mount one (as root on Linux), a trial is a small tmpfs that holds as little more than what is
there as is drawn, so that any write may fail, those of libraries too. Else, and in every other trial, a hook lets the
n-th file that is opened for writing or made fail with ENOSPC, and all after it. A trial is *bad* where the verb ends in
anything but success or one line with code 2, where a file that was there is neither what it was nor what it is in the
end, or where the same verb, on a disk with space, does not come to what it comes to undisturbed.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from tools import chaos
from tools.chaos import Arguments, Ended, Shared, Stage, differences, fingerprints, forked, without

MAKING = frozenset({"open", "os.mkdir", "os.link", "os.symlink"})
"""Changes that need space; files are removed and renamed on a full disk as on any."""
PLENTY = "512M"


class Full:
    """An audit hook: from the n-th file that is made or opened for writing on, there is no space."""

    def __init__(self, root: Path, shared: Shared, first: int) -> None:
        self.root, self.shared, self.first = str(root), shared, first

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in MAKING or not chaos.changes(event, arguments, self.root):
            return
        self.shared[chaos.EVENTS] += 1
        if self.shared[chaos.EVENTS] >= self.first:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fsdecode(arguments[0]))


def prepare(shared: Path) -> None:
    """Data, a run with a policy, recordings and a study file: what all verbs begin with."""
    chaos.make_run(shared)
    run = str(shared / "run")
    chaos.run_verb(("learn", "--run", run, "--updates", "2", "--horizon", "3"))
    chaos.make_log(shared)
    chaos.run_verb(("import", str(shared / "log"), "--out", str(shared / "long"), "--length", "20"))
    (shared / "mine.json").write_text(json.dumps(chaos.STUDY))


def prepared(home: Path, verbs: Sequence[str]) -> Path:
    """A folder in ``home`` with all that verbs begin with, whose modules are there from now on; one thread each.

    Raises:
        RuntimeError: it could not be made.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    chaos.preload(verbs, STAGES)
    chaos.preload(["learn", "import"])
    shared = home / "shared"
    shared.mkdir()
    ended = forked(partial(prepare, shared), shared, home)
    if ended.code:
        raise RuntimeError(f"could not be prepared:\n{ended.log}")
    return shared


def _with_run(shared: Path, trial: Path) -> None:
    shutil.copytree(shared / "run", trial / "out" / "run")


def _with_data(shared: Path, trial: Path) -> None:
    """Data that is to be replaced by others."""
    shutil.copytree(shared / "data", trial / "out" / "data")


def _with_long(shared: Path, trial: Path) -> None:
    """Data that there is enough of to estimate something from."""
    shutil.copytree(shared / "long", trial / "out" / "data")


def _verb(*words: str, more: Sequence[Arguments] = ()) -> Callable[[Path, Path], list[Arguments]]:
    """The words of a command, ``{shared}`` and ``{out}`` in them filled in; ``more`` are tried first."""

    def commands(shared: Path, trial: Path) -> list[Arguments]:
        places = {"shared": shared, "out": trial / "out"}
        return [tuple(word.format(**places) for word in one) for one in (*more, words)]

    return commands


RUN = ("--run", "{out}/run")
COLLECT = ("collect", "--out", "{out}/data")
SAME = {"*.json": without("seconds", "train_seconds", "hz_median", "hz_p99", "made_of", "git", "overwrite")}
LOGS = ("events.out.tfevents.*", "*.log")

STAGES: dict[str, Stage] = {
    "collect": Stage(
        prepare,
        _with_data,
        _verb(*COLLECT, *chaos.SMALL, "--overwrite", more=[(*COLLECT, "--resume")]),
        "out/data",
        ("latentrl.collect",),
    ),
    "import": Stage(
        prepare,
        _with_data,
        _verb("import", "{shared}/log", "--out", "{out}/data", "--overwrite"),
        "out/data",
        ("latentrl.import_recordings",),
    ),
    "train": replace(chaos.STAGES["train"], prepare=prepare),
    "learn": Stage(
        prepare,
        _with_run,
        _verb("learn", *RUN, "--updates", "3", "--horizon", "3"),
        "out/run",
        ("latentrl.learn",),
        LOGS,
    ),
    "imagine": Stage(
        prepare,
        _with_run,
        _verb("imagine", *RUN, "--length", "4", "--sequences", "2"),
        "out/run",
        ("latentrl.imagine",),
        LOGS,
    ),
    "inspect": Stage(
        prepare,
        _with_long,
        _verb("inspect", "{out}/data"),
        "out/data",
        ("latentrl.inspect",),
    ),
    "evaluate": Stage(
        prepare,
        _with_run,
        _verb("evaluate", *RUN, "--agent", "policy", "--goal", "{shared}/data/goal.png", "--episodes", "2"),
        "out/run",
        ("latentrl.evaluate",),
        LOGS,
        SAME,
    ),
    "compare": Stage(
        prepare,
        _with_run,
        _verb("compare", *RUN, "--tasks", "swing-up", "--agents", "policy", "random", "--episodes", "2"),
        "out/run",
        ("latentrl.compare",),
        (*LOGS, "compare.md", "compare.csv"),  # they hold rates, which the file beside them holds too
        SAME,
    ),
    "study": replace(chaos.STAGES["study"], prepare=prepare),
    "export": Stage(
        prepare,
        _with_run,
        _verb("export", *RUN, "--steps", "3", "--overwrite"),
        "out/run",
        ("latentrl.export",),
        (*LOGS, "*.pt2"),  # archives hold the time of day
        SAME,
    ),
}


def can_mount() -> bool:
    """Whether this process may mount a tmpfs."""
    with tempfile.TemporaryDirectory() as folder:
        if shutil.which("mount") is None or _mount("-t", "tmpfs", "-o", "size=1M", "tmpfs", folder):
            return False
        subprocess.run(["umount", folder], check=True)
    return True


def _mount(*words: str) -> int:
    return subprocess.run(["mount", *words], capture_output=True, check=False).returncode


@contextmanager
def _mounted(folder: Path) -> Iterator[Callable[[int | str], None]]:
    """A tmpfs with plenty of space; what is yielded gives it another size in bytes."""

    def resize(size: int | str) -> None:
        if _mount("-o", f"remount,size={size}", str(folder)):
            raise RuntimeError(f"{folder}: no size of {size}")

    if _mount("-t", "tmpfs", "-o", f"size={PLENTY}", "tmpfs", str(folder)):
        raise RuntimeError(f"{folder}: no tmpfs")
    try:
        yield resize
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def used(folder: Path) -> int:
    """Bytes that a file system has in use."""
    found = os.statvfs(folder)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def _begun(stage: Stage, shared: Path, trial: Path) -> dict[str, str]:
    stage.begin(shared, trial)
    return fingerprints(stage, trial) if (trial / stage.result).exists() else {}


def _to_the_end(stage: Stage, shared: Path, trial: Path, work: Path, said: str) -> Ended:
    """What a user would do next: go on, or begin again where nothing was kept."""
    commands = stage.commands(shared, trial)
    for command in commands[-1:] if "nothing was kept" in said else commands:
        ended = forked(partial(stage.run, command), trial, work)
        if ended.code == 0:
            break
    return ended


def campaign(
    name: str, stage: Stage, faults: int, seed: int, shared: Path, work: Path, told: Callable[[str], object]
) -> tuple[int, int, list[str]]:
    """Faults on a small disk and by the hook, in turn; returns how often a verb was refused, came through, was bad."""
    work.mkdir(parents=True)
    trial, mounting = work / "trial", can_mount()
    wholes, grown, making = [], 0, 0
    for _ in range(2):
        trial.mkdir()
        with _mounted(trial) if mounting else _unmounted(trial):
            _begun(stage, shared, trial)
            before = used(trial)
            counted = partial(Full, first=2**40)
            for one in stage.commands(shared, trial):
                ended = forked(partial(stage.run, one), trial, work, hook=counted)
            if ended.code != 0:
                raise RuntimeError(f"{name}: an undisturbed run failed:\n{ended.log}")
            making = ended.events
            grown = max(used(trial) - before, 1 << 16)
            wholes.append(fingerprints(stage, trial))
        trial.rmdir() if mounting else shutil.rmtree(trial)
    if wholes[0] != wholes[1]:
        raise RuntimeError(f"{name}: two undisturbed runs differ in {differences(*wholes)}")
    refused, through, bad = 0, 0, []
    for number in range(faults):
        rng = random.Random(f"{name} {seed} {number}")
        small = mounting and number % 2 == 0
        trial.mkdir()
        with _mounted(trial) if small else _unmounted(trial) as resize:
            before_files = _begun(stage, shared, trial)
            if small:
                space = rng.randint(0, grown)
                resize(used(trial) + space)
                how, hook = f"{space} bytes left", None
            else:
                first = rng.randint(1, max(making, 1))
                how, hook = f"full from change {first}", partial(Full, first=first)
            command = stage.commands(shared, trial)[-1]
            ended = forked(partial(stage.run, command), trial, work, hook=hook)
            problem = _problem(stage, trial, ended, before_files, wholes[0])
            resize(PLENTY)
            if problem is None:
                again = _to_the_end(stage, shared, trial, work, ended.log)
                found = fingerprints(stage, trial)
                if again.code != 0:
                    problem = f"with space again it ended with {again.code}: {again.log[-600:]}"
                elif found != wholes[0]:
                    problem = f"with space again it differs in {differences(wholes[0], found)}"
            refused += ended.code == 2
            through += ended.code in (0, chaos.FAILED)
            if problem is not None:
                bad.append(f"{name} --seed {seed}, trial {number}, {how}: {problem}")
                told(f"bad: {bad[-1]}")
        trial.rmdir() if small else shutil.rmtree(trial)
    return refused, through, bad


@contextmanager
def _unmounted(folder: Path) -> Iterator[Callable[[int | str], None]]:
    yield lambda size: None


def _problem(stage: Stage, trial: Path, ended: Ended, before: dict[str, str], whole: dict[str, str]) -> str | None:
    lines = [line for line in ended.log.splitlines() if line.startswith("error: ")]
    # A study whose training was refused writes all else, and says so.
    if ended.code not in (0, 2, chaos.FAILED) or "Traceback" in ended.log:
        return f"ended with {ended.code}: {ended.log[-1500:]}"
    if ended.code == 2 and len(lines) != 1:
        return f"no single line tells of it: {ended.log[-600:]}"
    if not before:
        return None
    now = fingerprints(stage, trial) if (trial / stage.result).exists() else {}
    gone = [
        name for name, found in before.items() if name != "beside it" and now.get(name) not in (found, whole.get(name))
    ]
    return f"{', '.join(gone)}: neither what was there nor what is to be" if gone else None


def main(argv: Sequence[str] | None = None) -> int:
    """The command; 1 if a trial was bad."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=180, help="in all, shared among the verbs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbs", nargs="+", choices=sorted(STAGES), default=list(STAGES))
    given = parser.parse_args(argv)
    start, failed = time.monotonic(), 0
    with tempfile.TemporaryDirectory(prefix="disk-faults-") as folder:
        home = Path(folder).resolve()
        shared = prepared(home, given.verbs)
        mounts = "a small tmpfs and a hook in turn" if can_mount() else "a hook alone: nothing may be mounted here"
        print(f"disk faults: {given.faults}, --seed {given.seed}, by {mounts}", flush=True)
        share = -(-given.faults // len(given.verbs))
        for name in given.verbs:
            began = time.monotonic()
            refused, through, bad = campaign(
                name, STAGES[name], share, given.seed, shared, home / name, lambda line: print(line, flush=True)
            )
            failed += len(bad)
            print(
                f"{name}: {share} faults, {refused} refused, {through} came through, {len(bad)} bad; "
                f"{time.monotonic() - began:.0f} s",
                flush=True,
            )
    print(f"{time.monotonic() - start:.0f} s")
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
