"""Commands on other machines that share a folder with this one: gently stopped, and never left behind.

Little is imported here: every worker of a cluster does.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from latentrl.clusters.leash import leashed
from latentrl.support.files import write_text

SIGN = ".at-work"
LOOK_SECONDS = 0.25
PATIENCE_SECONDS = (60.0, 10.0)
"""How long a process may take to save its state after SIGINT, and to end after SIGTERM."""
TAKEN_ALONG = ("MUJOCO_GL", "PYOPENGL_PLATFORM", "PYTHONPATH")
"""Of the environment's variables: what a command needs to find modules and to render; the others are the machine's."""


@dataclass(frozen=True)
class Sign:
    """A file in a shared folder: as long as it says what it said, commands go on.

    It is opened, not looked at: network file systems remember for a while what they have seen, but ask when a file is
    opened.
    """

    path: str
    token: str

    def stands(self) -> bool:
        """Whether work is wanted still: nobody has taken the sign down or put up another."""
        try:
            with open(self.path, encoding="utf-8") as file:
                return file.read() == self.token
        except OSError:
            return False


@contextmanager
def put_up(folder: Path) -> Iterator[Sign]:
    """A sign in ``folder``, taken down in the end."""
    path = folder.resolve() / SIGN
    sign = Sign(str(path), secrets.token_hex(8))
    write_text(path, sign.token)
    try:
        yield sign
    finally:
        path.unlink(missing_ok=True)


def sees(sign: Sign, home: str) -> bool:
    """Whether this machine has the folder with the sign, and the one that commands are started in."""
    return sign.stands() and os.path.isdir(home)


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit status, seconds, whether it was stopped, bytes of the log that were there before.

    ``seen`` is False where this machine does not share the folder: nothing was done.
    """

    code: int
    seconds: float = 0.0
    stopped: bool = False
    log_offset: int = 0
    seen: bool = True


def environment() -> dict[str, str]:
    """What a command takes along of this process's environment."""
    return {name: os.environ[name] for name in TAKEN_ALONG if name in os.environ}


def run_command(command: Sequence[str], log: str, home: str, sign: Sign, variables: Mapping[str, str]) -> Ended:
    """Run a command until it ends, or until ``sign`` is taken down: then it is interrupted and may save its state.

    It ends with this process, however that ends.

    Args:
        command: started with this machine's Python where its first word is empty.
        log: what it prints is appended to this file; its folder is made.
        home: where it runs.
        sign: see there.
        variables: come to the environment.
    """
    if not os.path.isdir(home):
        return Ended(1, seen=False)
    if not sign.stands():
        return Ended(1, stopped=True)
    words = tuple(word or sys.executable for word in command)
    place = Path(home, log)
    place.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with place.open("ab") as file:
        offset = file.tell()
        process = subprocess.Popen(
            leashed(words),
            cwd=home,
            env=_with_package(os.environ | dict(variables) | {"OMP_NUM_THREADS": "1"}),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    stopped = False
    try:
        while process.poll() is None:
            time.sleep(LOOK_SECONDS)
            if not sign.stands():
                stopped = True
                _stop(process)
    finally:
        process.kill()
        process.wait()
    return Ended(process.returncode, time.monotonic() - started, stopped, offset)


def _with_package(variables: Mapping[str, str]) -> dict[str, str]:
    """The same, with the package that this process runs found first: the cluster may have brought it along."""
    here = str(Path(__file__).resolve().parents[2])
    return {**variables, "PYTHONPATH": os.pathsep.join(filter(None, (here, variables.get("PYTHONPATH"))))}


def _stop(process: subprocess.Popen[bytes]) -> None:
    for number, patience in zip((signal.SIGINT, signal.SIGTERM), PATIENCE_SECONDS, strict=True):
        process.send_signal(number)
        try:
            process.wait(patience)
            return
        except subprocess.TimeoutExpired:
            continue
