"""Run a command that does not outlive who started it: ``python leash.py PARENT WORD ...``.

A process that is killed takes none of its children along, and a training that nobody watches would hold its run folder
against the one that goes on with it. Linux kills a child with its parent where that was asked for in the child, and the
wish survives the ``exec``. Nothing of the package is imported here: this is a script.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1


def leashed(command: Sequence[str]) -> tuple[str, ...]:
    """The command that runs ``command`` on this process's leash."""
    return (sys.executable, str(Path(__file__).resolve()), str(os.getpid()), *command)


def main(parent: str, *command: str) -> None:
    """Become ``command``, to be killed with ``parent``."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != int(parent):  # it ended before the wish was heard
            raise SystemExit(128 + signal.SIGKILL)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
