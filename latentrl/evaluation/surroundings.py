"""The environment that a run is judged in: its data's own, or another that is named, made as the data was recorded."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from latentrl.agents.bounds import LIMIT
from latentrl.data_collection.ground_truth import declared_by
from latentrl.data_collection.making import make_as_recorded
from latentrl.data_collection.rounds import reset
from latentrl.data_collection.timing import control_step_of
from latentrl.envs import ENVIRONMENTS, coordinates_of
from latentrl.envs.declaration import Declaration, declaration_from_json
from latentrl.support.errors import UserError, message_of
from latentrl.support.options import check_one_or_more
from latentrl.types import is_image_shape

SAME_STEP = 0.05
"""Share by which two steps' seconds may differ: rates are rounded, those of GIFs to hundredths of a second."""


@dataclass(frozen=True)
class Surroundings:
    """What an environment says of itself once it is made.

    Attributes:
        recorded: how it is made, as ``metadata.json`` says it.
        control_step: seconds between two actions; 1 where nobody says, and times are then in steps.
        longest: steps after which it ends an episode by itself; None: it says none.
        films: whether it makes pictures for people.
        declared: the coordinates and tasks in its ``metadata``.
        info: what it tells after a reset, each entry ``[1, ...]``; empty where nobody asked.
        doubts: why what is judged in it may not count, in words.
    """

    recorded: Mapping[str, Any]
    control_step: float
    longest: int | None
    films: bool
    declared: Declaration
    info: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()


def recorded_with(stored: Mapping[str, Any], env: str | None, repeat: int | None) -> dict[str, Any]:
    """A run's description of its data, with another environment or repetition where one is given.

    Args:
        stored: "data" of the run's ``settings.json``.
        env: an alias or a Gymnasium id; None: the data's own.
        repeat: environment steps that each action is held for; None: as recorded.

    Raises:
        UserError: a bad number, or the data's own environment is of a module that nobody has named.
    """
    found = dict(stored)
    if env is not None:
        env_id = ENVIRONMENTS[env].env_id if env in ENVIRONMENTS else env
        if env_id != stored.get("env_id"):
            # What the data's environment says of its time by the way, another says of its own.
            guessed = ("control_step",) if stored.get("control_step_from") in ("dt", "render_fps") else ()
            found = {key: value for key, value in found.items() if key not in (LIMIT, *guessed)} | {"env_kwargs": {}}
        found["env_id"] = env_id
    else:
        _refuse_module(str(stored.get("env_id") or ""))
    if repeat is not None:
        check_one_or_more(repeat=repeat)
        step, before = found.get("control_step"), found.get("repeat") or 1
        # The stored step of an environment is that of the stored repetition. Recordings last as long as they last,
        # however many steps of an environment fill one of theirs.
        found["repeat"] = repeat
        if step is not None and stored.get("env_id"):
            found["control_step"] = step * repeat / before
    return found


def _refuse_module(env_id: str) -> None:
    """Refuse to import a module because a run's files name it: somebody else may have sent them."""
    module, _, _ = env_id.rpartition(":")
    if module and module not in sys.modules:
        raise UserError(
            f"the run's data was recorded from {env_id}, whose module is only imported if you name it: give --env "
            f"{shlex.quote(env_id)}"
        )


def look_at(recorded: Mapping[str, Any], spec: Mapping[str, Any], recordings: bool, info: bool = False) -> Surroundings:
    """Make the environment, check that the model can act in it, and ask it what it says.

    Args:
        recorded: of :func:`recorded_with`.
        spec: of the model, as ``settings.json`` has it.
        recordings: whether the data is from elsewhere, so that nobody recorded how the environment shows its pictures.
        info: whether to reset it once, and keep what it tells.

    Raises:
        UserError: there is no environment, it cannot be made, or it observes or takes something else than the model.
    """
    shape, kwargs = tuple(spec["observation_shape"]), dict(recorded)
    with _made(kwargs) as envs:
        seen = envs.single_observation_space
        rendered = recordings and is_image_shape(shape) and seen.shape != shape
        if not rendered:
            return _surroundings(kwargs, envs, spec, info)
    kwargs |= {"pixels": [shape[0], shape[1]], "grey": shape[2] == 1}
    with _made(kwargs) as envs:
        return _surroundings(kwargs, envs, spec, info)


