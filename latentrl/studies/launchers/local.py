"""Several commands at once, each in a process of its own; Ctrl-C reaches them gently and none is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from latentrl.studies.launchers.base import Ending, Job, Plan
from latentrl.support.interrupts import ctrl_c_on_termination, deferred_interrupt

POLL_SECONDS = 0.1
PATIENCE_SECONDS = (60.0, 10.0)
"""How long a process may take to save its state after SIGINT, and to end after SIGTERM."""


@dataclass
class _Running:
    job: Job
    process: subprocess.Popen[bytes]
    started: float
    log_offset: int
    asked: bool = False

    def ending(self, stopped: bool) -> Ending:
        return Ending(self.process.wait(), time.monotonic() - self.started, stopped, self.log_offset)


def launch(plan: Plan, address: str | None = None) -> bool:
    """Run a plan on this machine; see `latentrl.studies.launchers.base.Launcher`."""
    plan.run(run_jobs, plan.workers or 1)
    return True


def run_jobs(
    jobs: Sequence[Job],
    workers: int,
    on_start: Callable[[Job], object] = lambda job: None,
    on_end: Callable[[Job, Ending], object] = lambda job, ending: None,
    on_tick: Callable[[Mapping[str, float]], Collection[str] | None] = lambda running: None,
    inherited: Sequence[int] = (),
) -> None:
    """Run ``jobs`` in turn, up to ``workers`` at a time, each on one thread.

    On Ctrl-C (or a request to terminate) the running ones are interrupted and waited for, ``on_end`` is told, and the
    ``KeyboardInterrupt`` goes on; a second Ctrl-C kills them.

    Args:
        jobs: what to run.
        workers: processes at a time.
        on_start: told of each job before it starts.
        on_end: told how each ended; a job that it returns is the next to start.
        on_tick: told several times a second which jobs run, by name, and for how many seconds; those that it names
            are interrupted, once.
        inherited: file descriptors that the processes keep open.
    """
    waiting, running = deque(jobs), list[_Running]()
    with deferred_interrupt() as stop_if_asked, ctrl_c_on_termination():
        try:
            while waiting or running:
                stop_if_asked()
                while waiting and len(running) < workers:
                    on_start(waiting[0])
                    running.append(_start(waiting.popleft(), inherited))
                time.sleep(POLL_SECONDS)
                for one in [one for one in running if one.process.poll() is not None]:
                    running.remove(one)
                    following = on_end(one.job, one.ending(stopped=one.asked))
                    if isinstance(following, Job):
                        waiting.appendleft(following)
                now = time.monotonic()
                unwanted = on_tick({one.job.name: now - one.started for one in running}) or ()
                for one in running:
                    if one.job.name in unwanted and not one.asked:
                        one.asked = True
                        one.process.send_signal(signal.SIGINT)
        except KeyboardInterrupt:
            _stop([one.process for one in running])
            for one in running:
                on_end(one.job, one.ending(stopped=True))
            raise
        finally:
            for one in running:
                if one.process.poll() is None:
                    one.process.kill()


def _start(job: Job, inherited: Sequence[int]) -> _Running:
    job.log.parent.mkdir(parents=True, exist_ok=True)
    with job.log.open("ab") as log:
        offset = log.tell()
        # A session of its own: the terminal's Ctrl-C is for this process alone, which passes it on once.
        process = subprocess.Popen(
            job.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            start_new_session=True,
            pass_fds=inherited,
        )
    return _Running(job, process, time.monotonic(), offset)


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Interrupt, then terminate, then kill; returns when all have ended."""
    for number, patience in zip((signal.SIGINT, signal.SIGTERM), PATIENCE_SECONDS, strict=True):
        alive = [process for process in processes if process.poll() is None]
        for process in alive:
            process.send_signal(number)
        deadline = time.monotonic() + patience
        while alive and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            alive = [process for process in alive if process.poll() is None]
    for process in processes:
        process.kill()
        process.wait()
