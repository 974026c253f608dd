"""Data folders: recorded sequences on disk, as lossless Minari data sets.

    data/pendulum/
        metadata.json    environment, spaces, settings of the collection, splits
        train-v0/data/   a Minari data set in Arrow format, raw observations
        test-v0/data/
        goal.png         where the environment can photograph a goal

Each split is an ordinary Minari data set: with ``MINARI_DATASETS_PATH=data/pendulum``,
``minari.load_dataset("train-v0")`` opens it. An episode of ``T`` observations has ``T - 1`` actions, in Minari as here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from inspect import signature
from itertools import chain
from pathlib import Path
from typing import Any

import minari
import numpy as np
import torch
from gymnasium.spaces import Box
from minari.data_collector.episode_buffer import EpisodeBuffer
from minari.dataset.episode_data import EpisodeData
from minari.dataset.minari_storage import MinariStorage, is_image_space
from numpy.typing import NDArray

from latentrl.data_collection.folders import complete_folder
from latentrl.errors import UserError
from latentrl.types import Sequences, Trajectory

METADATA = "metadata.json"


def write(folder: Path, split: str, trajectories: Iterable[Trajectory], metadata: dict[str, Any]) -> Path:
    """Store equally long trajectories as one split of a data folder.

    They are written one by one, so a generator needs no memory for the whole set.

    Args:
        folder: the data folder; made if missing.
        split: "train", "test" or another word of letters, digits and underscores.
        trajectories: at least one; all with the same shapes and the same ground truth.
        metadata: what :func:`load_metadata` gives back. "action_low" and "action_high" (numbers ``[Du]``) are needed;
            the observations' shape and dtype and the split's size are added.

    Returns:
        The split's folder.

    Raises:
        UserError: the split exists, no trajectories, unequal shapes, or a full disk.
    """
    trajectories = iter(trajectories)
    first = next(trajectories, None)
    if first is None:
        raise UserError(f"{folder}: the split {split!r} would be empty; give one sequence or more")
    target = _split_folder(folder, split)
    low, high = (np.asarray(metadata[key], dtype=np.float32) for key in ("action_low", "action_high"))
    action_space = Box(low, high, dtype=np.float32)
    with complete_folder(target) as temporary:
        # Absolute, because Minari cannot measure a data set at a relative path.
        data = temporary.resolve() / "data"
        data.mkdir()
        storage = _new_storage(data, _observation_space(first.observations), action_space)
        measure = storage.get_size
        # Minari measures the whole folder after every episode, which makes writing quadratic; once at the end will do.
        storage.get_size = lambda: 0.0
        storage.update_episodes(_buffers(chain([first], trajectories), first, storage.observation_space.shape))
        storage.update_metadata(
            {"dataset_id": target.name, "minari_version": minari.__version__, "dataset_size": float(measure())}
        )
        sequences = storage.total_episodes
    _update_metadata(folder, split, first, sequences, metadata)
    return target


def load_sequences(folder: Path, split: str) -> Sequences:
    """All sequences of a split: contiguous observations ``[N, T, ...]`` and actions ``[N, T - 1, Du]``.

    Raises:
        UserError: no such data folder or split.
    """
    dataset = _open(folder, split)
    count, shape = dataset.total_episodes, load_metadata(folder)["observation_shape"]
    observations = actions = None
    for n, episode in enumerate(dataset.iterate_episodes()):
        seen, done = np.asarray(episode.observations).reshape(-1, *shape), np.asarray(episode.actions)
        if observations is None or actions is None:
            observations = np.empty((count, *seen.shape), seen.dtype)
            actions = np.empty((count, *done.shape), done.dtype)
        observations[n], actions[n] = seen, done
    return Sequences(torch.from_numpy(observations), torch.from_numpy(actions))


def load_ground_truth(folder: Path, split: str) -> dict[str, NDArray[Any]]:
    """What the environment knew and no model may see, each ``[N, T, ...]``: for metrics and evaluation alone.

    Raises:
        UserError: no such data folder or split.
    """
    infos = [_infos(episode) for episode in _open(folder, split).iterate_episodes()]
    return {key: np.stack([info[key] for info in infos]) for key in infos[0]}


def load_metadata(folder: Path) -> dict[str, Any]:
    """What :func:`write` was told, plus "observation_shape", "observation_dtype" and "splits" (their sizes).

    Raises:
        UserError: ``folder`` is no data folder.
    """
    try:
        return json.loads((Path(folder) / METADATA).read_text())
    except FileNotFoundError as error:
        raise UserError(
            f"{folder} is no data folder (it has no {METADATA}): "
            f"make one with python -m latentrl.collect --out {folder}"
        ) from error


def _split_folder(folder: Path, split: str) -> Path:
    if not split.isidentifier():
        raise UserError(f"split {split!r}: give one word, such as train or test")
    return Path(folder) / f"{split}-v0"


def _observation_space(observations: NDArray[Any]) -> Box:
    if observations.dtype == np.uint8:
        return Box(0, 255, observations.shape[1:], np.uint8)
    return Box(-np.inf, np.inf, observations.shape[1:], np.float32)


def _new_storage(data: Path, observation_space: Box, action_space: Box) -> MinariStorage:
    """An empty Arrow storage that keeps every bit.

    Minari takes a uint8 array of 32 x 32 and more for a picture and stores a JPEG of it, unless told not to. Its last
    version for Python 3.10, 0.5.3, cannot be told: then such pictures are stored as flat vectors.
    """
    options: dict[str, Any] = {"data_format": "arrow"}
    if "jpeg_encoding" in signature(MinariStorage.new).parameters:
        options["jpeg_encoding"] = False
    elif is_image_space(observation_space):
        observation_space = Box(0, 255, (int(np.prod(observation_space.shape)),), np.uint8)
    return MinariStorage.new(data, observation_space, action_space, **options)


def _buffers(
    trajectories: Iterable[Trajectory], first: Trajectory, stored_shape: tuple[int, ...]
) -> Iterator[EpisodeBuffer]:
    for number, trajectory in enumerate(trajectories):
        _check_alike(number, trajectory, first)
        steps = len(trajectory.actions)
        yield EpisodeBuffer(
            seed=trajectory.seed,
            observations=trajectory.observations.reshape(-1, *stored_shape),
            actions=trajectory.actions,
            rewards=[0.0] * steps,
            terminations=[False] * steps,
            truncations=[False] * (steps - 1) + [True],
            # Minari writes a vector over time from a list only: it cannot read one back that was an array.
            infos={key: list(value) if value.ndim == 1 else value for key, value in trajectory.infos.items()},
        )


def _check_alike(number: int, trajectory: Trajectory, first: Trajectory) -> None:
    shapes, expected = _shapes(trajectory), _shapes(first)
    if shapes != expected or len(trajectory.actions) != len(trajectory.observations) - 1:
        raise UserError(
            f"trajectory {number} has the shapes {shapes}, the first {expected}: "
            "all need the same, with one action less than observations"
        )


def _shapes(trajectory: Trajectory) -> dict[str, tuple[int, ...]]:
    arrays = {"observations": trajectory.observations, "actions": trajectory.actions, **trajectory.infos}
    return {key: array.shape for key, array in arrays.items()}


def _update_metadata(folder: Path, split: str, first: Trajectory, sequences: int, metadata: dict[str, Any]) -> None:
    """Add a split to the folder's metadata; replaces the file in one move."""
    path = Path(folder) / METADATA
    splits = json.loads(path.read_text())["splits"] if path.exists() else {}
    splits[split] = {"sequences": sequences, "length": len(first.observations)}
    content = {
        **metadata,
        "observation_shape": list(first.observations.shape[1:]),
        "observation_dtype": str(first.observations.dtype),
        "splits": splits,
    }
    temporary = path.with_suffix(".partial")
    temporary.write_text(json.dumps(content, indent=2) + "\n")
    os.replace(temporary, path)


def _open(folder: Path, split: str) -> minari.MinariDataset:
    splits = load_metadata(folder)["splits"]
    if split not in splits:
        raise UserError(f"{folder} has no split {split!r}: it has {', '.join(sorted(splits))}")
    return minari.MinariDataset(_split_folder(folder, split) / "data")


def _infos(episode: EpisodeData) -> dict[str, NDArray[Any]]:
    return {key: np.asarray(value) for key, value in (episode.infos or {}).items()}
