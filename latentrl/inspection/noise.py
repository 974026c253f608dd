"""Noise of a few sensors, from how far each reading is off what those before and after it say."""

from __future__ import annotations

import torch
from torch import Tensor

from latentrl.numerics.least_squares import least_squares

REACH = 2
"""Steps to either side."""


def interpolation_noise(values: Tensor, actions: Tensor) -> Tensor:
    """An upper bound of the noise's standard deviation in each dimension, ``[D]``.

    Readings are interpolated linearly from those up to two steps away and the actions there, by least squares. What is
    left has the variance sigma^2 (1 + the sum of squared weights), if motion leaves nothing; it always leaves some.

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
    return torch.stack(found).float()
