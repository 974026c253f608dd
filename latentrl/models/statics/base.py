"""What every static model is: a model of frames that know nothing of each other."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor

from latentrl.models.base import GenerativeModel


class Drawn(NamedTuple):
    """Samples of q(z | x), and what they are worth; each ``[K, N]`` in nats but for the first and the last.

    Attributes:
        latents: z ``[K, N, Dz]``.
        log_likelihood: log p(x | z).
        log_ratio: F(z) - log q(z | x), minus the rate; F(z) is log p(z) or a lower bound of it.
        errors: squared error per observation dimension.
    """

    latents: Tensor
    log_likelihood: Tensor
    log_ratio: Tensor
    errors: Tensor

    @property
    def log_weights(self) -> Tensor:
        """log w of Algorithm 1 and Eq. 2.17, ``[K, N]``."""
        return self.log_likelihood + self.log_ratio


class StaticModel(GenerativeModel):
    """A model p(x | z) p(z) of single frames; a sequence is a bag of them, and actions are not looked at."""

    @abstractmethod
    def draw(self, frames: Tensor, samples: int, generator: torch.Generator | None = None, inner: int = 1) -> Drawn:
        """``samples`` of q(z | x) for each of ``frames [N, *shape]``, and what they are worth.

        Args:
            frames: raw.
            samples: K.
            generator: of the samples, and of the prior's bound.
            inner: samples of that bound; with one, the exponential of ``log_weights`` is on average exactly p(x).
        """

    @abstractmethod
    def latents(self, observations: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """What stands for each of ``observations [..., *shape]``, ``[..., Dz]``."""

    @abstractmethod
    def means(self, observations: Tensor) -> Tensor:
        """The mean of q(z | x) for each of ``observations [..., *shape]``, ``[..., Dz]``."""

    @abstractmethod
    def decode(self, positions: Tensor) -> Tensor:
        """Mean of p(x | z) for ``positions [..., Dz]``: what geometry measures with."""
