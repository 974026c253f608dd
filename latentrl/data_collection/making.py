"""Any Gymnasium environment, many at once, checked before anything is recorded from it."""

from __future__ import annotations

import difflib
import importlib
import json
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Tuple
from gymnasium.vector import VectorEnv
from gymnasium.wrappers import FlattenObservation

from latentrl import envs as environments
from latentrl.envs.drawn_unseen import draw_unseen
from latentrl.envs.pixels import PixelObservation
from latentrl.envs.repeat import ActionRepeat, VectorActionRepeat
from latentrl.support.errors import UserError, message_of

Size = int | Sequence[int]
"""Of pictures: one number for height and width, or the two of them."""
FAILURES = (Exception, SystemExit)
"""What an environment's own code may end with: its ``sys.exit()`` is no way for it to end a verb."""


def make(
    env_id: str,
    env_kwargs: Mapping[str, Any],
    num_envs: int | None = None,
    pixels: Size | None = None,
    grey: bool = False,
    repeat: int = 1,
    crop: Sequence[int] | None = None,
) -> VectorEnv:
    """``num_envs`` parallel copies of an environment, checked to be one that sequences can be collected from.

    The environment's own vectorised version is used where it offers one and ``pixels`` is None. Observations that are
    dictionaries or tuples are flattened to one vector, in Gymnasium's order.

    Args:
        env_id: any Gymnasium id, also in the form ``module:id``.
        env_kwargs: passed to the environment.
        num_envs: default 100 for a vectorised version, else 8.
        pixels: if given, the observation is the rendered picture resized to ``[H, W, 3]`` uint8, and the
            environment's own observation becomes ground truth; one number stands for both H and W.
        grey: with ``pixels``, observe brightness alone, ``[H, W, 1]``.
        repeat: each action is held for so many of the environment's steps.
        crop: with ``pixels``, the part ``(top, left, height, width)`` of the rendered picture that is looked at.

    Raises:
        UserError: no such environment, actions that are not a bounded Box of floats, or observations that are no
            arrays.
    """
    environments.register()
    draw_unseen()
    given = f" --env-kwargs {json.dumps(dict(env_kwargs), default=str)}" if env_kwargs else ""
    try:
        name = _import(env_id)
        if pixels is None and gymnasium.spec(name).vector_entry_point is not None:
            envs = gymnasium.make_vec(name, num_envs or 100, "vector_entry_point", **env_kwargs)
            if repeat != 1:
                envs = VectorActionRepeat(envs, repeat)
        else:
            wrappers = _wrappers(pixels, grey, repeat, crop)
            kwargs = dict(env_kwargs) if pixels is None else {**env_kwargs, "render_mode": "rgb_array"}
            envs = gymnasium.make_vec(name, num_envs or 8, "sync", wrappers=wrappers, **kwargs)
    except gymnasium.error.UnregisteredEnv as error:
        # Gymnasium's own suggestion, if it has one, knows the names of its own alone.
        problem = message_of(error).partition(" Did you mean")[0].rstrip(".")
        raise UserError(f"--env {env_id}: {problem}{_did_you_mean(env_id)}") from error
    except (gymnasium.error.Error, ModuleNotFoundError) as error:
        raise UserError(f"--env {env_id}: {message_of(error)}") from error
    except UserError as error:
        raise UserError(f"--env {env_id}{given}: {error}") from error
    except FAILURES as error:
        inner = traceback.extract_tb(error.__traceback__)[-1]
        raise UserError(
            f"--env {env_id}{given}: making it raised {type(error).__name__}: {message_of(error)} "
            f"({inner.filename}:{inner.lineno})"
        ) from error
    _check_spaces(env_id, envs)
    return envs


