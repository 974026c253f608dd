"""Data folders: recorded sequences on disk, as lossless Minari data sets.

    data/pendulum/
        metadata.json    environment, spaces, settings of the collection, splits
        train-v0/data/   a Minari data set in Arrow format, raw observations
        test-v0/data/
        goal.png         where the environment can photograph a goal; goal.json where it observes numbers

Each split is an ordinary Minari data set: with ``MINARI_DATASETS_PATH=data/pendulum``,
``minari.load_dataset("train-v0")`` opens it. An episode of ``T`` observations has ``T - 1`` actions, in Minari as here.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from minari.dataset.episode_data import EpisodeData
from numpy.typing import NDArray

from latentrl.data_collection.again import how_to_record_again
from latentrl.data_collection.checks import check_bounds, check_same_layout
from latentrl.data_collection.digest import CHECKSUMS, check_digest, digest, known_digest
from latentrl.data_collection.folders import complete_folder
from latentrl.data_collection.mapped import Episode, open_mapped, write_mapped
from latentrl.data_collection.opening import Split
from latentrl.data_collection.schema import SCHEMA, check_metadata
from latentrl.data_collection.writer import DATA, Layout, SplitWriter
from latentrl.support.commands import command
from latentrl.support.errors import UserError
from latentrl.support.files import parsed_json, write_text
from latentrl.support.progress import progress
from latentrl.types import Sequences, Trajectory

METADATA = "metadata.json"
TRAINED_ON = "train"
"""The split that models are trained on; the others may be few, and at rest."""
MAPPED_FROM = 2 << 30
"""Bytes of observations from which on they are mapped; below, memory is faster and needs no copy on disk."""


def write(folder: Path, split: str, trajectories: Iterable[Trajectory], metadata: dict[str, Any]) -> Path:
    """Store equally long trajectories as one split of a data folder.

    They are written one by one, so a generator needs no memory for the whole set.

    Args:
        folder: the data folder; made if missing.
        split: "train", "test" or another word of letters, digits and underscores.
        trajectories: at least one; all with the same shapes and the same ground truth.
        metadata: what :func:`load_metadata` gives back, of JSON's types. "action_low" and "action_high" (numbers
            ``[Du]``, arrays too) are needed; the observations' shape and dtype and the split's size are added.

    Returns:
        The split's folder.

    Raises:
        UserError: the split exists, no trajectories, unequal shapes, another kind of data than the folder's other
            splits, what :func:`~latentrl.data_collection.checks.check_trajectory` refuses, a "train" split in which
            nothing changes, bad bounds, or a full disk.
            Nothing of the split is kept then.
    """
    target = split_folder(folder, split)
    low, high = check_bounds(metadata, str(folder))
    metadata = {**metadata, "action_low": low, "action_high": high}
    _check_json(metadata, folder)
    made = not folder.exists()
    try:
        with complete_folder(target, overwrite=_is_orphan(folder, split)) as temporary:
            writer = SplitWriter(temporary, low, high)
            writer.append(trajectories)
            if writer.layout is None:
                raise UserError(f"{folder}: the split {split!r} would be empty; give one sequence or more")
            if split == TRAINED_ON:
                writer.varied.check(f"the split {split!r}")
            _check_joins(folder, split, writer.layout, metadata)
            writer.finish(target.name)
        try:
            update_metadata(folder, split, writer.layout, writer.sequences, metadata)
        except BaseException:
            # A split that the metadata does not know could neither be read nor written again.
            shutil.rmtree(target, ignore_errors=True)
            raise
    except BaseException:
        if made:
            with suppress(OSError):  # it holds something by now
                folder.rmdir()
        raise
    return target


def load_sequences(
    folder: Path, split: str, device: torch.device | str = "cpu", metadata: Mapping[str, Any] | None = None
) -> Sequences:
    """All sequences of a split: contiguous observations ``[N, T, ...]`` and actions ``[N, T - 1, Du]``.

    Observations of more than ``MAPPED_FROM`` bytes are not read into memory but mapped, from a copy that the first call
    makes beside the data (see :mod:`latentrl.data_collection.mapped`). They are read-only, and stay on the CPU whatever
    ``device`` the others go to: a batch is for whoever draws it to move. ``metadata`` is the folder's, where a caller
    has it already.

    Raises:
        UserError: no such data folder or split, files that are damaged or not those that were recorded; a copy is
            needed and cannot be made.
    """
    metadata = load_metadata(folder) if metadata is None else metadata
    opened = _open(folder, split, metadata)
    count, home, known = opened.count, split_folder(folder, split), known_digest(metadata, split)
    last = next(_pairs(opened, split, metadata, count - 1))
    if count * last[0].nbytes > MAPPED_FROM:
        mapped = open_mapped(home, last, count, known)
        if mapped is None:
            check_digest(folder, split, metadata)
            pairs = _pairs(opened, split, metadata)
            with progress(count, "sequence", f"once: {home} as one file") as bar:
                write_mapped(home, _told(pairs, bar.update), count, known)
            mapped = open_mapped(home, last, count, known)
            assert mapped is not None
        return Sequences(*mapped)
    observations, actions = (np.empty((count, *array.shape), array.dtype) for array in last)
    for n, episode in enumerate(_pairs(opened, split, metadata)):
        observations[n], actions[n] = episode
    check_digest(folder, split, metadata)
    return Sequences(torch.from_numpy(observations), torch.from_numpy(actions)).to(device)


def _told(pairs: Iterator[Episode], tell: Callable[[], object]) -> Iterator[Episode]:
    """The same; each is told of once it has been taken."""
    for pair in pairs:
        yield pair
        tell()


def load_ground_truth(folder: Path, split: str, metadata: Mapping[str, Any] | None = None) -> dict[str, NDArray[Any]]:
    """What the environment knew and no model may see, each ``[N, T, ...]``: for metrics and evaluation alone.

    ``metadata`` is the folder's, where a caller has it already.

    Raises:
        UserError: no such data folder or split.
    """
    metadata = load_metadata(folder) if metadata is None else metadata
    infos = [_infos(episode) for episode in _open(folder, split, metadata).episodes()]
    return {key: np.stack([info[key] for info in infos]) for key in infos[0]}


def load_metadata(folder: Path) -> dict[str, Any]:
    """The ``metadata`` of :func:`write`, plus "observation_shape", "observation_dtype" and "splits" (their sizes).

    Raises:
        UserError: ``folder`` is no data folder, its metadata are damaged or those of a newer version.
    """
    path = Path(folder) / METADATA
    try:
        content = parsed_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(_not_there(Path(folder), error)) from error
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}): {how_to_record_again(Path(folder))}") from error
    return check_metadata(content, path)


def require_split(folder: Path, split: str, metadata: Mapping[str, Any]) -> None:
    """Refuse to go on without a split of a data folder, whose ``metadata`` are known.

    Raises:
        UserError: it has none of that name.
    """
    splits = metadata["splits"]
    if split not in splits:
        raise UserError(
            f"{folder} has no split {split!r} but {', '.join(sorted(splits))}: a model is trained on 'train' and "
            "measured on 'test'; write one too"
        )


def split_folder(folder: Path, split: str) -> Path:
    """Where a split of a data folder is.

    Raises:
        UserError: a name that is no word.
    """
    if not isinstance(split, str) or not split.isidentifier():
        raise UserError(f"split {split!r}: give one word, such as train or test")
    return Path(folder) / f"{split}-v0"


def update_metadata(folder: Path, split: str, layout: Layout, sequences: int, metadata: dict[str, Any]) -> None:
    """Add a split to the folder's metadata; replaces the file in one move."""
    path = Path(folder) / METADATA
    known = load_metadata(folder) if path.exists() else {"splits": {}}
    length, *shape = layout.shapes["observations"]
    content = {
        **metadata,
        "observation_shape": shape,
        "observation_dtype": layout.dtype,
        "splits": {**known["splits"], split: {"sequences": sequences, "length": length}},
        CHECKSUMS: {**known.get(CHECKSUMS, {}), split: digest(folder, split)},
        "schema": SCHEMA,
    }
    write_text(path, json.dumps(content, indent=2) + "\n")


