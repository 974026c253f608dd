"""Rounds played on the machines of a cluster; as with processes of this machine, the data does not depend on it."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

from gymnasium.vector import VectorEnv

from latentrl.clusters.base import RETRIES, Cluster, LostError, Task
from latentrl.clusters.commands import environment
from latentrl.data_collection.making import make
from latentrl.data_collection.rounds import Played, Player, Round, play
from latentrl.support.errors import UserError

AHEAD = 2
"""Rounds for each core that are asked for at a time: one is played, one waits for its end."""


def player_on(cluster: Cluster, how: Mapping[str, Any], reset_options: dict[str, Any] | None, most: int) -> Player:
    """Plays rounds as calls of a cluster; those that are lost are played again, elsewhere.

    Args:
        cluster: of machines that have what the environment needs; they need not share a folder.
        how: arguments of :func:`latentrl.data_collection.making.make`, JSON values.
        reset_options: passed to every reset.
        most: rounds at a time.
    """
    always = (json.dumps(how), reset_options, os.getcwd(), environment())

    def played(rounds: Iterator[Round]) -> Generator[Played, None, None]:
        busy: deque[Task] = deque()
        try:
            while True:
                for task in islice(rounds, AHEAD * most - len(busy)):
                    busy.append(cluster.submit(play_there, task, *always, retries=RETRIES))
                if not busy:
                    return
                yield _answer(cluster, busy.popleft())
        finally:
            for left in busy:
                cluster.cancel(left)

    return played


def play_there(
    task: Round, how: str, reset_options: dict[str, Any] | None, home: str, variables: Mapping[str, str]
) -> Played | Exception:
    """Play one round with environments of this process's own, or tell what went wrong."""
    os.environ.update(variables)
    if home not in sys.path:  # an environment's module may lie in the folder that the verb was started in
        sys.path.append(home)
    try:
        return play(_environments(how), task, reset_options)
    except UserError as error:
        return error
    except Exception:
        return RuntimeError(f"an environment failed on the cluster:\n{traceback.format_exc()}")


@lru_cache(maxsize=1)
def _environments(how: str) -> VectorEnv:
    """Made once in a process: the calls that it is given differ in the round alone."""
    # Mesa renders without a GPU in a thread for every core; here every core plays rounds of its own.
    os.environ.setdefault("LP_NUM_THREADS", "0")
    return make(**json.loads(how))


def _answer(cluster: Cluster, task: Task) -> Played:
    try:
        answer = cluster.result(task)
    except LostError as error:
        raise UserError(
            f"--on ray: a round was lost {RETRIES + 1} times with who played it ({error}); out of memory? Give fewer "
            "--num-envs, or --processes 1"
        ) from error
    if isinstance(answer, Exception):
        raise answer
    return answer
