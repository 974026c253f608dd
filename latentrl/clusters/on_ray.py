"""A cluster of Ray (Moritz et al., 2018): one that is there, or one of this machine's cores alone."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from latentrl.clusters.base import LostError, Task
from latentrl.support.errors import UserError, one_line

OBJECT_STORE = 256 * 2**20
"""Bytes of shared memory that a cluster of this machine alone takes; what is more goes through the disk."""


class RayCluster:
    """See :class:`latentrl.clusters.base.Cluster`.

    Args:
        ray: the library, connected.
    """

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._known: dict[Callable[..., Any], Any] = {}

    @property
    def cores(self) -> int:
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def submit(self, work: Callable[..., Any], *arguments: Any, retries: int = 0, gpus: int = 0) -> Task:
        return self._remote(work).options(num_cpus=1, num_gpus=gpus, max_retries=retries).remote(*arguments)

    def done(self, tasks: Sequence[Task], seconds: float) -> list[Task]:
        return list(self._ray.wait(list(tasks), num_returns=len(tasks), timeout=seconds, fetch_local=False)[0])

    def result(self, task: Task) -> Any:
        errors = self._ray.exceptions
        try:
            return self._ray.get(task)
        except errors.RayTaskError as error:
            raise error.as_instanceof_cause() from None
        except errors.RuntimeEnvSetupError as error:
            raise UserError(f"--on ray: the package could not be brought to the cluster ({one_line(error)})") from error
        except errors.RayError as error:
            raise LostError(one_line(error)) from error

    def cancel(self, task: Task) -> None:
        self._ray.cancel(task)

    def everywhere(self, work: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        tasks = {}
        for node in self._ray.nodes():
            if node["Alive"]:
                there = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                chosen = self._remote(work).options(num_cpus=0, scheduling_strategy=there)
                # Two nodes may run on one machine.
                tasks[f"{node['NodeManagerAddress']}:{node['NodeManagerPort']}"] = chosen.remote(*arguments)
        return {name: self.result(task) for name, task in tasks.items()}

    def _remote(self, work: Callable[..., Any]) -> Any:
        if work not in self._known:
            self._known[work] = self._ray.remote(work)
        return self._known[work]


@contextmanager
def ray_cluster(address: str | None) -> Iterator[RayCluster]:
    """Connect to a cluster, and leave it in the end.

    The package goes along, so that every machine runs the code of this one.

    Args:
        address: ``ray://HOST:PORT``; None: that of ``RAY_ADDRESS``, else one that runs on this machine, else a new one
            of its cores. A process that is connected already stays so.

    Raises:
        UserError: Ray is missing, or nobody answers.
    """
    flag = f"--on {address or 'ray'}"
    with _own_signals():
        try:
            import ray
            import ray.util.scheduling_strategies
        except ImportError as error:
            raise UserError(f"{flag}: Ray is missing ({error}): pip install 'latentrl[ray]'") from error
        connected = ray.is_initialized()
        if not connected:
            _connect(ray, address, flag)
    try:
        yield RayCluster(ray)
    finally:
        if not connected:
            ray.shutdown()


def _connect(ray: Any, address: str | None, flag: str) -> None:
    package = str(Path(__file__).resolve().parents[1])
    shared: dict[str, Any] = {
        "runtime_env": {"py_modules": [package]},
        "log_to_driver": False,
        "logging_level": logging.ERROR,
    }
    try:
        ray.init(address=address or "auto", **shared)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        if address is not None or not isinstance(error, ConnectionError):
            raise UserError(
                f"{flag}: no cluster can be used there ({one_line(error)}); see that it runs (`ray status`), and that "
                "Ray and Python are of the same versions here and there"
            ) from error
        ray.init(address="local", object_store_memory=OBJECT_STORE, include_dashboard=False, **shared)


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray puts a handler of its own on requests to terminate, which here count as Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