def _check_json(metadata: Mapping[str, Any], folder: Path) -> None:
    """Refuse metadata that the file could not hold, before anything is written."""
    for key, value in metadata.items():
        if not isinstance(key, str):
            raise UserError(f"{folder}: the metadata's key {key!r} is no text; give JSON's types")
        try:
            json.dumps(value)
        except (TypeError, ValueError) as error:
            raise UserError(
                f"{folder}: metadata {key!r} is {value!r}: {error}; give JSON's types, such as lists"
            ) from error


def _check_joins(folder: Path, split: str, layout: Layout, metadata: Mapping[str, Any]) -> None:
    """Refuse a split of another kind than those that the folder has."""
    if not (Path(folder) / METADATA).exists():
        return
    known = load_metadata(folder)
    new = {
        "observation_shape": layout.shapes["observations"][1:],
        "observation_dtype": layout.dtype,
        "action_low": metadata["action_low"],
        "action_high": metadata["action_high"],
    }
    if set(known.get("splits", {})) - {split}:
        check_same_layout(new, known, str(folder), split)


def _is_orphan(folder: Path, split: str) -> bool:
    """Whether a split is there of which the folder knows nothing: of a process that was killed between the two."""
    if not split_folder(folder, split).is_dir():
        return False
    return not (Path(folder) / METADATA).exists() or split not in load_metadata(folder)["splits"]


