"""A device that computes nothing, in the place of a GPU: what would wait for a GPU, or mix devices, is refused.

Tensors of PyTorch's `meta` device have shapes and no numbers. A build of PyTorch for processors alone cannot
differentiate on a pretended `cuda` device, not even in its `FakeTensorMode`, so that `meta` stands for it, and
`Elsewhere` sees every operation on the way to it, gradients and the optimiser's included.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

ELSEWHERE = torch.device("meta")

READS = frozenset(
    "_local_scalar_dense nonzero nonzero_static masked_select is_nonzero equal _unique _unique2 unique_dim "
    "unique_consecutive bincount repeat_interleave allclose _linalg_check_errors _linalg_eigh _linalg_svd linalg_eig "
    "linalg_lstsq".split()
)
"""Operations of ATen whose result, or its shape, or whether they have one, a GPU would have to be waited for.

`torch.linalg.inv`, `solve` and `cholesky` see whether they succeeded; `inv_ex`, `solve_ex` and `cholesky_ex` do not.
"""
COPIES = frozenset({"_to_copy", "copy_", "copy"})
MADE = (torch.tensor, torch.as_tensor, Tensor.new_tensor)
"""Where numbers of Python become tensors: on a GPU by a copy that is waited for."""
IN_PLACE = frozenset({"_fused_adam_"})
"""Operations that change what they are given, return nothing and may be unknown to `meta`."""


class WaitsForDevice(AssertionError):
    """A step reads a number off the device."""


class MixesDevices(AssertionError):
    """A step mixes tensors of two devices, or copies from one to the other."""


class Elsewhere(TorchDispatchMode):
    """Refuses what would wait for a GPU, and what mixes one with the processor.

    Args:
        unasked: operations that may wait.
    """

    def __init__(self, unasked: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self.unasked = unasked

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = func._schema.name.removeprefix("aten::")
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        there = [tensor for tensor in given if tensor.device == ELSEWHERE]
        if there:
            masks = name.startswith(("index", "_index", "_unsafe_index")) and any(
                leaf.dtype in (torch.bool, torch.uint8)
                for leaf in tree_leaves(args[1])
                if isinstance(leaf, Tensor) and not name.endswith(("_select", "_copy", "_add", "_fill"))
            )
            if masks or name in READS - self.unasked:
                raise WaitsForDevice(f"{func} of {[list(tensor.shape) for tensor in there]}")
            # A number of the processor may be an argument of a kernel; a tensor may not.
            here = [tensor for tensor in given if tensor.device != ELSEWHERE and tensor.dim() > 0]
            if here:
                raise MixesDevices(f"{func} of {[(str(tensor.device), list(tensor.shape)) for tensor in given]}")
        wanted = kwargs.get("device")
        if name in COPIES and (
            (there and wanted not in (None, ELSEWHERE)) or (given and not there and wanted == ELSEWHERE)
        ):
            raise MixesDevices(f"{func} from {given[0].device} to {wanted}")
        if name in COPIES and len({tensor.device for tensor in given}) > 1:
            raise MixesDevices(f"{func} from one device to another")
        if name in IN_PLACE and there:
            return None
        return func(*args, **kwargs)


class _Making(TorchFunctionMode):
    """Refuses to make tensors there from numbers that are here, but by the functions ``unasked``."""

    def __init__(self, unasked: frozenset[str]) -> None:
        super().__init__()
        self.unasked = unasked

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        numbers = func in MADE and func.__name__ not in self.unasked and not isinstance(args[-1], Tensor)
        if numbers and found.device == ELSEWHERE:
            raise MixesDevices(f"a tensor of shape {list(found.shape)} is made of Python's numbers")
        return found


@contextmanager
def elsewhere(*unasked: str) -> Iterator[None]:
    """While a step runs that must neither wait nor mix, but for what is ``unasked``, by name."""
    with _Making(frozenset(unasked)), Elsewhere(frozenset(unasked)):
        yield


@contextmanager
def generators() -> Iterator[None]:
    """Generators for a device that has none are the processor's, which draw nothing there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "Generator", _Anywhere)
        yield


_GENERATOR = torch.Generator


class _Anywhere:
    """A class, for annotations name it."""

    def __new__(cls, device: object = "cpu") -> Any:
        return _GENERATOR()


def with_adam_begun(optimiser: torch.optim.Adam) -> None:
    """As after a first step: Adam's own beginning asks for a device that it knows."""
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            moments = {name: torch.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
            optimiser.state[parameter] = {"step": torch.zeros((), device=parameter.device), **moments}
