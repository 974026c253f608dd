"""Environments with ground truth, registered with Gymnasium under the namespace ``latentrl``.

Gymnasium 1.0 dropped its plugin loader, so an environment is known once this module is imported:

    import gymnasium, latentrl.envs
    env = gymnasium.make("latentrl/Pendulum-v0")

or, with no import of our own, Gymnasium imports it: ``gymnasium.make("latentrl.envs:latentrl/Pendulum-v0")``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

import gymnasium

from latentrl.envs import control_suite, maze, pendulum, reacher, six_joint_arm
from latentrl.envs.coordinates import Coordinate, coordinates_from_json
from latentrl.envs.description import Environment
from latentrl.envs.tasks import Task
from latentrl.support.suggestion import Suggestion

ENVIRONMENTS: dict[str, Environment] = {
    one.alias: one for one in (pendulum.ENVIRONMENT, reacher.ENVIRONMENT, maze.ENVIRONMENT, six_joint_arm.ENVIRONMENT)
}
"""By alias: an environment is one folder and one line."""


class Tasks(MutableMapping[str, Task]):
    """The tasks of all `ENVIRONMENTS` in their order: looked up there, so that a new environment brings its own."""

    def __getitem__(self, name: str) -> Task:
        for one in ENVIRONMENTS.values():
            if name in one.tasks:
                return one.tasks[name]
        raise KeyError(name)

    def __setitem__(self, name: str, task: Task) -> None:
        """Put a task of one's own among those of its environment, which has to be one of `ENVIRONMENTS`."""
        next(one for one in ENVIRONMENTS.values() if one.env_id == task.env_id).tasks[name] = task

    def __delitem__(self, name: str) -> None:
        next(one for one in ENVIRONMENTS.values() if one.env_id == self[name].env_id).tasks.pop(name)

    def __iter__(self) -> Iterator[str]:
        return (name for one in ENVIRONMENTS.values() for name in one.tasks)

    def __len__(self) -> int:
        return sum(len(one.tasks) for one in ENVIRONMENTS.values())


TASKS = Tasks()
PENDULUM = pendulum.ENVIRONMENT.env_id
REACHER = reacher.ENVIRONMENT.env_id


def register() -> None:
    """Make the environments known to Gymnasium; calling it again changes nothing.

    Raises:
        ValueError: two environments have a task of one name.
    """
    names = list(TASKS)
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"tasks are named once in all environments; these are named twice: {', '.join(sorted(twice))}")
    for one in ENVIRONMENTS.values():
        if one.env_id not in gymnasium.registry:
            gymnasium.register(one.env_id, one.entry_point, vector_entry_point=one.vector_entry_point)
    control_suite.register()


def tasks_in(env_id: str) -> tuple[str, ...]:
    """Names of the tasks in an environment, the default one first."""
    return tuple(name for name, task in TASKS.items() if task.env_id == env_id)


def environment_named(env_id: str) -> Environment | None:
    """What the environment of a Gymnasium id, also as ``module:id``, says of itself; None: it is not one of these."""
    name = env_id.rpartition(":")[2]
    return next((one for one in ENVIRONMENTS.values() if one.env_id == name), None)


def coordinates_of(metadata: Mapping[str, Any], where: str = "metadata.json") -> tuple[Coordinate, ...]:
    """The coordinates of a data folder's ground truth: as stored in its metadata, else as its environment says.

    For data that stores none, the environment's id decides. ``where`` names the file in errors.

    Raises:
        UserError: stored coordinates that are none.
    """
    if metadata.get("coordinates") is not None:
        return coordinates_from_json(metadata["coordinates"], where)
    environment = environment_named(str(metadata.get("env_id")))
    if environment is None:
        return ()
    return environment.coordinates(_made_with(metadata))


def suggestion_for(metadata: Mapping[str, Any]) -> Suggestion:
    """What the environment of a data folder, by its metadata, suggests for a model; nothing where it is unknown."""
    environment = environment_named(str(metadata.get("env_id")))
    return Suggestion() if environment is None else environment.suggestion(_made_with(metadata))


def _made_with(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of an environment as it is observed."""
    seen = {"render_mode": "rgb_array"} if metadata.get("pixels") is not None else {}
    return {**metadata.get("env_kwargs", {}), **seen}


def action_limit_of(metadata: Mapping[str, Any]) -> float | None:
    """The largest action of the first task in the environment of a data folder, by its ``metadata.json``.

    Tasks that are declared with the data count, then those of this package; None: none of them says one.
    """
    declared = [entry.get("action_limit") for entry in _tasks(metadata).values()]
    own = [TASKS[name].torque for name in tasks_in(str(metadata.get("env_id")).rpartition(":")[2])]
    return next((float(limit) for limit in (*declared, *own) if limit is not None), None)


def control_step_of(metadata: Mapping[str, Any]) -> float | None:
    """Seconds between two actions in the environment of a data folder whose ``metadata.json`` does not say it.

    None: it is none of this package's.
    """
    names = tasks_in(str(metadata.get("env_id")).rpartition(":")[2])
    if not names:
        return None
    step = (metadata.get("env_kwargs") or {}).get("control_step", TASKS[names[0]].control_step)
    return float(step) * (metadata.get("repeat") or 1)


def _tasks(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """The declared tasks; what is none is told where they are read."""
    found = metadata.get("tasks")
    return {name: entry for name, entry in found.items() if isinstance(entry, dict)} if isinstance(found, dict) else {}


register()
