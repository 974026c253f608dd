"""What all models share whose networks see observations around zero and of unit size, and whose sigma does not.

The likelihood stays in the observation's units: see :mod:`latentrl.networks.standardisation`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from latentrl.models.base import GenerativeModel
from latentrl.networks.standardisation import Standardisation
from latentrl.numerics.distributions import PixelGaussian, pixel_distortion
from latentrl.types import Sequences


class ScaledObservations(GenerativeModel):
    """A model of observations that its networks may see standardised; a base class.

    ``standard`` is None where they see them as they are.
    """

    log_sigma: nn.Parameter
    standard: Standardisation | None

    def standardise_observations(self, wanted: bool, each_reading: bool = False) -> None:
        """Make ``standard``, if ``wanted``; with ``each_reading`` every dimension has a scale of its own."""
        self.standard = Standardisation(self.spec.observation_shape, each_reading) if wanted else None

    def prepare(self, data: Sequences) -> None:
        super().prepare(data)
        if self.standard is not None and self.standard.each:
            self.standard.fit_each(data.observations)
        elif self.standard is not None:
            self.standard.fit(data.observations.flatten(0, 1))

    def seen(self, observations: Tensor) -> Tensor:
        """``observations [..., *shape]`` as a network sees them, float32."""
        inputs = self.to_unit(observations)
        return inputs if self.standard is None else self.standard(inputs)

    def drawn(self, outputs: Tensor) -> Tensor:
        """A decoder's ``outputs [..., *shape]`` in the observation's units, images in [0, 1]."""
        return outputs if self.standard is None else self.standard.undo(outputs)

    def error_unit(self) -> Tensor:
        """The deviation that errors count in for the networks; a scalar, 1 where observations are not standardised."""
        return torch.ones(()) if self.standard is None else self.standard.unit

    def reading_scale(self) -> Tensor | None:
        return self.standard.scale if self.standard is not None and self.standard.each else None

    @property
    def weights(self) -> Tensor | None:
        """What a dimension's error is divided by, ``[*shape]``; None where all count alike."""
        return None if self.standard is None else self.standard.weights

    def around(self, mean: Tensor) -> PixelGaussian:
        """p(x | z) around ``mean [..., *shape]``: sigma, for each dimension times its weight."""
        sigma, weights = self.log_sigma.exp(), self.weights
        return PixelGaussian(mean, sigma if weights is None else sigma * weights, len(self.spec.observation_shape))

    def mean_error(self, mean: Tensor, target: Tensor) -> Tensor:
        """Mean over the dimensions of (target - mean)^2 ``[...]``, each over its weight, if any, in the same units.

        Args:
            mean: of p(x | z), ``[..., *shape]``.
            target: ``[..., *shape]``, floating point.
        """
        missed, weights = mean - target, self.weights
        if weights is not None:
            missed = missed / weights
        return missed.square().flatten(-len(self.spec.observation_shape)).mean(-1)

    def distortion(self, error: Tensor) -> Tensor:
        """-log p(x | z) in nats of frames whose mean squared error, each dimension over its weight, is ``[...]``."""
        weights = self.weights
        found = pixel_distortion(error, self.log_sigma, math.prod(self.spec.observation_shape))
        return found if weights is None else found + weights.log().sum()
