"""What every initial distribution p(z_1) is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from latentrl.types import Belief

Posterior = Callable[[Tensor], Belief]
"""q(z_1 | x_1) of a model, with mean ``[N, Dz]`` and covariance ``[N, Dz, Dz]``, for frames ``[N, *shape]``, images in
[0, 1]."""


class InitialDistribution(nn.Module, ABC):
    """p(z_1) over ``size`` dimensions.

    :meth:`bound` is what a model's rate weighs z_1 with. A distribution without a density over z has none, and only
    models that say so take it (:class:`latentrl.priors.transformed_normal.TransformedNormal`).
    """

    size: int
    tied: ClassVar[bool] = True
    """Whether it is tied to its coordinates, but for mirrors: see :meth:`change_coordinates`."""
    examples: int = 0
    """Frames that :meth:`begin_at` takes; with none it does not begin at data."""

    @abstractmethod
    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """``count`` initial states ``[count, Dz]``."""

    def bound(self, state: Tensor, generator: torch.Generator | None = None, samples: int = 1) -> Tensor:
        """log p(z_1) for ``state [..., Dz]`` in nats ``[...]``, or an estimate of a lower bound of it.

        Args:
            state: z_1.
            generator: of what is drawn for the estimate.
            samples: drawn for each state; the more, the tighter the bound.

        Raises:
            NotImplementedError: the distribution has no density over z.
        """
        raise NotImplementedError(f"{type(self).__name__} has no density over z")

    def bind(self, posterior: Posterior, shape: Sequence[int], images: bool) -> None:
        """Become the prior of a model, before any weight is learned; by default it is the same for every model.

        Args:
            posterior: the model's, a method of it, so that a copy of the model has a prior of its own.
            shape: of an observation.
            images: whether observations are images.
        """

    def begin_at(self, frames: Tensor) -> None:
        """Take ``frames [examples, *shape]`` of the data for a start, images in [0, 1]; by default there is no use."""

    @classmethod
    def can_begin_afresh(cls) -> bool:
        """Whether :meth:`fresh` gives anything."""
        return cls.fresh is not InitialDistribution.fresh

    def fresh(self) -> InitialDistribution | None:
        """One of the same kind and sizes with new weights, to be fitted again; None where there is nothing to fit."""
        return None

    def take_coordinates(self, other: InitialDistribution) -> None:
        """Take over the coordinates of ``other``, which is of the same kind; by default there are none to take."""

    def change_coordinates(self, gauge: Tensor) -> None:
        """Become the distribution of ``gauge z``, in place; ``gauge [Dz, Dz]`` has the determinant one or minus one.

        Raises:
            ValueError: ``gauge`` is a change of coordinates that this distribution does not allow.
        """
        raise ValueError(f"{type(self).__name__} is tied to its coordinates")
