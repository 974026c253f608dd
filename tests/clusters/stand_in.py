"""A cluster of threads, some of whose calls are lost."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from latentrl.clusters.base import LostError


class StandIn:
    """See `latentrl.clusters.base.Cluster`.

    Args:
        lost: numbers of the tries, from 0, whose process is gone before it answers.
        blind: whether every machine sees nothing of what is here.
        cores: calls at a time; two of them share what a process of a true cluster has to itself.
    """

    def __init__(self, lost: Collection[int] = (), blind: bool = False, cores: int = 2) -> None:
        self.lost, self.blind, self.cores, self.tries = lost, blind, cores, 0
        self._pool = ThreadPoolExecutor(self.cores)

    def submit(self, work: Callable[..., Any], *arguments: Any, retries: int = 0, gpus: int = 0) -> Future[Any]:
        return self._pool.submit(self._call, work, arguments, retries)

    def _call(self, work: Callable[..., Any], arguments: tuple[Any, ...], retries: int) -> Any:
        for left in range(retries, -1, -1):
            number, self.tries = self.tries, self.tries + 1
            if number not in self.lost:
                return work(*arguments)
            if not left:
                raise LostError("its machine is gone")
        raise AssertionError

    def done(self, tasks: Sequence[Future[Any]], seconds: float) -> list[Future[Any]]:
        wait(tasks, seconds, "FIRST_COMPLETED")
        return [task for task in tasks if task.done()]

    def result(self, task: Future[Any]) -> Any:
        return task.result()

    def cancel(self, task: Future[Any]) -> None:
        task.cancel()

    def everywhere(self, work: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        return {"10.0.0.2:1": False if self.blind else work(*arguments)}
