"""Jobs as tasks of a cluster of Ray: where a machine or a process is lost, its job goes on elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from latentrl.clusters.base import RETRIES, Cluster, LostError, Task
from latentrl.clusters.commands import Ended, Sign, environment, put_up, run_command, sees
from latentrl.clusters.on_ray import ray_cluster
from latentrl.studies.launchers.base import Ending, Job, Plan
from latentrl.support.errors import UserError
from latentrl.support.interrupts import INTERRUPTED, ctrl_c_on_termination, deferred_interrupt

POLL_SECONDS = 0.1
KILLED = -9
"""What is said of a job that was lost too often: a machine without memory kills what takes most of it."""


def launch(plan: Plan, address: str | None = None) -> bool:
    """Run a plan on a cluster; see `latentrl.studies.launchers.base.Launcher`."""
    with ray_cluster(address) as cluster:
        plan.run(Jobs(cluster, plan.folder), plan.workers or cluster.cores)
    return True


@dataclass
class _Submitted:
    job: Job
    since: float


class Jobs:
    """Runs jobs on machines that share a folder; see `latentrl.studies.launchers.base.RunsJobs`.

    Args:
        cluster: runs them.
        folder: shared, as is the one that this process is in.
    """

    cluster: Cluster
    folder: Path

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster, self.folder = cluster, folder

    def __call__(
        self,
        jobs: Sequence[Job],
        workers: int,
        on_start: Callable[[Job], object] = lambda job: None,
        on_end: Callable[[Job, Ending], object] = lambda job, ending: None,
        on_tick: Callable[[Mapping[str, float]], Collection[str] | None] = lambda running: None,
        inherited: Sequence[int] = (),
    ) -> None:
        """Run ``jobs`` in turn, up to ``workers`` at a time.

        What is lost is started again by its job's ``again``, `RETRIES` times; then it has ended by a signal. Jobs that
        ``on_tick`` names are not stopped before all are.
        """
        waiting, running, lost = deque(jobs), dict[Task, _Submitted](), dict[str, int]()
        with put_up(self.folder) as sign, deferred_interrupt() as stop_if_asked, ctrl_c_on_termination():
            self._check_shared(sign)
            try:
                while waiting or running:
                    stop_if_asked()
                    while waiting and len(running) < workers:
                        on_start(waiting[0])
                        job = waiting.popleft()
                        running[self._submit(job, sign)] = _Submitted(job, time.monotonic())
                    for task in self.cluster.done(list(running), POLL_SECONDS):
                        job = running.pop(task).job
                        following = self._ended(job, task, lost, on_end)
                        if following is not None:
                            waiting.appendleft(following)
                    now = time.monotonic()
                    on_tick({one.job.name: now - one.since for one in running.values()})
            except KeyboardInterrupt:
                Path(sign.path).unlink(missing_ok=True)
                for task, one in running.items():
                    try:
                        ended = self.cluster.result(task)
                    except LostError:
                        ended = Ended(INTERRUPTED)
                    on_end(one.job, Ending(ended.code, ended.seconds, True, ended.log_offset))
                raise

    def _submit(self, job: Job, sign: Sign) -> Task:
        # Another machine has a Python of its own.
        command = tuple("" if word == sys.executable else word for word in job.command)
        log, home = str(Path.cwd() / job.log), str(Path.cwd())
        return self.cluster.submit(run_command, command, log, home, sign, environment(), gpus=job.gpus)

    def _ended(self, job: Job, task: Task, lost: dict[str, int], on_end: Callable[[Job, Ending], object]) -> Job | None:
        """Tell how a job ended; the one to start next, where there is one."""
        try:
            ended = self.cluster.result(task)
        except LostError as error:
            lost[job.name] = lost.get(job.name, 0) + 1
            if lost[job.name] <= RETRIES:
                tqdm.write(f"{job.name} was lost with who ran it ({error}): try {lost[job.name]} of {RETRIES} follows")
                return job if job.again is None else job.again()
            ended = Ended(KILLED)
        if not ended.seen:
            raise _not_shared(["a machine of the cluster"], self.folder)
        following = on_end(job, Ending(ended.code, ended.seconds, ended.stopped, ended.log_offset))
        return following if isinstance(following, Job) else None

    def _check_shared(self, sign: Sign) -> None:
        seen = self.cluster.everywhere(sees, sign, os.getcwd())
        blind = [address for address, there in seen.items() if not there]
        if blind:
            raise _not_shared(blind, self.folder)


def _not_shared(blind: Sequence[str], folder: Path) -> UserError:
    return UserError(
        f"--on ray: {', '.join(blind)} cannot see {folder.resolve()}, or {Path.cwd()}, where this was started: work in "
        "folders that all machines of the cluster share under the same path"
    )
