"""Tensors as files: safetensors, nothing that must be unpickled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from latentrl.support.digests import digest
from latentrl.support.errors import UserError
from latentrl.support.files import write_bytes

DIGEST = "sha256"
"""Of the metadata of a file: the digest of its tensors; files from before there was one have none."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write named tensors of any shapes to a safetensors file, atomically; those that share memory are copied apart."""
    apart = {key: tensor.detach().cpu().clone().contiguous() for key, tensor in tensors.items()}
    write_bytes(path, save(apart, metadata={**(metadata or {}), DIGEST: digest(apart)}))


def read_tensors(path: Path, cure: str, device: torch.device | str = "cpu") -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors, by name and on ``device``, and metadata of a safetensors file.

    Raises:
        UserError: no such file, or damaged; ``cure`` says what to do.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist: {cure}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
        tensors = load_file(path, device=str(device))
    except SafetensorError as error:
        raise UserError(f"{path} is damaged ({error}): {cure}") from error
    if DIGEST in metadata and metadata.pop(DIGEST) != digest(tensors):
        raise UserError(f"{path} is damaged (its numbers are not those that were written): {cure}")
    return tensors, metadata
