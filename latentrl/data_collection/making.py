"""Any Gymnasium environment, many at once, checked before anything is recorded from it."""

from __future__ import annotations

import importlib
from functools import partial
from typing import Any

import gymnasium
from gymnasium.spaces import Box
from gymnasium.vector import VectorEnv

from latentrl import envs as environments
from latentrl.envs.pixels import PixelObservation
from latentrl.support.errors import UserError


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
        raise UserError(f"--env {env_id}: {one_line(error)}") from error
    _check_spaces(env_id, envs)
    return envs


def one_line(error: Exception) -> str:
    """An error's message without line breaks."""
    return " ".join(str(error).split())


def _import(env_id: str) -> str:
    """Import the module of ``module:id`` and return the id: ``gymnasium.make`` does so, ``gymnasium.spec`` does not."""
    module, _, name = env_id.rpartition(":")
    if module:
        importlib.import_module(module)
    return name


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
