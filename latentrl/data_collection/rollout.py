"""Vectorised collection of equally long sequences from any Gymnasium environment with a continuous action space."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from latentrl import envs as environments
from latentrl.data_collection.behaviour import Behaviour, uniform
from latentrl.envs.pixels import PixelObservation
from latentrl.errors import UserError
from latentrl.types import Trajectory

FRUITLESS_ROUNDS = 20


def make(
    env_id: str,
    env_kwargs: dict[str, Any],
    num_envs: int | None = None,
    pixels: int | None = None,
    grey: bool = False,
) -> VectorEnv:
    """``num_envs`` parallel copies of an environment, checked to be one that sequences can be collected from.

    The environment's own vectorised version is used where it offers one and ``pixels`` is None.

    Args:
        env_id: any Gymnasium id, also in the form ``module:id``.
        env_kwargs: passed to the environment.
        num_envs: default 100 for a vectorised version, else 8.
        pixels: if given, the observation is the rendered picture resized to ``[pixels, pixels, 3]`` uint8, and the
            environment's own observation becomes ground truth.
        grey: with ``pixels``, observe brightness alone, ``[pixels, pixels, 1]``.

    Raises:
        UserError: no such environment, actions that are not a bounded Box, or observations that are not a Box.
    """
    environments.register()
    try:
        name = _import(env_id)
        if pixels is not None:
            wrappers = [partial(PixelObservation, size=pixels, grey=grey)]
            kwargs = {**env_kwargs, "render_mode": "rgb_array"}
            envs = gymnasium.make_vec(name, num_envs or 8, "sync", wrappers=wrappers, **kwargs)
        elif gymnasium.spec(name).vector_entry_point is not None:
            envs = gymnasium.make_vec(name, num_envs or 100, "vector_entry_point", **env_kwargs)
        else:
            envs = gymnasium.make_vec(name, num_envs or 8, "sync", **env_kwargs)
    except (gymnasium.error.Error, ModuleNotFoundError) as error:
        raise UserError(f"--env {env_id}: {_one_line(error)}") from error
    _check_spaces(env_id, envs)
    return envs


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
    if sequences < 0 or length < 2:
        raise UserError(f"sequences={sequences}, length={length}: give zero sequences or more, of two steps or more")
    control_seed, round_seeds = np.random.SeedSequence(seed).spawn(2)
    rng = np.random.default_rng(control_seed)
    collected = fruitless = 0
    while collected < sequences:
        # 31 bits, because some simulators take no more.
        round_seed = int(round_seeds.spawn(1)[0].generate_state(1)[0] >> 1)
        complete = _play(envs, length, round_seed, rng, behaviour, reset_options)[: sequences - collected]
        fruitless = 0 if complete else fruitless + 1
        if fruitless == FRUITLESS_ROUNDS:
            raise UserError(
                f"--length {length}: none of {FRUITLESS_ROUNDS * envs.num_envs} episodes lasted that long; "
                "give a shorter length"
            )
        collected += len(complete)
        if progress is not None:
            progress(len(complete) * length)
        yield from complete


def collect(
    env_id: str,
    env_kwargs: dict[str, Any],
    sequences: int,
    length: int,
    seed: int,
    behaviour: Behaviour = uniform,
    num_envs: int | None = None,
    pixels: int | None = None,
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


def _import(env_id: str) -> str:
    """Import the module of ``module:id`` and return the id: ``gymnasium.make`` does so, ``gymnasium.spec`` does not."""
    module, _, name = env_id.rpartition(":")
    if module:
        importlib.import_module(module)
    return name


def _play(
    envs: VectorEnv,
    length: int,
    seed: int,
    rng: np.random.Generator,
    behaviour: Behaviour,
    reset_options: dict[str, Any] | None,
) -> list[Trajectory]:
    """One round: the trajectories of the environments whose episodes lasted."""
    space = envs.single_action_space
    assert isinstance(space, Box)
    low, high = space.low.reshape(-1).astype(np.float32), space.high.reshape(-1).astype(np.float32)
    actions = behaviour(rng, low, high, envs.num_envs, length - 1)

    observation, info = _first_reset(envs, seed, reset_options)
    # Copies, here and below, because an environment may use its arrays again.
    observations, infos = [observation.copy()], [_ground_truth(envs, info)]
    ended = np.zeros((envs.num_envs, length - 1), dtype=bool)
    for t in range(length - 1):
        action = actions[:, t].reshape(envs.num_envs, *space.shape).astype(space.dtype)
        observation, _, terminated, truncated, info = envs.step(action)
        ended[:, t] = terminated | truncated
        observations.append(observation.copy())
        infos.append(_ground_truth(envs, info))

    # With NEXT_STEP resets the observation that comes with the end still belongs to the episode.
    if envs.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP:
        ended = ended[:, :-1]
    stacked = _recordable(np.stack(observations, axis=1))
    truth = {key: np.stack([step[key] for step in infos], axis=1) for key in infos[0]}
    return [
        Trajectory(stacked[n], actions[n], {key: values[n] for key, values in truth.items()}, seed)
        for n in np.flatnonzero(~ended.any(axis=1))
    ]


def _first_reset(envs: VectorEnv, seed: int, options: dict[str, Any] | None) -> tuple[NDArray[Any], dict[str, Any]]:
    try:
        return envs.reset(seed=seed, options=options)
    except gymnasium.error.DependencyNotInstalled as error:
        raise UserError(f"{envs.spec.id if envs.spec else envs}: {_one_line(error)}") from error
    except (ValueError, TypeError, KeyError) as error:
        if options is None:
            raise
        raise UserError(f"--reset-options {json.dumps(options)}: refused ({_one_line(error)})") from error


def _ground_truth(envs: VectorEnv, info: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """The announced entries of ``info``, each ``[num_envs, ...]``."""
    keys = envs.metadata.get("ground_truth", ())
    missing = [key for key in keys if key not in info]
    if missing:
        raise UserError(f'{envs}: metadata["ground_truth"] announces {missing[0]!r}, but info has only {sorted(info)}')
    return {key: np.array(info[key]) for key in keys}


def _recordable(observations: NDArray[Any]) -> NDArray[Any]:
    """Images stay uint8; everything else becomes float32."""
    return observations if observations.dtype == np.uint8 else observations.astype(np.float32)


def _check_spaces(env_id: str, envs: VectorEnv) -> None:
    action, observation = envs.single_action_space, envs.single_observation_space
    problem = None
    if not isinstance(action, Box):
        problem = f"its action space is {action}; latent models here need continuous actions, a Box"
    elif not action.is_bounded():
        problem = f"its action space {action} is unbounded; wrap it with gymnasium.wrappers.RescaleAction or clip it"
    elif not isinstance(observation, Box):
        problem = (
            f"its observation space is {type(observation).__name__}, not Box; observe pictures with --pixels 64 or "
            "wrap it with gymnasium.wrappers.FlattenObservation"
        )
    if problem is not None:
        envs.close()
        raise UserError(f"--env {env_id}: {problem}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
