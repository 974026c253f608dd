"""Prefix sums of any associative operation, in a number of rounds that grows with the logarithm of the length.

Pairs of neighbours are joined, the prefixes of the pairs are found in the same way, and those in between are joined
with one element more (Blelloch 1989, "Scans as Primitive Parallel Operations"): at most 2 log2(T) rounds, 2 T joins.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

Elements = TypeVar("Elements", bound=tuple[Tensor, ...])


def prefixes(join: Callable[[Elements, Elements], Elements], elements: Elements) -> Elements:
    """``e_1, e_1 * e_2, ..., e_1 * ... * e_T``; gradients by autograd.

    Args:
        join: an associative operation on named tuples of tensors ``[B, n, ...]``, the earlier elements first.
        elements: tensors ``[B, T, ...]``, T at least one.
    """
    length = elements[0].shape[1]
    if length == 1:
        return elements
    pairs = prefixes(join, join(_at(elements, slice(0, length - 1, 2)), _at(elements, slice(1, None, 2))))
    if length == 2:
        return _each(elements, lambda place, one: torch.cat((one[:, :1], pairs[place]), 1))
    between = join(_at(pairs, slice(0, (length - 1) // 2)), _at(elements, slice(2, None, 2)))
    return _each(elements, lambda place, one: _woven(torch.cat((one[:, :1], between[place]), 1), pairs[place]))


def suffixes(join: Callable[[Elements, Elements], Elements], elements: Elements) -> Elements:
    """``e_1 * ... * e_T, ..., e_{T-1} * e_T, e_T``: as :func:`prefixes`, from the end."""
    back = _each(elements, lambda place, one: one.flip(1))
    found = prefixes(lambda later, earlier: join(earlier, later), back)
    return _each(found, lambda place, one: one.flip(1))


def _woven(even: Tensor, odd: Tensor) -> Tensor:
    """Elements 0, 2, 4, ... and 1, 3, 5, ... in their order; there is one more of the first, or as many."""
    count = odd.shape[1]
    woven = torch.stack((even[:, :count], odd), 2).flatten(1, 2)
    return woven if even.shape[1] == count else torch.cat((woven, even[:, count:]), 1)


def _at(elements: Elements, some: slice) -> Elements:
    return _each(elements, lambda place, one: one[:, some])


def _each(elements: Elements, change: Callable[[int, Tensor], Tensor]) -> Elements:
    return type(elements)(*(change(place, one) for place, one in enumerate(elements)))
