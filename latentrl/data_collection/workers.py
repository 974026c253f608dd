"""Rounds played in several processes: rendering and physics are what collecting from most environments costs.

The data does not depend on how many there are, because a round is fixed before it is played (see
:mod:`latentrl.data_collection.rounds`) and results are taken in the order of the rounds.
"""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from functools import partial
from itertools import islice
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from gymnasium.vector import VectorEnv

from latentrl.data_collection.rounds import Played, Round, play
from latentrl.support.errors import UserError
from latentrl.support.processes import PATIENCE_SECONDS, interrupts_ignored


class Workers:
    """Processes with environments of their own; a context manager.

    They are started afresh, not forked: an OpenGL context or a thread of the parent does not survive a fork.

    Args:
        make: makes a worker's environments; must be picklable, such as a ``functools.partial`` of a function.
        count: processes.
        reset_options: passed to every reset.
    """

    def __init__(self, make: Callable[[], VectorEnv], count: int, reset_options: dict[str, Any] | None = None) -> None:
        self._connections: list[Connection] = []
        self._processes: list[SpawnProcess] = []
        context = multiprocessing.get_context("spawn")
        with interrupts_ignored():
            for _ in range(count):
                ours, theirs = context.Pipe()
                process = context.Process(target=_serve, args=(theirs, make, reset_options), daemon=True)
                process.start()
                theirs.close()
                self._connections.append(ours)
                self._processes.append(process)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def play(self, rounds: Iterator[Round]) -> Generator[Played, None, None]:
        """Play ``rounds``, each worker one at a time; their results, in their order.

        Raises:
            UserError: of an environment, or a worker has died.
            RuntimeError: any other error of an environment, with the worker's traceback.
        """
        busy: deque[Connection] = deque()
        try:
            for connection, task in zip(self._connections, rounds, strict=False):
                _send(connection, task)
                busy.append(connection)
            while busy:
                connection = busy.popleft()
                played = _receive(connection)
                for task in islice(rounds, 1):
                    _send(connection, task)
                    busy.append(connection)
                yield played
        except GeneratorExit:
            # What was begun in advance must not be taken for the results of the next call.
            for connection in busy:
                with suppress(EOFError, OSError):
                    connection.recv()
            raise

    def close(self) -> None:
        """End the processes, in the middle of a round if need be."""
        for connection in self._connections:
            connection.close()
        for process in self._processes:
            process.join(PATIENCE_SECONDS)
            if process.is_alive():
                process.terminate()
                process.join()
        self._connections, self._processes = [], []


def _serve(connection: Connection, make: Callable[[], VectorEnv], reset_options: dict[str, Any] | None) -> None:
    """A worker's life: answer each round with what was played or what went wrong, until the parent hangs up."""
    # Mesa renders without a GPU in a thread for every core; here every core has a worker.
    os.environ.setdefault("LP_NUM_THREADS", "0")
    with suppress(EOFError, ConnectionError):
        envs = _attempt(make)
        try:
            while True:
                task = connection.recv()
                failed = isinstance(envs, Exception)
                connection.send(envs if failed else _attempt(partial(play, envs, task, reset_options)))
        finally:
            if not isinstance(envs, Exception):
                envs.close()


def _attempt(work: Callable[[], Any]) -> Any:
    """What ``work`` returns, or an error that survives the way to another process."""
    try:
        return work()
    except UserError as error:
        return error
    except Exception:
        return RuntimeError(f"an environment failed in a worker process:\n{traceback.format_exc()}")


def _send(connection: Connection, task: Round) -> None:
    # A dead worker is reported when its result is missing.
    with suppress(OSError):
        connection.send(task)


def _receive(connection: Connection) -> Played:
    try:
        answer = connection.recv()
    except (EOFError, OSError) as error:
        raise UserError(
            "--processes: a worker process died (out of memory? in a script of yours, a call that is not below "
            'if __name__ == "__main__":?); give --processes 1 to work without them'
        ) from error
    if isinstance(answer, Exception):
        raise answer
    return answer
