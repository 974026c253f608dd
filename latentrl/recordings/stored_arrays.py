"""Arrays in .npy and .npz files, read piece by piece; nothing is unpickled."""

from __future__ import annotations

import lzma
import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from latentrl.support.errors import UserError, message_of

NPY, NPZ = ".npy", ".npz"
DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    SyntaxError,
    MemoryError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
"""What NumPy and the archive raise for files that are cut off, changed, encrypted, or announce more than there is."""


class Cursor:
    """An open .npz member and the row that it is at: rows that are asked for in order are unpacked once."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._row = 0

    def taken(self, row: int) -> tuple[IO[bytes], int] | None:
        """The file, if it is not beyond ``row``, and where it is; it is the caller's then."""
        if self._file is None or self._row > row:
            return None
        file, self._file = self._file, None
        return file, self._row

    def given(self, file: IO[bytes], row: int, rows: int) -> None:
        """Keep the file for whoever comes next, unless it is at its end."""
        if row >= rows:
            file.close()
        else:
            self._file, self._row = file, row


@dataclass(frozen=True)
class StoredArray:
    """An array on disk.

    Attributes:
        path: of the file.
        member: its name in a .npz file; None: the file is a .npy.
        shape: all of it.
        dtype: NumPy's; of pickled objects ``object``, which cannot be read.
        fortran: whether the first index runs fastest, so that it cannot be read piece by piece.
        cursor: how far a .npz has been unpacked.
    """

    path: Path
    member: str | None
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    cursor: Cursor = field(default_factory=lambda: Cursor(), compare=False)

    def blocks(self, size: int, start: int = 0, stop: int | None = None) -> Iterator[NDArray[Any]]:
        """Rows ``start`` to ``stop`` in order, ``size`` or fewer together.

        Raises:
            UserError: the file is damaged.
        """
        stop = self.shape[0] if stop is None else stop
        try:
            if self.member is None:
                mapped = np.load(self.path, mmap_mode="r", allow_pickle=False)
                for at in range(start, stop, size):
                    yield np.array(mapped[at : min(at + size, stop)])
                return
            if self.fortran:
                with zipfile.ZipFile(self.path) as archive, archive.open(f"{self.member}{NPY}") as file:
                    whole = np.lib.format.read_array(file, allow_pickle=False)
                for at in range(start, stop, size):
                    yield whole[at : min(at + size, stop)]
                return
            opened, row = self.cursor.taken(start), math.prod(self.shape[1:]) * self.dtype.itemsize
            if opened is None:
                file, done = zipfile.ZipFile(self.path).open(f"{self.member}{NPY}"), 0
                _read_header(file)
            else:
                file, done = opened
            _skip(file, (start - done) * row)
            for at in range(start, stop, size):
                rows = min(at + size, stop) - at
                content = file.read(rows * row)
                if len(content) != rows * row:
                    raise EOFError("it ends too early")
                yield np.frombuffer(content, self.dtype).reshape(rows, *self.shape[1:])
            if stop == self.shape[0] and file.read(1):
                # One byte beyond the end: the archive compares its checksum there.
                raise ValueError("it goes on after its end")
            self.cursor.given(file, stop, self.shape[0])
        except DAMAGED as error:
            raise damaged(self.path, error) from error


def stored_arrays(path: Path) -> dict[str, StoredArray]:
    """The arrays of a .npz file by name, or the one of a .npy file by the file's stem; headers alone are read.

    Raises:
        UserError: the file is damaged.
    """
    try:
        if path.suffix == NPY:
            with path.open("rb") as file:
                shape, fortran, dtype = _read_header(file)
            return {path.stem: StoredArray(path, None, shape, dtype, fortran)}
        found = {}
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(NPY):
                    with archive.open(name) as member:
                        shape, fortran, dtype = _read_header(member)
                    found[name.removesuffix(NPY)] = StoredArray(path, name.removesuffix(NPY), shape, dtype, fortran)
        return found
    except DAMAGED as error:
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> UserError:
    """The error of a file that cannot be read as what its name says."""
    return UserError(f"{path}: is damaged or no file of this kind ({message_of(error)}): write it again")


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    return np.lib.format.read_array_header_2_0(file)


def _skip(file: IO[bytes], count: int) -> None:
    while count > 0:
        got = len(file.read(min(count, 1 << 20)))
        if not got:
            raise EOFError("it ends too early")
        count -= got
