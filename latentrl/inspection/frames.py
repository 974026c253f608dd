"""Some frames of a data set, as few numbers as tell them apart: what every estimate here is made from."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from latentrl.data_collection.checks import check_finite
from latentrl.geometry.charts import NEAR
from latentrl.geometry.descriptors import thumbnails
from latentrl.geometry.neighbour_graph import distinct
from latentrl.inspection.noise import interpolation_noise
from latentrl.numerics.manifolds import leading_components, local_noise, neighbourhoods
from latentrl.types import Sequences, is_image

MOST_FRAMES = 5000
"""That are looked at, in whole sequences: neighbours of each are sought among all."""
MOST_VALUES = 60_000_000
"""In all of them: of large pictures there are fewer."""
MOST_COMPONENTS = 48
SMALLEST_SHARE = 1e-4
"""Of the variance: components with less tell nothing that a model could learn."""
NOISY_PATCHES, PATCH = 200, 16
"""Neighbourhoods, and frames in each, that noise is measured in."""


class Frames(NamedTuple):
    """Frames as points.

    Attributes:
        sequences: those that were looked at, ``N`` of them.
        points: principal components ``[N, T, M]`` float32 of blurred thumbnails, or of sensors each over its deviation.
        noise: standard deviation of the noise in every component.
        sensor_noise: the same per observation dimension, root mean square, in the data's unit (pictures in [0, 1]): an
            upper bound, for what is not explained counts as noise.
        deviation: root mean variance of an observation's dimensions, in the same unit.
        distinct: numbers ``[U]`` of frames that are not all equal to another.
    """

    sequences: Sequences
    points: Tensor
    noise: float
    sensor_noise: float
    deviation: float
    distinct: Tensor

    @property
    def sequence_of(self) -> Tensor:
        """To which sequence each of the ``N * T`` frames belongs."""
        return torch.arange(self.points.shape[0]).repeat_interleave(self.points.shape[1])

    @property
    def squared_noise(self) -> float:
        """What noise adds to a squared distance of two points."""
        return 2 * self.points.shape[2] * self.noise**2


def look_at(data: Sequences, most: int = MOST_FRAMES) -> Frames:
    """Frames of about ``most`` of ``data``, in evenly spread sequences.

    Raises:
        UserError: readings or actions that are not finite; it names the sequence and the step.
    """
    values = max(1, data.observations.shape[2:].numel())
    every = max(1, math.ceil(len(data) * data.length / min(most, MOST_VALUES // values)))
    some = data[::every].to("cpu")
    check_finite(some, "what is looked at" if every == 1 else f"every {every}th sequence")
    seen = some.observations.flatten(0, 1)
    images = is_image(some.observations)
    flat = seen.flatten(1).float() / 255 if images else seen.flatten(1).float()
    deviation = float(flat.var(0, correction=0).mean().sqrt())
    if images:
        described = thumbnails(seen, NEAR)
    else:
        spread = flat.std(0, correction=0)
        described = (flat - flat.mean(0)) / spread.where(spread > 0, torch.ones(()))
    unequal = distinct(described)
    points, variances = leading_components(described, MOST_COMPONENTS)
    owner = torch.arange(len(some)).repeat_interleave(some.length)
    if images and len(unequal) > 2 * PATCH and len(some) > 1:
        noise, sensor_noise = _noise_of_pictures(described, flat, points, unequal, owner)
    else:
        each = interpolation_noise(flat.unflatten(0, (len(some), -1)), some.actions)
        sensor_noise = float(each.square().mean().sqrt())
        scale = flat.std(0, correction=0)
        noise = float((each / scale.where(scale > 0, torch.ones(()))).square().mean().sqrt())
    telling = variances > max(9 * noise**2 if images else 0.0, SMALLEST_SHARE * float(variances.sum()))
    kept = max(1, int(telling.sum()))
    return Frames(some, points[:, :kept].unflatten(0, (len(some), -1)), noise, sensor_noise, deviation, unequal)


def _noise_of_pictures(
    described: Tensor, flat: Tensor, points: Tensor, distinct: Tensor, owner: Tensor
) -> tuple[float, float]:
    """Noise of what is ``described``, and of the pictures themselves, among frames that look alike."""
    at = torch.arange(0, len(distinct), max(1, len(distinct) // NOISY_PATCHES))
    near = neighbourhoods(points[distinct], at, PATCH, owner[distinct])[1]
    near = distinct[near]
    return local_noise(described, near), local_noise(flat, near)
