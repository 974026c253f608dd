"""Noise of a few sensors, from how far each reading is off what those before and after it say."""

from __future__ import annotations

import torch
from torch import Tensor

from latentrl.numerics.least_squares import least_squares
from latentrl.numerics.neighbours import nearest

REACH = 2
"""Steps to either side."""
PLACES, SPARE = 300, 3
"""Neighbourhoods that a motion which is not linear is interpolated in, and frames in each for every weight."""


def interpolation_noise(values: Tensor, actions: Tensor) -> Tensor:
    """An upper bound of the noise's standard deviation in each dimension, ``[D]``.

    Readings are interpolated linearly from those before and after them and the actions there, by least squares: once
    for all, and once among moments that are alike, for what turns is not linear. What is left has the variance
    sigma^2 (1 + the sum of squared weights), if motion leaves nothing; it always leaves some. The lesser counts.

    Args:
        values: ``[N, T, D]``.
        actions: ``[N, T - 1, Du]``.
    """
    reach = min(REACH, (values.shape[1] - 1) // 2)
    if reach == 0:
        return values.flatten(0, 1).std(0, correction=0)
    length = values.shape[1] - 2 * reach
    offsets = [k for k in range(2 * reach + 1) if k != reach]
    pushes = torch.cat([actions[:, k : k + length] for k in range(2 * reach)], -1)
    found = []
    for one in values.unbind(-1):
        around = torch.stack([one[:, k : k + length] for k in offsets], -1)
        design = torch.cat((around, pushes, torch.ones_like(around[..., :1])), -1).flatten(0, 1).double()
        target = one[:, reach : reach + length].flatten().double()
        # Centred, so that a far origin costs no digits.
        design[:, : len(offsets)] -= target.mean()
        target = target - target.mean()
        weights = least_squares(design, target.unsqueeze(1)).squeeze(1)
        left = (target - design @ weights).square().mean()
        found.append((left / (1 + weights[: len(offsets)].square().sum())).sqrt())
    everywhere = torch.stack(found).float()
    alike = _among_alike(values, actions)
    return everywhere if alike is None else torch.minimum(everywhere, alike)


def _among_alike(values: Tensor, actions: Tensor) -> Tensor | None:
    """The bound ``[D]`` from fits among moments whose readings before and after are alike; None: too few of them.

    All dimensions interpolate each; of the squared weights only those of a dimension's own readings count, for the
    others have the noise of other sensors, which may be anything. The median over places leaves single outliers out.
    """
    scale = values.flatten(0, 1).std(0, correction=0).clamp(min=1e-12)
    scaled = (values - values.mean((0, 1))) / scale
    size = values.shape[2]
    sides = torch.cat((scaled[:, :-2], scaled[:, 2:]), -1).flatten(0, 1)
    given = torch.cat((sides, actions[:, :-1].flatten(0, 1), actions[:, 1:].flatten(0, 1)), -1).double()
    count = 10 + SPARE * (given.shape[1] + 1)
    if len(sides) < 4 * count:
        return None
    index = nearest(sides[:: max(1, len(sides) // PLACES)], sides, count)[1]
    design, target = given[index], scaled[:, 1:-1].flatten(0, 1).double()[index]
    design, target = design - design.mean(1, keepdim=True), target - target.mean(1, keepdim=True)
    normal = design.transpose(1, 2) @ design
    # Where nothing moves all of it is zero.
    ridge = 1e-9 * normal.diagonal(dim1=1, dim2=2).mean(1) + 1e-12
    inverse = torch.linalg.inv(normal + ridge[:, None, None] * torch.eye(normal.shape[1]))
    weights = inverse @ design.transpose(1, 2) @ target
    left = (target - design @ weights).square().sum(1) / (count - given.shape[1] - 1)
    own = _own_sides(weights.square(), size)
    # Few frames leave weights uncertain, and what is random in them makes their squares larger.
    chance = (inverse @ normal @ inverse).diagonal(dim1=1, dim2=2).unsqueeze(-1) * left.unsqueeze(1)
    squared = left / (1 + (own - _own_sides(chance, size)).clamp(min=0))
    return (squared.median(0).values.sqrt() * scale).float()


def _own_sides(values: Tensor, size: int) -> Tensor:
    """What each dimension's own readings before and after have of ``values [M, 2 size + ..., size]``: ``[M, size]``."""
    before, after = (values[:, start : start + size].diagonal(dim1=1, dim2=2) for start in (0, size))
    return before + after
