"""Motion in neighbourhoods: near a place, motion is nearly linear in where a frame is and what pushes it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from latentrl.inspection.frames import Frames
from latentrl.numerics.manifolds import local_frames, neighbourhoods

PLACES = 300
"""Neighbourhoods that are looked at."""
LAGS = 2
"""Steps before and after its own that an action is tried at."""


class Steps(NamedTuple):
    """Steps of the frames in ``M`` neighbourhoods of ``K`` frames, along the leading axes ``d`` there; float64.

    Attributes:
        place: of the frames ``[M, K, d]``, from the middle.
        last: displacement from the frame before ``[M, K, d]``.
        next: displacement to the frame after ``[M, K, d]``.
        actions: ``[M, K, 2 LAGS + 1, Du]``, over their deviation, from `LAGS` steps before the frame's own on; zero
            where the sequence has none.
    """

    place: Tensor
    last: Tensor
    next: Tensor
    actions: Tensor

    def action(self, lag: int) -> Tensor:
        """The action ``lag`` steps after the one that acts on the frame ``[M, K, Du]``."""
        return self.actions[:, :, LAGS + lag]


def local_steps(frames: Frames, count: int, lags: bool = False, roll: int = 0) -> Steps | None:
    """Steps along ``count`` axes, in neighbourhoods large enough for what is fitted there; None: too few frames.

    Args:
        frames: of sequences of three steps or more.
        count: axes.
        lags: only frames with actions at all lags, and neighbourhoods large enough for these.
        roll: take the actions of the sequence so many before, which have nothing to do with the frames.
    """
    sequences, length, size = frames.points.shape
    edge = LAGS if lags else 0
    middle = torch.arange(sequences * length).view(sequences, length)[:, max(1, edge) : length - 1 - edge].flatten()
    wanted = 10 + 3 * (1 + 2 * count + (2 * LAGS + 1 if lags else 2) * frames.sequences.actions.shape[-1])
    if len(middle) < 2 * wanted or sequences < 3:
        return None
    points = frames.points.flatten(0, 1)
    places, owner = points[middle], middle // length
    at = torch.arange(0, len(middle), max(1, len(middle) // PLACES))
    near = neighbourhoods(places, at, wanted, owner)[1]
    centre, axes = local_frames(places, near, min(count, size))

    def along(values: Tensor) -> Tensor:
        return (values[near] @ axes).double()

    actions = frames.sequences.actions.roll(roll, 0)
    pushes = (actions - actions.mean((0, 1))) / actions.std((0, 1)).clamp(min=1e-9)
    padded = torch.nn.functional.pad(pushes, (0, 0, LAGS, LAGS + 1))
    around = torch.stack([padded[:, k : k + length] for k in range(2 * LAGS + 1)], 2).flatten(0, 1)[middle]
    return Steps(
        place=((places[near] - centre.unsqueeze(1)) @ axes).double(),
        last=along(places - points[middle - 1]),
        next=along(points[middle + 1] - places),
        actions=around[near].double(),
    )


def left_of(target: Tensor, given: Tensor) -> Tensor:
    """Covariance ``[M, d, d]`` of what a linear fit to ``given [M, K, P]`` leaves of ``target [M, K, d]``.

    Degrees of freedom are counted, so that a regressor that tells nothing changes nothing in the mean.
    """
    design = torch.cat((given, torch.ones_like(given[..., :1])), -1)
    # Unit columns with a little of a ridge: an action may be the same at all frames of a neighbourhood.
    design = design / design.norm(dim=1, keepdim=True).clamp(min=1e-12)
    normal = design.transpose(1, 2) @ design + 1e-9 * torch.eye(design.shape[2], dtype=design.dtype)
    left = target - design @ torch.linalg.solve(normal, design.transpose(1, 2) @ target)
    return left.transpose(1, 2) @ left / (target.shape[1] - design.shape[2])
