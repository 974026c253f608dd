"""Rounds in several processes: the same data, errors that arrive, no process left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Box

from latentrl.data_collection.behaviour import uniform
from latentrl.data_collection.making import make
from latentrl.data_collection.rollout import Tally, gather, player
from latentrl.data_collection.rounds import plan
from latentrl.data_collection.workers import Workers
from latentrl.envs import PENDULUM
from latentrl.support.errors import UserError
from latentrl.types import Trajectory

PENDULUMS = partial(make, PENDULUM, {}, 2)


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(PENDULUMS, 2) as workers:
        yield workers


def collected(play: Any, sequences: int, seed: int = 0, start: Tally | None = None) -> list[Trajectory]:
    envs = PENDULUMS()
    return [t for some, _ in gather(play, envs, sequences, 4, seed, start=start) for t in some]


def same(one: list[Trajectory], other: list[Trajectory]) -> bool:
    def arrays(trajectory: Trajectory) -> list[np.ndarray]:
        return [trajectory.observations, trajectory.actions, *trajectory.infos.values()]

    return len(one) == len(other) and all(
        a.seed == b.seed and all(map(np.array_equal, arrays(a), arrays(b))) for a, b in zip(one, other, strict=True)
    )


def test_the_data_does_not_depend_on_the_processes(workers: Workers) -> None:
    alone = collected(player(PENDULUMS()), 11)
    assert same(collected(workers.play, 11), alone)
    # Rounds that were begun in advance for the call before are not taken for this one's.
    assert same(collected(workers.play, 5, seed=7), collected(player(PENDULUMS()), 5, seed=7))
    assert not same(collected(workers.play, 5, seed=8), collected(player(PENDULUMS()), 5, seed=7))


def test_goes_on_where_it_was(workers: Workers) -> None:
    envs = PENDULUMS()
    whole = list(gather(player(envs), envs, 9, 4, seed=3))
    before, (_, tally) = [t for some, _ in whole[:2] for t in some], whole[1]
    assert (tally.rounds, tally.sequences) == (2, 4)
    for play in (workers.play, player(envs)):
        assert same(before + collected(play, 9, 3, tally), [t for some, _ in whole for t in some])


@pytest.mark.parametrize(
    ("make_envs", "error", "message"),
    [
        (partial(make, "NoSuchThing-v0", {}, 1), UserError, "^--env NoSuchThing-v0"),
        (partial(make, PENDULUM, {"colour": "red"}, 2), UserError, "making it raised TypeError"),
        (partial(int, []), RuntimeError, "Traceback(.|\n)*TypeError"),
        (partial(os._exit, 3), UserError, "^--processes: a worker process died.*--processes 1"),
    ],
)
def test_errors_arrive(make_envs: Any, error: type[Exception], message: str) -> None:
    rounds = plan(Box(-1, 1, (1,), np.float32), 1, 3, 0, uniform)
    with Workers(make_envs, 1) as workers, pytest.raises(error, match=message):
        next(workers.play(rounds))


def test_none_is_left_behind_and_none_minds_ctrl_c() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Workers(PENDULUMS, 2) as workers:
        envs = PENDULUMS()
        gathered = gather(workers.play, envs, 20, 4, 0)
        next(gathered)
        mine = [p for p in multiprocessing.active_children() if p.pid in {q.pid for q in workers._processes}]
        assert len(mine) == 2
        for process in mine:
            assert process.pid is not None
            os.kill(process.pid, signal.SIGINT)
        assert next(gathered)[1].rounds == 2
    assert not any(process.is_alive() for process in mine)
    assert signal.getsignal(signal.SIGINT) is before
