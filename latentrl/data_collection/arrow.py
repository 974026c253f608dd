"""One episode as Minari keeps it in Arrow format: ``NUMBER/part-0.arrow`` and ``NUMBER/metadata.json``.

The files are those that Minari's own storage writes, byte by byte. Written here they cost half the time, and the data
set's ``metadata.json`` is not written again for each of them, in place, where a process that dies leaves half a file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from latentrl.types import Trajectory

PART, EPISODE = "part-0.arrow", "metadata.json"
END = b"ARROW1"
"""The last bytes of an Arrow file."""


def write_episode(data: Path, number: int, trajectory: Trajectory) -> None:
    """Write one episode of a data set, over what there may be of it.

    Args:
        data: the folder of the data set.
        number: of the episode.
        trajectory: observations ``[T, ...]``, actions ``[T - 1, Du]``, infos ``[T, ...]``.
    """
    home, steps = data / str(number), len(trajectory.actions)
    home.mkdir(exist_ok=True)
    last = np.zeros((1, *trajectory.actions.shape[1:]), trajectory.actions.dtype)
    columns = {
        "observations": _vectors(trajectory.observations),
        # Minari's columns are as long as the observations; what follows the last action is no action.
        "actions": _vectors(np.concatenate([trajectory.actions, last])),
        "rewards": np.zeros(steps + 1),
        "terminations": np.zeros(steps + 1, bool),
        "truncations": np.arange(steps + 1) == steps - 1,
    }
    if trajectory.infos:
        columns["infos"] = _struct(trajectory.infos)
    batch = pa.RecordBatch.from_pydict(columns)
    with pa.ipc.new_file(str(home / PART), batch.schema) as file:
        file.write_batch(batch)
    seed = {} if trajectory.seed is None else {"seed": trajectory.seed}
    (home / EPISODE).write_text(json.dumps({"id": number, "total_steps": steps, **seed}))


def is_whole(data: Path, number: int) -> bool:
    """Whether the file of an episode has an end."""
    try:
        with (data / str(number) / PART).open("rb") as file:
            file.seek(-len(END), 2)
            return file.read() == END
    except OSError:
        return False


def _vectors(values: NDArray[Any]) -> pa.Array:
    """``[T, ...]`` as one flat list of numbers a step."""
    flat = np.ascontiguousarray(values).reshape(len(values), -1)
    kind = pa.list_(pa.from_numpy_dtype(flat.dtype), flat.shape[1])
    return pa.FixedSizeListArray.from_arrays(flat.reshape(-1), type=kind)


def _struct(infos: Mapping[str, NDArray[Any]]) -> pa.Array:
    """Ground truth by name; a field of more than one number a step says its shape."""
    arrays, fields = [], []
    for key, values in infos.items():
        array = pa.array(values) if values.ndim == 1 else _vectors(values)
        shape = ",".join(map(str, values.shape[1:]))
        arrays.append(array)
        fields.append(pa.field(key, array.type, metadata=None if values.ndim == 1 else {"shape": shape}))
    return pa.StructArray.from_arrays(arrays, fields=fields)