def make_as_recorded(metadata: Mapping[str, Any], num_envs: int, render: bool = False) -> VectorEnv:
    """The environment of a data folder, as it was recorded: its arguments, pictures, crop and held actions.

    Args:
        metadata: the folder's, or the copy of them under "data" in a run's ``settings.json``.
        num_envs: parallel copies.
        render: also make pictures for people: ``render()`` gives ``num_envs`` of them, ``[H, W, 3]`` of any size.

    Raises:
        UserError: the data has no environment, or it cannot be made.
    """
    env_id = metadata.get("env_id")
    if not env_id:
        raise UserError("the data was not recorded from an environment: name one with --env")
    pixels, kwargs = metadata.get("pixels"), dict(metadata.get("env_kwargs") or {})
    if render and pixels is None:
        kwargs["render_mode"] = "rgb_array"
    how = {key: metadata[key] for key in ("grey", "repeat", "crop") if metadata.get(key) is not None}
    return make(env_id, kwargs, num_envs, pixels, **how)


def name_of(envs: VectorEnv) -> str:
    """The id that environments were made by."""
    spec = envs.unwrapped.spec
    return spec.id if spec is not None else str(envs)


def failure(envs: VectorEnv, call: str, error: BaseException) -> UserError:
    """What to say when an environment raises an error of its own in ``call``: its name, the error, and where it is."""
    if isinstance(error, UserError):
        return UserError(f"--env {name_of(envs)}: {error}")
    inner = traceback.extract_tb(error.__traceback__)[-1]
    return UserError(
        f"--env {name_of(envs)}: its {call} raised {type(error).__name__}: {message_of(error)} "
        f"({inner.filename}:{inner.lineno})"
    )


def _wrappers(
    pixels: Size | None, grey: bool, repeat: int, crop: Sequence[int] | None
) -> list[Callable[[gymnasium.Env[Any, Any]], Any]]:
    """From the inside out: held steps are not rendered."""
    found: list[Callable[[gymnasium.Env[Any, Any]], Any]] = []
    if repeat != 1:
        found.append(partial(ActionRepeat, repeat=repeat))
    if pixels is None:
        return [*found, _flat]
    return [*found, partial(PixelObservation, size=pixels, grey=grey, crop=crop)]


def _flat(env: gymnasium.Env[Any, Any]) -> gymnasium.Env[Any, Any]:
    return FlattenObservation(env) if isinstance(env.observation_space, Dict | Tuple) else env


def _import(env_id: str) -> str:
    """Import the module of ``module:id`` and return the id: ``gymnasium.make`` does so, ``gymnasium.spec`` does not."""
    module, _, name = env_id.rpartition(":")
    if module:
        importlib.import_module(module)
    return name


def _did_you_mean(env_id: str) -> str:
    """The cure for an id that Gymnasium does not know."""
    name = env_id.rpartition(":")[2]
    known = [*environments.ENVIRONMENTS, *gymnasium.registry]
    close = difflib.get_close_matches(name, known, 3, 0.6)
    if not close:
        lower = {one.lower().rpartition("/")[2]: one for one in known}
        close = [lower[one] for one in difflib.get_close_matches(name.lower(), list(lower), 3, 0.6)]
    hint = f"; did you mean {' or '.join(close)}?" if close else "."
    return f"{hint} An environment that a module of yours registers is named together with it: --env module:id"


def _check_spaces(env_id: str, envs: VectorEnv) -> None:
    action, observation = envs.single_action_space, envs.single_observation_space
    problem = None
    if not isinstance(action, Box):
        problem = f"its action space is {action}; latent models here need continuous actions, a Box"
    elif not action.is_bounded():
        problem = f"its action space {action} is unbounded; wrap it with gymnasium.wrappers.RescaleAction or clip it"
    elif not np.issubdtype(action.dtype, np.floating):
        problem = (
            f"its actions are whole numbers, {action.dtype}, which would be rounded and not be what is recorded; wrap "
            "it with gymnasium.wrappers.TransformAction, from a Box of float32"
        )
    elif not (action.low < action.high).any():
        problem = f"its action space is {action}, in which there is one action alone; give it others"
    elif not isinstance(observation, Box):
        problem = (
            f"its observation space is {type(observation).__name__}, not Box; observe pictures with --pixels 64 or "
            "wrap it with gymnasium.wrappers.FlattenObservation"
        )
    if problem is not None:
        envs.close()
        raise UserError(f"--env {env_id}: {problem}")
