"""Vectorised collection of equally long sequences from any Gymnasium environment with a continuous action space."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

from gymnasium.spaces import Box
from gymnasium.vector import VectorEnv

from latentrl.data_collection.behaviour import Behaviour, uniform
from latentrl.data_collection.making import Size, make
from latentrl.data_collection.rounds import Played, Player, Round, plan, play
from latentrl.support.errors import UserError
from latentrl.types import Trajectory

FRUITLESS_ROUNDS = 20


@dataclass(frozen=True)
class Tally:
    """How far a collection is: where it can go on.

    Attributes:
        rounds: played.
        sequences: kept of them.
        fruitless: rounds in a row, the last ones, of which no episode lasted.
        dropped: episodes that ended too early.
    """

    rounds: int = 0
    sequences: int = 0
    fruitless: int = 0
    dropped: int = 0


def rollout(
    envs: VectorEnv,
    sequences: int,
    length: int,
    seed: int,
    behaviour: Behaviour = uniform,
    progress: Callable[[int], object] | None = None,
    reset_options: dict[str, Any] | None = None,
) -> Iterator[Trajectory]:
    """Collect ``sequences`` sequences of exactly ``length`` observations, each from the start of an episode.

    All environments start together and run for ``length`` observations, round after round. An episode that ends
    earlier is dropped and replaced in a later round. Every round has a seed of its own, derived from ``seed`` and noted
    in its trajectories: ``envs.reset(seed=...)`` repeats their first states. The same seed and ``envs.num_envs`` give
    the same data.

    Args:
        envs: from :func:`make`. The entries of ``info`` named by ``envs.metadata["ground_truth"]`` are recorded.
        sequences: how many.
        length: observations in each; there is one action less.
        seed: of environments and controls.
        behaviour: draws the controls.
        progress: called with the number of frames each time some are done.
        reset_options: passed to every reset; what they mean is the environment's affair, often where episodes start.

    Raises:
        UserError: too few episodes last for ``length`` observations, an announced ground truth is missing, or the
            environment refuses ``reset_options``.
    """
    for trajectories, _ in gather(player(envs, reset_options), envs, sequences, length, seed, behaviour):
        if progress is not None:
            progress(len(trajectories) * length)
        yield from trajectories


def player(envs: VectorEnv, reset_options: dict[str, Any] | None = None) -> Player:
    """Plays rounds in this process."""
    return lambda rounds: (play(envs, task, reset_options) for task in rounds)


def gather(
    played: Player,
    envs: VectorEnv,
    sequences: int,
    length: int,
    seed: int,
    behaviour: Behaviour = uniform,
    start: Tally | None = None,
) -> Generator[tuple[list[Trajectory], Tally], None, None]:
    """The trajectories of :func:`rollout`, round by round, each time with how far the collection then is.

    Args:
        played: plays the rounds, here or in other processes.
        envs: how many, and what their action space is; they are not moved.
        sequences: how many, those before ``start`` included.
        length: observations in each.
        seed: of environments and controls.
        behaviour: draws the controls.
        start: the tally after which to go on; what follows is what would have followed without a break.

    Raises:
        UserError: too few episodes last for ``length`` observations.
    """
    if sequences < 0 or length < 2:
        raise UserError(f"sequences={sequences}, length={length}: give zero sequences or more, of two steps or more")
    space, tally = envs.single_action_space, start or Tally()
    assert isinstance(space, Box)
    rounds: Iterator[Round] = islice(plan(space, envs.num_envs, length, seed, behaviour), tally.rounds, None)
    with closing(played(rounds)) as results:
        while tally.sequences < sequences:
            result = next(results)
            trajectories = _split(result)[: sequences - tally.sequences]
            fruitless = 0 if trajectories else tally.fruitless + 1
            if fruitless == FRUITLESS_ROUNDS:
                raise UserError(
                    f"--length {length}: none of {FRUITLESS_ROUNDS * envs.num_envs} episodes lasted that long; "
                    "give a shorter length"
                )
            tally = Tally(
                tally.rounds + 1, tally.sequences + len(trajectories), fruitless, tally.dropped + result.dropped
            )
            yield trajectories, tally


def collect(
    env_id: str,
    env_kwargs: dict[str, Any],
    sequences: int,
    length: int,
    seed: int,
    behaviour: Behaviour = uniform,
    num_envs: int | None = None,
    pixels: Size | None = None,
    progress: Callable[[int], object] | None = None,
    grey: bool = False,
    reset_options: dict[str, Any] | None = None,
) -> Iterator[Trajectory]:
    """:func:`make`, :func:`rollout` and close."""
    envs = make(env_id, env_kwargs, num_envs, pixels, grey)
    try:
        yield from rollout(envs, sequences, length, seed, behaviour, progress, reset_options)
    finally:
        envs.close()


def _split(played: Played) -> list[Trajectory]:
    return [
        Trajectory(observations, actions, {key: values[n] for key, values in played.infos.items()}, played.seed)
        for n, (observations, actions) in enumerate(zip(played.observations, played.actions, strict=True))
    ]