def _not_there(folder: Path, error: OSError) -> str:
    """What to say of a folder whose metadata cannot be read."""
    if os.path.islink(folder) and not os.path.exists(folder):
        return f"{folder} is a link to {os.readlink(folder)}, which does not exist: make that folder available"
    if os.path.isfile(folder):
        return f"{folder} is a file, not a data folder: give the folder that holds {METADATA}"
    if not isinstance(error, FileNotFoundError):
        return f"{folder / METADATA} cannot be read ({error.strerror}): change its permissions, or give another folder"
    if os.path.isdir(folder):
        trained_on = _data_of_run(folder)
        if trained_on is not None:
            there = (Path(trained_on) / METADATA).is_file()
            cure = ": give that" if there else ", which is not there now: give the place where it is"
            return f"{folder} is no data folder but a run's, whose data was in {trained_on}{cure}"
        return f"{folder} is no data folder (it has no {METADATA}): give another, or {_made(f'{folder}-data')}"
    return f"{folder} is no data folder (it has no {METADATA}): {_made(folder)}"


def _made(folder: Path | str) -> str:
    """How to make a data folder, in words."""
    recorded = command("import", "SOURCE", "--out", folder)
    return f"make one with {command('collect', '--out', folder)}, or of recordings that are there with {recorded}"


def _data_of_run(folder: Path) -> str | None:
    """Where the data of a run is that was trained in ``folder``; None where there is none, or nothing says."""
    try:
        found = json.loads((Path(folder) / "settings.json").read_text(encoding="utf-8"))["options"]["data"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None


def _open(folder: Path, split: str, metadata: Mapping[str, Any]) -> Split:
    require_split(folder, split, metadata)
    return Split(split_folder(folder, split) / DATA, folder, split, metadata)


def _pairs(opened: Split, split: str, metadata: Mapping[str, Any], first: int = 0) -> Iterator[Episode]:
    shape, dtype, length = (
        metadata["observation_shape"],
        metadata["observation_dtype"],
        metadata["splits"][split]["length"],
    )
    for episode in opened.episodes(first):
        observations, actions = np.asarray(episode.observations), np.asarray(episode.actions)
        right = (observations.size, len(actions), str(observations.dtype)) == (
            length * math.prod(shape),
            length - 1,
            dtype,
        )
        if not right:
            raise UserError(
                f"{opened.data}: episode {episode.id} has observations {observations.shape} of {observations.dtype} "
                f"and {len(actions)} actions, where {METADATA} says {length} observations {shape} of {dtype}: "
                f"{opened.cure}"
            )
        yield observations.reshape(-1, *shape), actions


def _infos(episode: EpisodeData) -> dict[str, NDArray[Any]]:
    return {key: np.asarray(value) for key, value in (episode.infos or {}).items()}
