"""What a topology tells: whether points lie on it, what its straight coordinates are, and how points move on it."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from latentrl.geometry.descriptors import LANDMARKS


class Topology(ABC):
    """What the positions of a chart lie on. Without state: one instance serves all charts."""

    @abstractmethod
    def detects(self, points: Tensor) -> bool:
        """Whether ``points [L, K]`` lie on it, in coordinates that may be bent, each of any mean and scale."""

    @abstractmethod
    def dimension(self, coordinates: int) -> int:
        """In how many directions a point moves that has so many ``coordinates``."""

    @abstractmethod
    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Random points of it, ``[count, K]`` float32, in its straight coordinates."""

    def straighten(self, places: Tensor, observations: Tensor, landmarks: int = LANDMARKS) -> Tensor:
        """``places`` in straight coordinates, as the pictures show them; unchanged where nothing can be bent.

        Args:
            places: coordinates of the pictures, ``[N, T, K]`` float32.
            observations: the pictures ``[N, T, H, W, C]`` uint8.
            landmarks: frames, evenly spread, that tell what is straight.

        Returns:
            ``[N, T, K]`` float32.
        """
        return places

    def even(self, places: Tensor, observations: Tensor, landmarks: int = LANDMARKS) -> Tensor:
        """``places`` in coordinates in which motion is alike everywhere, each of mean zero and unit variance.

        Args:
            places: coordinates of the pictures, almost straight, ``[N, T, K]`` float32.
            observations: the pictures ``[N, T, H, W, C]`` uint8.
            landmarks: frames, evenly spread, that tell what pictures have to tell.

        Returns:
            ``[N, T, K]`` float32.
        """
        return standardised(places)

    @abstractmethod
    def displacements(self, positions: Tensor, places: Tensor) -> Tensor:
        """What a model's positions have moved from each time step to the next, without gradient.

        Args:
            positions: ``[B, T, K]``, whose mean is of no account.
            places: ``[B, T, K]``, where these are in the straight coordinates, each of unit variance.

        Returns:
            ``[B * (T - 1), dimension(K)]``.
        """


def standardised(places: Tensor) -> Tensor:
    """``places [N, T, K]``, each coordinate with mean zero and unit variance; a constant one is 0."""
    flat = places.flatten(0, 1)
    return (places - flat.mean(0)) / flat.std(0).clamp(min=1e-12)
