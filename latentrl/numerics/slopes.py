"""Slopes of a step of dynamics, by automatic differentiation, for many points at once.

The points do not touch each other: a sum over them has the gradients of all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import torch
from torch import Tensor

MANY = 16
"""Dimensions of a state that are gone back from at once: a model's memory has a hundred."""


def slopes(step: Callable[[Tensor, Tensor], Tensor], state: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
    """Those of ``step`` in the state ``[..., Dz, Dz]`` and the action ``[..., Dz, Du]``; no gradient.

    Backwards from each of the Dz, all at once where they are many.

    Args:
        step: the next states ``[..., Dz]`` after states ``[..., Dz]`` and actions ``[..., Du]``, each on its own.
        state: ``[..., Dz]``.
        action: ``[..., Du]``.
    """
    with torch.inference_mode(False), torch.enable_grad():
        inputs = [tensor.clone().requires_grad_() for tensor in (state, action)]
        mean = step(*inputs)
        if mean.shape[-1] >= MANY and mean.requires_grad:
            # What a user wrote by hand need not take many gradients at once: then it is asked for each.
            with suppress(Exception):
                return _all_at_once(mean, inputs)
        rows = [gradients(output, inputs) for output in mean.unbind(-1)]
    by_state, by_action = (torch.stack(column, -2) for column in zip(*rows, strict=True))
    return by_state, by_action


def gradients(output: Tensor, inputs: list[Tensor], keep: bool = False) -> list[Tensor]:
    """Gradients of each entry of ``output [...]`` by its own inputs; zero where it does not depend on them.

    Args:
        output: what is differentiated.
        inputs: by what, each ``[..., D]``.
        keep: whether the gradients are to have gradients themselves.
    """
    if not output.requires_grad:
        return [torch.zeros_like(tensor) for tensor in inputs]
    return list(
        torch.autograd.grad(
            output.sum(), inputs, create_graph=keep, retain_graph=True, allow_unused=True, materialize_grads=True
        )
    )


def _all_at_once(mean: Tensor, inputs: list[Tensor]) -> tuple[Tensor, Tensor]:
    size = mean.shape[-1]
    each = torch.eye(size, dtype=mean.dtype, device=mean.device).view(size, *[1] * (mean.dim() - 1), size)
    found = torch.autograd.grad(
        mean,
        inputs,
        each.expand(size, *mean.shape),
        retain_graph=True,
        is_grads_batched=True,
        allow_unused=True,
    )
    # PyTorch would fill in a zero for each input, not for each of the gradients.
    filled = (
        tensor.new_zeros(size, *tensor.shape) if one is None else one for one, tensor in zip(found, inputs, strict=True)
    )
    by_state, by_action = (one.movedim(0, -2) for one in filled)
    return by_state, by_action
