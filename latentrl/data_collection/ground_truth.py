"""An environment's description of the ground truth that is recorded with its data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.vector import SyncVectorEnv, VectorEnv
from numpy.typing import NDArray

from latentrl.data_collection.making import Size
from latentrl.envs import coordinates_of, environment_named
from latentrl.envs.coordinates import Coordinate, coordinates_from_json
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
    declared = _declared(envs)
    if declared is None:
        return []
    found = coordinates_from_json(declared, f"{env_id}: {DECLARED}")
    announced = tuple(envs.metadata.get("ground_truth", ()))
    for at, one in enumerate(found):
        if one.key not in announced:
            raise UserError(
                f'{env_id}: {DECLARED}[{at}] is about {one.key!r}, but metadata["ground_truth"] announces '
                f"{', '.join(map(repr, announced)) or 'nothing'}"
            )
    return list(found)


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


def _declared(envs: VectorEnv) -> Any:
    """The environments' own declaration, past any wrapper that has metadata of its own."""
    base = envs.unwrapped
    if "coordinates" in envs.metadata or not isinstance(base, SyncVectorEnv):
        return envs.metadata.get("coordinates")
    return base.envs[0].unwrapped.metadata.get("coordinates")