@contextmanager
def _made(recorded: Mapping[str, Any]) -> Iterator[VectorEnv]:
    if not recorded.get("env_id"):
        raise UserError("--env: the run was trained on recordings, so name the environment that its agents act in")
    try:
        envs = make_as_recorded(recorded, 1)
    except (TypeError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"--env {recorded['env_id']}: {message_of(error)}") from error
    try:
        yield envs
    finally:
        envs.close()


def _surroundings(recorded: dict[str, Any], envs: VectorEnv, spec: Mapping[str, Any], info: bool) -> Surroundings:
    env_id = recorded["env_id"]
    _check(env_id, envs, spec)
    declared = {name: declared_by(envs, name) for name in ("coordinates", "tasks")}
    known = coordinates_of(recorded)
    modes = envs.metadata.get("render_modes") or ()
    repeat = recorded.get("repeat") or 1
    limit = None if envs.spec is None else envs.spec.max_episode_steps
    step, doubts = _control_step(recorded, envs, repeat)
    return Surroundings(
        _bounded(recorded, envs),
        step,
        None if limit is None else max(1, math.ceil(limit / repeat)),
        recorded.get("pixels") is not None or "rgb_array" in modes,
        declaration_from_json(
            {name: value for name, value in declared.items() if value is not None}, f"{env_id}: its metadata", known
        ),
        _told(envs) if info else {},
        doubts,
    )


def _told(envs: VectorEnv) -> dict[str, NDArray[Any]]:
    told = reset(envs, 0, None)[1]
    return {name: np.asarray(value) for name, value in told.items() if not name.startswith("_")}


def _check(env_id: str, envs: VectorEnv, spec: Mapping[str, Any]) -> None:
    observation, action = envs.single_observation_space, envs.single_action_space
    assert isinstance(observation, Box) and isinstance(action, Box)
    shape, pictures = tuple(spec["observation_shape"]), spec["observation_dtype"] == "uint8"
    size = math.prod(action.shape)
    if observation.shape != shape or (observation.dtype == np.uint8) != pictures:
        raise UserError(
            f"--env {env_id}: observes {observation.dtype} of shape {observation.shape}, but the run's model sees "
            f"{spec['observation_dtype']} of shape {shape}; give the environment that the data shows"
        )
    if size != spec["action_size"]:
        raise UserError(
            f"--env {env_id}: takes {size} actions, but the run's model has {spec['action_size']}; "
            "give the environment that the data shows"
        )


def _bounded(recorded: dict[str, Any], envs: VectorEnv) -> dict[str, Any]:
    """The description with bounds that data and environment share: an action beyond either means nothing."""
    space = envs.single_action_space
    assert isinstance(space, Box)
    low, high = space.low.reshape(-1).astype(float), space.high.reshape(-1).astype(float)
    if recorded.get("action_low") is not None and recorded.get("action_high") is not None:
        low, high = np.maximum(low, recorded["action_low"]), np.minimum(high, recorded["action_high"])
        if not (low < high).all():
            raise UserError(
                f"--env {recorded['env_id']}: takes actions {space.low.tolist()} to {space.high.tolist()}, but the "
                f"run's are from {recorded['action_low']} to {recorded['action_high']}; wrap it, so that units agree"
            )
    return {**recorded, "action_low": low.tolist(), "action_high": high.tolist()}


def _control_step(recorded: Mapping[str, Any], envs: VectorEnv, repeat: int) -> tuple[float, tuple[str, ...]]:
    """As recorded, else what the environment says; 1 where nobody does. And what to say where the two differ."""
    told = control_step_of(envs, repeat)
    if recorded.get("control_step") is None:
        return told.seconds or 1.0, ()
    step = float(recorded["control_step"])
    if told.seconds is None or math.isclose(step, told.seconds, rel_tol=SAME_STEP):
        return step, ()
    held = max(1, round(repeat * step / told.seconds))
    right = math.isclose(step, held * told.seconds / repeat, rel_tol=SAME_STEP)
    cure = f"give --repeat {held}" if right else "give one whose steps, held so often with --repeat, last as long"
    doubt = (
        f"a step of the data takes {step:.3g} s, one of {recorded['env_id']}"
        f"{f' with --repeat {repeat}' if repeat > 1 else ''} {told.seconds:.3g} s, as its {told.said_by} says: the "
        f"model foresees another time than passes; {cure}"
    )
    return step, (doubt,)
