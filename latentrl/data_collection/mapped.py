"""Data that is larger than memory: a split's observations in one uncompressed file, read through a memory map.

The operating system then keeps in memory what is being used of it and drops what is not. The file is a copy, made once
from the Minari data set beside it, and may be deleted at any time.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentrl.data_collection.folders import DeniedError, own_copy
from latentrl.support.errors import UserError

FOLDER = "mapped"
OBSERVATIONS, ACTIONS = "observations.npy", "actions.npy"
CHECKSUM = "sha256"

Episode = tuple[NDArray[Any], NDArray[Any]]
"""Observations ``[T, ...]`` and actions ``[T - 1, Du]``."""


def write_mapped(split: Path, episodes: Iterator[Episode], count: int, checksum: str | None = None) -> None:
    """Copy ``count`` equally shaped ``episodes`` to the files that :func:`open_mapped` reads.

    Args:
        split: its folder.
        episodes: all of it.
        count: how many they are.
        checksum: of the data, which the copy keeps.

    Raises:
        UserError: the folder cannot be written to, or the disk is full.
    """
    if (split / FOLDER).is_symlink():
        # Or the folder that a stranger's link leads to would be replaced.
        (split / FOLDER).unlink()
    try:
        with own_copy(split / FOLDER) as folder:
            files: dict[str, BinaryIO] = {}
            try:
                for episode in episodes:
                    for name, array in zip((OBSERVATIONS, ACTIONS), episode, strict=True):
                        if name not in files:
                            files[name] = (folder / name).open("wb")
                            _write_header(files[name], (count, *array.shape), array.dtype)
                        # Not through a memory map: pages that wait for the disk would count as this process's.
                        files[name].write(np.ascontiguousarray(array).data)
            finally:
                for file in files.values():
                    file.close()
            (folder / CHECKSUM).write_text(checksum or "")
    except DeniedError as error:
        raise UserError(
            f"{split}: too large for memory, and a file to read it from cannot be made there; copy the data folder to "
            "where you may write"
        ) from error


def open_mapped(split: Path, like: Episode, count: int, checksum: str | None = None) -> tuple[Tensor, Tensor] | None:
    """Observations ``[count, T, ...]`` and actions ``[count, T - 1, Du]``, read-only; None if there is no such copy.

    Args:
        split: its folder.
        like: the last episode, which the copy must end with: one that does not is none of this data.
        count: episodes.
        checksum: of the data, where it is known; the copy must be one of the same.
    """
    found = []
    if (split / FOLDER).is_symlink() or (checksum is not None and _checksum(split) != checksum):
        return None
    for name, array in zip((OBSERVATIONS, ACTIONS), like, strict=True):
        try:
            mapped = np.load(split / FOLDER / name, mmap_mode="r", allow_pickle=False)
        except (OSError, EOFError, ValueError):
            return None
        if mapped.shape != (count, *array.shape) or mapped.dtype != array.dtype:
            return None
        if mapped[-1].tobytes() != array.tobytes():
            return None
        found.append(_as_tensor(mapped))
    return found[0], found[1]


def _checksum(split: Path) -> str | None:
    try:
        return (split / FOLDER / CHECKSUM).read_text()
    except (OSError, ValueError):
        return None


def _write_header(file: BinaryIO, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def _as_tensor(mapped: NDArray[Any]) -> Tensor:
    with warnings.catch_warnings():
        # That writing to it is not possible: nothing writes to observations. A writable map of a private copy would
        # count as memory that is used.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(mapped)
