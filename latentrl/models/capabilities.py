"""Capabilities: what a recipe may ask of a model beyond being one."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from latentrl.types import Distribution, RateDistortion, Sequences


@runtime_checkable
class FrameEncoder(Protocol):
    """A model whose position is read off each frame alone."""

    def encode(self, observations: Tensor) -> Distribution:
        """q(a | x) with mean ``[..., Da]`` for ``observations [..., *observation_shape]``."""
        ...


class Sampled(NamedTuple):
    """What ``rate_distortion`` returns, and what it was estimated with.

    Attributes:
        terms: see ``rate_distortion``.
        states: ``[B, T, Dz]``, or those before the last time step.
        positions: means of q(a | x) ``[B, T, Da]``.
    """

    terms: RateDistortion
    states: Tensor
    positions: Tensor


@runtime_checkable
class StateSampler(Protocol):
    """A model that tells which states its rate was estimated with."""

    def sampled_rate_distortion(self, batch: Sequences, generator: torch.Generator | None = None) -> Sampled:
        """See :class:`Sampled`."""
        ...
