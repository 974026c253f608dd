"""Large frames a piece at a time: whole batches of them cost more time to allocate than to compute (docs/ekvae.md).

Small frames are left whole, and their results bit for bit what they are without this module.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

LARGEST_WHOLE = 32 * 32 * 3
"""Values in a frame up to which all frames are taken at once."""
PIECE, GPU_PIECE = 2**19, 2**26
"""Values in a piece: few stay in a processor's caches; on a GPU the pieces only bound the memory."""
KEPT = 2**22
"""Values in all frames together up to which a processor keeps their activations for the gradient."""
SAMPLE = 24_000_000
"""Values that mean and variance of large frames are estimated from."""


def piece_length(values: int, device: torch.device) -> int | None:
    """Frames of ``values`` values each in a piece; None where they are taken at once."""
    if values <= LARGEST_WHOLE:
        return None
    return max(1, (PIECE if device.type == "cpu" else GPU_PIECE) // values)


def in_pieces(
    function: Callable[..., tuple[Tensor, ...]], values: int, *inputs: Tensor, recompute: bool = True
) -> tuple[Tensor, ...]:
    """``function(*inputs)``, for large frames a piece at a time.

    On a processor a piece of many frames is computed again for its gradient, so that its activations need not be kept;
    ``function`` must therefore draw no random numbers.

    Args:
        function: tensors ``[N, ...]`` to a tuple of tensors ``[N, ...]``, each row from its own rows alone.
        values: in a frame.
        inputs: of ``function``, all with the same ``N``.
        recompute: whether gradients may be wanted.
    """
    length = piece_length(values, inputs[0].device)
    if length is None or len(inputs[0]) <= length:
        return function(*inputs)
    many = len(inputs[0]) * values > KEPT
    again = recompute and many and torch.is_grad_enabled() and inputs[0].device.type == "cpu"
    found = []
    for piece in zip(*(tensor.split(length) for tensor in inputs), strict=True):
        if again:
            found.append(checkpoint(function, *piece, use_reentrant=False, preserve_rng_state=False))
        else:
            found.append(function(*piece))
    return tuple(torch.cat(parts) for parts in zip(*found, strict=True))


def evenly_spread(frames: Tensor, sample: int) -> Tensor:
    """About ``sample`` of ``frames [N, ...]``, fewer where they are large; between one and two times as many."""
    values = max(1, frames[0].numel())
    if values > LARGEST_WHOLE:
        sample = min(sample, max(1, SAMPLE // values))
    return frames[:: max(1, len(frames) // sample)]


def frames_at(observations: Tensor, index: Tensor) -> Tensor:
    """Single frames ``[K, ...]`` of ``observations [N, T, ...]`` by their numbers ``index [K]``, counted row by row.

    Nothing else is copied. To flatten every third sequence of a memory map would read all of these into memory.
    """
    length = observations.shape[1]
    index = index.to(observations.device)
    if observations.is_contiguous():
        return observations.flatten(0, 1).index_select(0, index)  # a frame at a time, not a value
    return observations[index // length, index % length]


def spread_frames(values: Tensor, count: int) -> Tensor:
    """``count`` frames, or some more, evenly spread over ``values [N, T, ...]``, on the CPU; all if there are fewer."""
    total = values.shape[:2].numel()
    return frames_at(values, torch.arange(0, total, max(1, total // count))).cpu()
