"""Store the large matrices of a model in few bits, rounded one column after the other.

What the rounding of a column changes in the layer's output is made up for by the columns that are not rounded yet, as
far as the layer's inputs on the data allow: GPTQ (Frantar et al., 2023, Algorithm 1). Rounding each number for itself
costs some ten times the error. Layers are taken in the order in which they act, each with the inputs that the rounded
ones before it make.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from latentrl.data_collection.storage import load_sequences
from latentrl.models.capabilities import FrameDecoder, FrameEncoder
from latentrl.runs.folder import MODEL, load_model
from latentrl.runs.packed import noted, packed_matrix
from latentrl.runs.tensors import read_tensors, write_tensors


class Autoencodes(FrameEncoder, FrameDecoder, Protocol):
    """Reads a position off a frame, and draws a frame of it."""


DAMPING = 0.01
"""Of the mean of the inputs' second moments."""
RANGES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
"""Of a row's largest number: what is beyond is cut off, where that rounds the others better."""
INPUTS = 6000
"""Of a layer that are looked at, at most."""
SEQUENCES = 150
LARGE = 4096
"""Numbers from which on a matrix counts as large."""


def scales_of(weight: Tensor, bits: int) -> Tensor:
    """A step for each row ``[R]``: that of ``RANGES`` which rounds ``weight [R, C]`` with the least squared error."""
    most = 2 ** (bits - 1) - 1
    steps = torch.stack([share * weight.abs().amax(1) / most for share in RANGES]).clamp(min=1e-30)
    left = [((weight / s[:, None]).round().clamp(-most, most) * s[:, None] - weight).square().sum(1) for s in steps]
    return steps.gather(0, torch.stack(left).argmin(0, keepdim=True))[0]


def rounded(weight: Tensor, moments: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Whole numbers ``[R, C]`` and a scale for each row ``[R]`` that make a layer act on its inputs as before.

    Args:
        weight: ``[R, C]``.
        moments: of the inputs, ``E[x x^T] [C, C]``.
        bits: of each number.
    """
    most, scales = 2 ** (bits - 1) - 1, scales_of(weight.double(), bits)
    damped = moments.double() + DAMPING * moments.diagonal().mean() * torch.eye(len(moments)).double()
    order = damped.diagonal().argsort(descending=True)
    left, damped = weight.double()[:, order].clone(), damped[order][:, order]
    factor = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(damped)), upper=True)
    codes = torch.zeros_like(left)
    for column in range(left.shape[1]):
        codes[:, column] = (left[:, column] / scales).round().clamp(-most, most)
        error = (left[:, column] - codes[:, column] * scales) / factor[column, column]
        left[:, column:] -= error[:, None] * factor[column, column:]
    return codes[:, order.argsort()].short(), scales


def in_few_bits(run: Path, data: Path, bits: Mapping[str, int], path: Path) -> None:
    """Write a run's weights to ``path``, with the layers that ``bits`` names in few bits; a metadata says which.

    Args:
        run: its folder.
        data: of which training sequences are looked at.
        bits: of a number, by the beginning of a layer's name, of its large ones; the first that fits counts.
        path: replaced.
    """
    model = load_model(run)
    if not (isinstance(model, FrameEncoder) and isinstance(model, FrameDecoder)):
        raise SystemExit(f"{run}: its model is no autoencoder of frames")
    frames = load_sequences(data, "train")
    some = frames[:: max(1, len(frames) // SEQUENCES)].observations.flatten(0, 1)
    tensors, notes = read_tensors(run / MODEL, "train the run again")
    shapes: dict[str, tuple[int, int, int]] = {}
    for name, layer in model.named_modules():
        wanted = next((count for start, count in bits.items() if name.startswith(start)), None)
        if wanted is None or not isinstance(layer, nn.Linear) or layer.weight.numel() < LARGE:
            continue
        codes, scales = rounded(layer.weight.detach(), _moments(model, layer, some), wanted)
        layer.weight.data = codes.float() * scales.float()[:, None]
        del tensors[f"{name}.weight"]
        tensors |= packed_matrix(codes, scales, f"{name}.weight", wanted)
        shapes[f"{name}.weight"] = (*codes.shape, wanted)
    write_tensors(path, tensors, {**notes, **noted(shapes)})


@torch.no_grad()
def _moments(model: Autoencodes, layer: nn.Module, frames: Tensor) -> Tensor:
    """``E[x x^T]`` of the inputs that a layer of the encoder or the decoder has on ``frames [N, *shape]``."""
    found: list[Tensor] = []

    def look(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        found.append(given[0].flatten(0, -2))

    handle = layer.register_forward_pre_hook(look)
    try:
        positions = model.encode(frames).mean
        if not found:
            # Drawing takes longer than looking, and its layers have fewer inputs.
            model.decode(positions[::4])
    finally:
        handle.remove()
    inputs = torch.cat(found)
    inputs = inputs[:: -(-len(inputs) // INPUTS)].double()
    return inputs.T @ inputs / len(inputs)
