"""An environment's description of the ground truth that is recorded with its data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.vector import SyncVectorEnv, VectorEnv
from numpy.typing import NDArray

from latentrl.data_collection.making import Size
from latentrl.envs import coordinates_of, environment_named
from latentrl.envs.coordinates import Coordinate, coordinates_from_json
from latentrl.envs.declaration import Declaration, checked_tasks, read_declaration
from latentrl.support.errors import UserError

DECLARED = 'metadata["coordinates"]'


def coordinates_in(
    envs: VectorEnv, env_id: str, env_kwargs: Mapping[str, Any], pixels: Size | None
) -> list[Coordinate]:
    """The coordinates of the environments' ground truth: as described in this package, or as they declare them.

    Any other Gymnasium environment may declare them as ``metadata["coordinates"]``, a list of dictionaries, each what
    :class:`~latentrl.envs.coordinates.Coordinate` takes. Without a declaration there are none.

    Args:
        envs: the environments that are recorded.
        env_id: their Gymnasium id, perhaps as ``module:id``.
        env_kwargs: what they are made with.
        pixels: the size of rendered pictures, if these are observed.

    Raises:
        UserError: the declaration is wrong, or about entries that are not announced as ground truth; names the entry.
    """
    if environment_named(env_id) is not None:
        return list(coordinates_of({"env_id": env_id, "env_kwargs": env_kwargs, "pixels": pixels}))
    declared = declared_by(envs, "coordinates")
    if declared is None:
        return []
    found = coordinates_from_json(declared, f"{env_id}: {DECLARED}")
    _check_announced(found, envs, f"{env_id}: {DECLARED}")
    return list(found)


def declaration_in(
    envs: VectorEnv, env_id: str, env_kwargs: Mapping[str, Any], pixels: Any, describe: str | None
) -> Declaration:
    """Coordinates and tasks: as a file declares them, else as of :func:`coordinates_in` and ``metadata["tasks"]``.

    Args:
        envs: the environments that are recorded.
        env_id: their Gymnasium id, perhaps as ``module:id``.
        env_kwargs: what they are made with.
        pixels: the size of rendered pictures, if these are observed.
        describe: the file's path; None: there is none.

    Raises:
        UserError: a wrong declaration, or one about entries that are not announced as ground truth; names the entry.
    """
    own = tuple(coordinates_in(envs, env_id, env_kwargs, pixels))
    if describe is None:
        # An environment of this package has its tasks in this package.
        tasks = None if environment_named(env_id) is not None else declared_by(envs, "tasks")
        return Declaration(own, checked_tasks(tasks or {}, own, f"{env_id}: its metadata"))
    found = read_declaration(Path(describe), own)
    _check_announced(found.coordinates, envs, f"--describe {describe}: coordinates")
    return found


def check_recorded(coordinates: Sequence[Coordinate], infos: Mapping[str, NDArray[Any]], length: int) -> None:
    """Refuse coordinates that are no single number of the recorded ground truth.

    Args:
        coordinates: what is said of it.
        infos: of one trajectory, each entry ``[T, ...]``.
        length: T.

    Raises:
        UserError: names the coordinate.
    """
    for one in coordinates:
        shape = np.shape(infos[one.key])
        fits = shape == (length,) if one.index is None else len(shape) == 2 and one.index < shape[1]
        if not fits:
            raise UserError(
                f"coordinate {one.name!r}: info[{one.key!r}] has the shape {shape[1:]} and the coordinate the index "
                f"{one.index}; give the index of one of its numbers, and none where it is a single number"
            )


def _check_announced(coordinates: Sequence[Coordinate], envs: VectorEnv, where: str) -> None:
    announced = tuple(envs.metadata.get("ground_truth", ()))
    for at, one in enumerate(coordinates):
        if one.key not in announced:
            raise UserError(
                f'{where}[{at}] is about {one.key!r}, but metadata["ground_truth"] announces '
                f"{', '.join(map(repr, announced)) or 'nothing'}"
            )


def declared_by(envs: VectorEnv, entry: str) -> Any:
    """An entry of the environments' own ``metadata``, past any wrapper that has one of its own; None: there is none."""
    base = envs.unwrapped
    if entry in envs.metadata or not isinstance(base, SyncVectorEnv):
        return envs.metadata.get(entry)
    return base.envs[0].unwrapped.metadata.get(entry)
