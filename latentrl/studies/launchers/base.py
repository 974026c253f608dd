"""What a launcher is given, and what it is: how the commands of a study are brought to their end, here or elsewhere."""

from __future__ import annotations

import signal
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from latentrl.support.interrupts import INTERRUPTED


@dataclass(frozen=True)
class Job:
    """A command, and the file that what it prints is appended to.

    Attributes:
        name: for people.
        command: words; the first is this process's Python.
        log: the file.
        again: makes the job that goes on with this one where the process or the machine that ran it was lost; None:
            the same command.
        gpus: that it needs.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    again: Callable[[], Job] | None = None
    gpus: int = 0


@dataclass(frozen=True)
class Ending:
    """How a job ended.

    Attributes:
        code: exit status; negative for a signal.
        seconds: how long it ran.
        stopped: whether it was asked to, by Ctrl-C or by who started it.
        log_offset: bytes of the log that were there before.
    """

    code: int
    seconds: float
    stopped: bool
    log_offset: int

    @property
    def interrupted(self) -> bool:
        """Whether somebody stopped it: this process, or a signal that it got from elsewhere."""
        return self.stopped or self.code in (INTERRUPTED, -signal.SIGINT, -signal.SIGTERM)


class RunsJobs(Protocol):
    """Runs jobs and waits for them: see :func:`latentrl.studies.launchers.local.run_jobs`."""

    def __call__(
        self,
        jobs: Sequence[Job],
        workers: int,
        on_start: Callable[[Job], object] = ...,
        on_end: Callable[[Job, Ending], object] = ...,
        on_tick: Callable[[Mapping[str, float]], Collection[str] | None] = ...,
        inherited: Sequence[int] = ...,
    ) -> None: ...


@dataclass(frozen=True)
class Plan:
    """Work that can be done now, or written down as commands to be called later.

    Attributes:
        folder: where all of it is done.
        workers: jobs at a time; None: the launcher's own number.
        run: does all of it, given what runs jobs and how many at a time.
        first: the command that has to end well before any of ``runs``; None: nothing has to.
        runs: commands that need nothing of each other and go on where they were interrupted.
        report: the command that tells what came of them.
        gpus: that each of ``runs`` needs.
    """

    folder: Path
    workers: int | None
    run: Callable[[RunsJobs, int], object]
    first: str | None
    runs: tuple[str, ...]
    report: str
    gpus: int = 0


class Launcher(Protocol):
    """Brings a plan to its end, or writes down how."""

    def __call__(self, plan: Plan, address: str | None = None) -> bool:
        """Launch.

        Args:
            plan: what is to be done.
            address: of a cluster, where one was given.

        Returns:
            Whether it is done; if not, something was printed that says how to go on.

        Raises:
            UserError: this place cannot be used.
            KeyboardInterrupt: on Ctrl-C, after every job has saved its state.
        """
        ...
