"""Rounds: all environments start together and run for equally many steps.

A round is fixed by its seed and its controls, which are drawn before anything moves. So rounds can be played anywhere,
in any process and order, and give the same data. No torch here: worker processes import this.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from latentrl.data_collection.behaviour import Behaviour, Floats
from latentrl.data_collection.making import failure, name_of
from latentrl.support.errors import UserError, message_of


class Round(NamedTuple):
    """What a round is seeded with, and the controls ``[num_envs, T - 1, Du]`` that its environments get."""

    seed: int
    actions: Floats


class Played(NamedTuple):
    """The ``N`` episodes of a round that lasted for all its steps.

    ``observations [N, T, ...]``, ``actions [N, T - 1, Du]`` and the ground truth ``infos``, each ``[N, T, ...]``; how
    many others were ``dropped``.
    """

    seed: int
    observations: NDArray[Any]
    actions: Floats
    infos: dict[str, NDArray[Any]]
    dropped: int = 0


Player = Callable[[Iterator[Round]], Generator[Played, None, None]]
"""Plays rounds, in their order, until it is closed."""


def plan(space: Box, num_envs: int, length: int, seed: int, behaviour: Behaviour) -> Iterator[Round]:
    """The rounds of ``length`` observations that ``seed`` stands for, without end."""
    control_seed, round_seeds = np.random.SeedSequence(seed).spawn(2)
    rng = np.random.default_rng(control_seed)
    low, high = space.low.reshape(-1).astype(np.float32), space.high.reshape(-1).astype(np.float32)
    while True:
        # 31 bits, because some simulators take no more.
        round_seed = int(round_seeds.spawn(1)[0].generate_state(1)[0] >> 1)
        yield Round(round_seed, behaviour(rng, low, high, num_envs, length - 1))


def play(envs: VectorEnv, task: Round, reset_options: dict[str, Any] | None = None) -> Played:
    """Play one round.

    Args:
        envs: the entries of ``info`` named by ``envs.metadata["ground_truth"]`` are recorded.
        task: seed and controls.
        reset_options: passed to the reset.

    Raises:
        UserError: an announced ground truth is missing, the environment refuses ``reset_options``, fails, or observes
            what is no number.
    """
    space = envs.single_action_space
    assert isinstance(space, Box)
    num_envs, steps, _ = task.actions.shape
    observation, info = reset(envs, task.seed, reset_options)
    # Copies, here and below, because an environment may use its arrays again.
    observations, infos = [observation.copy()], [ground_truth(envs, info)]
    ended = np.zeros((num_envs, steps), dtype=bool)
    for t in range(steps):
        action = task.actions[:, t].reshape(num_envs, *space.shape).astype(space.dtype)
        try:
            observation, _, terminated, truncated, info = envs.step(action)
        except (Exception, SystemExit) as error:
            raise failure(envs, "step", error) from error
        ended[:, t] = terminated | truncated
        observations.append(observation.copy())
        infos.append(ground_truth(envs, info))

    # With NEXT_STEP resets the observation that comes with the end still belongs to the episode.
    if envs.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP:
        ended = ended[:, :-1]
    whole = ~ended.any(axis=1)
    stacked = recordable(np.stack(observations, axis=1))
    _check_finite(envs, stacked[whole])
    truth = {key: np.stack([step[key] for step in infos], axis=1)[whole] for key in infos[0]}
    return Played(task.seed, stacked[whole], task.actions[whole], truth, num_envs - int(whole.sum()))


def reset(
    envs: VectorEnv, seed: int, options: dict[str, Any] | None, flag: str = "--reset-options"
) -> tuple[NDArray[Any], dict[str, Any]]:
    """The first observations ``[num_envs, ...]`` and infos of episodes, started with the ``options`` of a ``flag``.

    Raises:
        UserError: the environment refuses the options, or fails.
    """
    try:
        observation, info = envs.reset(seed=seed, options=options)
    except gymnasium.error.DependencyNotInstalled as error:
        raise UserError(f"{name_of(envs)}: {message_of(error)}") from error
    except UserError as error:
        raise failure(envs, "reset", error) from error
    except (ValueError, TypeError, KeyError) as error:
        if options is None:
            raise failure(envs, "reset", error) from error
        raise UserError(f"{flag} {json.dumps(options)}: refused ({message_of(error)})") from error
    except (Exception, SystemExit) as error:
        raise failure(envs, "reset", error) from error
    _check_finite(envs, recordable(observation)[:, None])
    return observation, info


def _check_finite(envs: VectorEnv, observations: NDArray[Any]) -> None:
    """Refuse observations ``[N, T, ...]`` that are no numbers."""
    if observations.dtype == np.uint8 or np.isfinite(observations).all():
        return
    _, step, *index = map(int, np.argwhere(~np.isfinite(observations))[0])
    value = observations[~np.isfinite(observations)][0]
    raise UserError(
        f"--env {name_of(envs)}: number {', '.join(map(str, index)) or 0} of the observation is {value} at step {step} "
        "of an episode; have the environment observe finite numbers"
    )


def ground_truth(envs: VectorEnv, info: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """The announced entries of ``info``, each ``[num_envs, ...]``."""
    keys = envs.metadata.get("ground_truth", ())
    missing = [key for key in keys if key not in info]
    if missing:
        raise UserError(f'{envs}: metadata["ground_truth"] announces {missing[0]!r}, but info has only {sorted(info)}')
    return {key: np.array(info[key]) for key in keys}


def recordable(observations: NDArray[Any]) -> NDArray[Any]:
    """Images stay uint8; everything else becomes float32."""
    return observations if observations.dtype == np.uint8 else observations.astype(np.float32)
