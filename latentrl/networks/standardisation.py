"""Standardisation: networks see observations around zero and of unit size, whatever the camera or the sensor's unit.

Otherwise a bright background hides a small object, and encoder and decoder settle on the mean picture
(docs/own-environment.md). The likelihood stays in the observation's units.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from latentrl.numerics.pieces import evenly_spread
from latentrl.types import Sequences, is_image

STILL = 2.0
"""Times what varies in pictures, root mean square: where what stands still is more, the networks should not see it."""
UNIT = 5.0
"""Sensors whose deviation is further from 1 than by this factor are in a unit that networks do not expect."""
SMALL = 1 / 6
"""Of the readings' deviation, root mean square: one that deviates by less is lost beside the others, for so much error
is what a training allows (``--kappa``)."""
ALIKE = 0.25
"""Correlation of a reading with the next, in deviations: less is noise for the most part."""


class Standardisation(nn.Module):
    """Subtract a mean observation, divide by one scale for all dimensions; the identity before :meth:`fit`.

    One scale, not one for each pixel: else a pixel that hardly ever changes would count as much as the others. Sensors
    in units that have nothing to do with each other have one each.

    Args:
        shape: of an observation.
        each: whether every dimension has a scale of its own: see :meth:`fit_each`.
    """

    def __init__(self, shape: Sequence[int], each: bool = False) -> None:
        super().__init__()
        self.each = each
        self.register_buffer("mean", torch.zeros(*shape))
        self.register_buffer("scale", torch.ones(tuple(shape) if each else ()))
        self.mean: Tensor
        self.scale: Tensor

    @torch.no_grad()
    def fit(self, observations: Tensor, sample: int = 8000) -> None:
        """Take mean and scale from ``observations [N, *shape]``: uint8 images, counted in [0, 1], or floating point.

        The scale is the root mean variance over the dimensions, 1 where nothing varies. About ``sample`` observations,
        evenly spread, are looked at; fewer if they are large.
        """
        variance, mean = torch.var_mean(_spread(observations, sample), 0, correction=0)
        self.mean.copy_(mean)
        deviation = variance.mean().sqrt()
        self.scale.copy_(torch.where(deviation > 0, deviation, torch.ones_like(deviation)))

    @torch.no_grad()
    def fit_each(self, observations: Tensor, sample: int = 8000) -> None:
        """Take a mean and a scale for every dimension from ``observations [N, T, *shape]``, floating point.

        A dimension's scale is its deviation; but at least the root mean variance of all where it never changes or is
        noise for the most part, for nobody gains by a dead sensor's noise as large as what moves.
        """
        self.mean.copy_(_spread(observations.flatten(0, 1), sample).mean(0))
        self.scale.copy_(_scales(observations, sample)[0])

    @property
    def unit(self) -> Tensor:
        """The scale, a scalar; the root mean square of several."""
        return self.scale.square().mean().sqrt() if self.each else self.scale

    @property
    def weights(self) -> Tensor | None:
        """What errors of each dimension are divided by before they count as much as others, ``[*shape]``, 1 in the root
        mean square; None where there is one scale."""
        return self.scale / self.unit if self.each else None

    def forward(self, observations: Tensor, reduce: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """``observations [N, *shape]`` as a network should see them.

        Args:
            observations: or what ``reduce`` has made of them.
            reduce: linear, ``[N, *shape] -> [N, ...]``.
        """
        mean = self.mean if reduce is None else reduce(self.mean.unsqueeze(0))
        return (observations - mean) / self.scale

    def undo(self, standardised: Tensor) -> Tensor:
        """The inverse of :meth:`forward`: a network's output ``[N, *shape]`` in the observation's units."""
        return self.mean + self.scale * standardised


class Suggestion(NamedTuple):
    """Whether observations are to be standardised, and the reason in words."""

    standardise: bool
    why: str


def suggested_standardisation(data: Sequences, sample: int = 8000) -> Suggestion:
    """Whether the networks of a model of ``data`` should see standardised observations; no label is read.

    A network's first layer sums a picture. Where the mean picture, root mean square over its values, is more than
    `STILL` times the deviation of what varies around it, nearly all of the sum is the still page, and what moves is
    hardly seen. A bright thing on black has next to no mean picture, and stays as it is. Sensors are standardised where
    their mean is as far away, their unit makes the deviation larger than `UNIT` or smaller than its inverse, or their
    units differ (:func:`differ`).
    """
    units = own_units(data, sample)
    if units is not None:
        least, most = float(units.min()), float(units.max())
        return Suggestion(True, f"readings deviate by {least:.2g} to {most:.2g}: each counts by its own deviation")
    variance, mean = torch.var_mean(_spread(data.observations.flatten(0, 1), sample), 0, correction=0)
    still, deviation = float(mean.square().mean().sqrt()), float(variance.mean().sqrt())
    images = is_image(data.observations)
    what, whole = ("pixels", "mean picture") if images else ("readings", "mean reading")
    if deviation == 0.0:
        return Suggestion(False, f"{what} never change")
    told = f"the {whole} is {still / deviation:.1f} times what varies"
    if still > STILL * deviation:
        return Suggestion(True, f"{told}, more than {STILL:g}")
    if not images and not 1 / UNIT <= deviation <= UNIT:
        return Suggestion(True, f"{what} deviate by {deviation:.2g}, which is not within {1 / UNIT:g} to {UNIT:g}")
    return Suggestion(False, f"{told}, at most {STILL:g}")


def own_units(data: Sequences, sample: int = 8000) -> Tensor | None:
    """What each reading is to be counted in, ``[*shape]``; None of pictures, and of sensors in one unit or alike ones.

    Units have nothing to do with each other where a reading that moves would be lost beside the others: it deviates by
    less than `SMALL` of their root mean square.
    """
    if is_image(data.observations):
        return None
    scale, lost = _scales(data.observations, sample)
    return scale if bool(lost.any()) else None


def _scales(observations: Tensor, sample: int) -> tuple[Tensor, Tensor]:
    """As :meth:`Standardisation.fit_each` has it of ``observations [N, T, *shape]``, and which would be lost."""
    some = _spread(observations, max(1, sample // observations.shape[1])).double()
    variance = some.flatten(0, 1).var(0, correction=0)
    deviation, usual = variance.sqrt(), variance.mean().sqrt()
    changed = some.diff(dim=1).square().flatten(0, 1).mean(0) if some.shape[1] > 1 else 2 * variance
    telling = changed < 2 * (1 - ALIKE) * variance
    scale = torch.where(telling, deviation, torch.maximum(deviation, usual)).float()
    return torch.where(scale > 0, scale, 1.0), telling & (deviation < SMALL * usual)


def data_deviation(data: Sequences, sample: int = 8000) -> float:
    """Root mean variance of the observations over time and sequences, per dimension; images in [0, 1]."""
    return float(_spread(data.observations.flatten(0, 1), sample).var(0).mean().sqrt())


def _spread(observations: Tensor, sample: int) -> Tensor:
    """About ``sample`` of ``observations [N, *shape]``, evenly spread, floating point; images in [0, 1]."""
    spread = evenly_spread(observations, sample)
    return spread.float() / 255 if spread.dtype == torch.uint8 else spread.float()
