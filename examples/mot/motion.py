"""Where a box will be: constant velocity, by the package's Kalman filter.

A state is the box's centre, width and height and how fast each of them changes, in pixels and pixels a frame. As in
DeepSORT (Wojke et al. 2017) noises are shares of the height: what is large is near, and moves further.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from examples.mot.boxes import Boxes
from latentrl.inference import kalman
from latentrl.types import Belief

PLACE, SPEED = 1 / 20, 1 / 160
"""Deviations of a measured box, and of a velocity's change in a frame; in heights."""
GATE = 9.4877
"""Squared Mahalanobis distance that 95% of the right boxes are within: chi-squared, four degrees of freedom."""

_EYE = torch.eye(4, dtype=torch.float64)
_ZERO = torch.zeros(4, 4, dtype=torch.float64)
TRANSITION = torch.cat((torch.cat((_EYE, _EYE), 1), torch.cat((_ZERO, _EYE), 1)))
EMISSION = torch.cat((_EYE, _ZERO), 1)


def measured(boxes: Boxes) -> Tensor:
    """Centre and size ``[N, 4]``, float64, of ``boxes [N, 4]``."""
    found = torch.from_numpy(np.asarray(boxes, np.float64))
    return torch.cat((found[:, :2] + found[:, 2:] / 2, found[:, 2:]), 1)


def boxes_of(belief: Belief) -> Boxes:
    """The boxes ``[N, 4]`` that states are believed to be; never narrower than a pixel."""
    centre, size = belief.mean[:, :2], belief.mean[:, 2:4].clamp(min=1)
    return torch.cat((centre - size / 2, size), 1).numpy()


def begin(boxes: Boxes) -> Belief:
    """What is believed ``[N]`` of ``boxes [N, 4]`` that are seen for the first time: nothing of their velocity."""
    centre = measured(boxes)
    height = centre[:, 3:]
    deviation = torch.cat((2 * PLACE * height.expand(-1, 4), 10 * SPEED * height.expand(-1, 4)), 1)
    return Belief(torch.cat((centre, torch.zeros_like(centre)), 1), deviation.square().diag_embed())


def predict(belief: Belief) -> Belief:
    """A frame later."""
    height = belief.mean[:, 3:4].clamp(min=1)
    deviation = torch.cat((PLACE * height.expand(-1, 4), SPEED * height.expand(-1, 4)), 1)
    return kalman.predict(belief, TRANSITION, deviation.square().diag_embed())


def update(belief: Belief, boxes: Boxes) -> Belief:
    """With ``boxes [N, 4]`` seen, one for each state."""
    return kalman.update(belief, measured(boxes), EMISSION, _noise(belief))


def deviations(belief: Belief, boxes: Boxes) -> Tensor:
    """Squared Mahalanobis distances ``[N, M]`` of ``boxes [M, 4]`` from where N states are believed to be."""
    apart = measured(boxes) - belief.mean[:, None, :4]
    covariance = belief.covariance[:, :4, :4] + _noise(belief)
    return (apart * torch.linalg.solve(covariance, apart.mT).mT).sum(-1)


def _noise(belief: Belief) -> Tensor:
    height = belief.mean[:, 3:4].clamp(min=1)
    return (PLACE * height.expand(-1, 4)).square().diag_embed()
