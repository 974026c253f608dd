"""Matrices of few bits a number, as a shipped run may hold them: decoded where they are loaded.

A matrix is whole numbers times a scale for each row. A row's numbers lie from ``-(2^(b-1) - 1)`` to ``2^(b-1) - 1``;
they are stored one after the other, ``b`` bits each, the highest first, 8 bits to a byte.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentrl.support.errors import UserError

NOTE = "packed"
"""Of a file's metadata: ``[rows, columns, bits]`` of each packed matrix, by name, as JSON."""
CODES, SCALES = ":codes", ":scales"
"""What the names of a matrix's tensors end with."""
MOST_BITS = 8


def pack(codes: NDArray[np.integer], bits: int) -> NDArray[np.uint8]:
    """The bytes of whole ``codes``, in their order.

    Raises:
        ValueError: a number that has no place in so many bits.
    """
    most = 2 ** (bits - 1) - 1
    if codes.size and int(np.abs(codes).max()) > most:
        raise ValueError(f"{bits} bits hold -{most} to {most}")
    shifted = (codes.reshape(-1, 1) + most).astype(np.uint8)
    return np.packbits(np.unpackbits(shifted, axis=1)[:, 8 - bits :])


def unpack(packed: NDArray[np.uint8], count: int, bits: int) -> NDArray[np.int16]:
    """The first ``count`` whole numbers of what :func:`pack` made."""
    planes = np.zeros((count, 8), np.uint8)
    planes[:, 8 - bits :] = np.unpackbits(packed, count=count * bits).reshape(count, bits)
    return np.packbits(planes, axis=1)[:, 0].astype(np.int16) - (2 ** (bits - 1) - 1)


def packed_matrix(codes: Tensor, scales: Tensor, name: str, bits: int) -> dict[str, Tensor]:
    """The tensors in the place of the matrix ``name``: ``codes [R, C]`` times ``scales [R]``."""
    found = pack(codes.numpy().astype(np.int16), bits)
    return {f"{name}{CODES}": torch.from_numpy(found), f"{name}{SCALES}": scales.float()}


def noted(shapes: Mapping[str, tuple[int, int, int]]) -> dict[str, str]:
    """The metadata that says which matrices are packed: rows, columns and bits of each, by name."""
    return {NOTE: json.dumps({name: list(shape) for name, shape in shapes.items()})}


def unpacked(tensors: Mapping[str, Tensor], metadata: Mapping[str, str], path: Path, cure: str) -> dict[str, Tensor]:
    """The tensors of a file with its packed matrices, ``[R, C]`` float32, in the place of what they are stored as.

    Raises:
        UserError: what the metadata says does not fit the tensors.
    """
    if NOTE not in metadata:
        return dict(tensors)
    found = dict(tensors)
    try:
        for name, (rows, columns, bits) in json.loads(metadata[NOTE]).items():
            codes, scales = found.pop(f"{name}{CODES}"), found.pop(f"{name}{SCALES}")
            # Before anything of that size is made: the numbers must be there.
            whole = all(type(one) is int and one > 0 for one in (rows, columns, bits)) and bits <= MOST_BITS
            if not whole or codes.dtype != torch.uint8 or codes.shape != (-(-rows * columns * bits // 8),):
                raise ValueError(f"{name} is no matrix of {rows} x {columns} numbers of {bits} bits")
            if scales.shape != (rows,) or name in found:
                raise ValueError(f"{name} has {tuple(scales.shape)} scales for {rows} rows, or is there twice")
            numbers = torch.from_numpy(unpack(codes.cpu().numpy(), rows * columns, bits)).view(rows, columns)
            found[name] = numbers.to(scales.device).float() * scales.float()[:, None]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is damaged (its packed matrices: {error}): {cure}") from error
    return found
