"""Following a sequence of actions, many at a time: what a search among plans does most."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

BLOCK = 512
"""Roll-outs done together on a processor: what a step reads and writes then stays in a core's cache."""


def follow(step: Callable[[Tensor, Tensor], Tensor], state: Tensor, actions: Tensor) -> Tensor:
    """The states ``[..., H, Dz]`` after each of ``actions [..., H, Du]``, from ``state [..., Dz]``.

    Args:
        step: the next states ``[..., Dz]`` after states and actions ``[..., Du]``, each on its own.
        state: where it starts; not part of the result.
        actions: those that are taken.
    """
    lead = actions.shape[:-2]
    if state.device.type != "cpu" or lead.numel() <= BLOCK or state.shape[:-1] != lead:
        return _followed(step, state, actions)
    parts = zip(state.flatten(0, -2).split(BLOCK), actions.flatten(0, -3).split(BLOCK), strict=True)
    return torch.cat([_followed(step, *part) for part in parts]).unflatten(0, lead)


def all_recorded(controls: Tensor) -> bool:
    """Whether ``controls``, in units of the largest recorded ones, are known to be no larger; looks on a processor.

    To look is to wait for the device, and a tensor of another class may have nothing to look at.
    """
    return is_plain(controls) and controls.device.type == "cpu" and bool((controls.abs() <= 1.0).all())


def is_plain(*tensors: Tensor) -> bool:
    """Whether all are tensors, and nothing that stands for many or for none: mapped over, differentiated, fake."""
    wrapped = torch._C._functorch.is_functorch_wrapped_tensor
    return all(type(one) is Tensor and not wrapped(one) for one in tensors)


def _followed(step: Callable[[Tensor, Tensor], Tensor], state: Tensor, actions: Tensor) -> Tensor:
    states = []
    for action in actions.unbind(-2):
        state = step(state, action)
        states.append(state)
    return torch.stack(states, -2)
