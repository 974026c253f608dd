"""What EKVAE, KVAE and static models share: q(a | x) and p(x | a) of single frames, by networks of one's choice."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from latentrl.models.base import leading_shape
from latentrl.models.scaled import ScaledObservations
from latentrl.models.spec import DataSpec
from latentrl.networks import NETWORKS, NetworkName
from latentrl.numerics.distributions import DiagonalGaussian
from latentrl.numerics.frame_errors import frame_errors
from latentrl.numerics.pieces import in_pieces


class FrameAutoencoder(ScaledObservations):
    """A model of positions a that are read off single frames. Large frames go through the networks in pieces."""

    encoder: nn.Module
    decoder: nn.Module

    def make_networks(
        self,
        spec: DataSpec,
        network: NetworkName,
        hidden: tuple[int, ...],
        size: int,
        standardise: bool = False,
        each_reading: bool = False,
    ) -> None:
        """Make ``encoder``, ``decoder`` and, if wanted, ``standard``.

        Args:
            spec: of the data.
            network: of :data:`latentrl.networks.NETWORKS`.
            hidden: fully connected layers of the encoder and, reversed, of the decoder.
            size: Da.
            standardise: whether the networks work on standardised observations.
            each_reading: whether every dimension has a scale of its own then, by which errors are weighed too.

        Raises:
            ValueError: no such network, or one that does not take observations of this shape.
        """
        if network not in NETWORKS:
            raise ValueError(f"network {network!r}: there are {', '.join(NETWORKS)}")
        make = NETWORKS[network]
        self._reduce = make.reduce
        seen = spec.observation_shape
        if make.reduce is not None:
            seen = tuple(make.reduce(torch.zeros(1, *seen)).shape[1:])
        self.encoder = make.encoder(seen, hidden, size)
        self.decoder = make.decoder(size, hidden[::-1], spec.observation_shape)
        self.standardise_observations(standardise, each_reading)

    def encode(self, observations: Tensor) -> DiagonalGaussian:
        """q(a | x) for ``observations [..., *shape]``, Eq. 4.18."""
        shape = self.spec.observation_shape
        lead = leading_shape(observations, shape)
        frames, values = observations.reshape(-1, *shape), math.prod(shape)
        if self._reduce is None:
            mean, variance = in_pieces(self._encode, values, frames)
        else:
            # What is left may be small enough to be kept: then nothing is computed again for the gradient.
            (reduced,) = in_pieces(self._reduced, values, frames, recompute=frames.requires_grad)
            mean, variance = in_pieces(self._encode_reduced, reduced[0].numel(), reduced)
        return DiagonalGaussian(mean.reshape(*lead, -1), variance.reshape(*lead, -1))

    def decode(self, positions: Tensor) -> Tensor:
        """Mean of p(x | a) for ``positions [..., Da]``, Eq. 4.16."""
        shape = self.spec.observation_shape
        (flat,) = in_pieces(self._decode, math.prod(shape), positions.reshape(-1, positions.shape[-1]))
        return flat.reshape(*positions.shape[:-1], *shape)

    def squared_error(self, positions: Tensor, observations: Tensor) -> Tensor:
        """Mean over the dimensions of (x - decoded a)^2, ``[...]``, images in [0, 1], each over its weight if any.

        Args:
            positions: ``[..., Da]``.
            observations: ``[..., *shape]``.
        """
        shape = self.spec.observation_shape
        frames, flat = observations.reshape(-1, *shape), positions.reshape(-1, positions.shape[-1])
        (errors,) = in_pieces(self._squared_error, math.prod(shape), flat, frames)
        return errors.reshape(positions.shape[:-1])

    def set_deviation(self, error: Tensor) -> None:
        """Set the standard deviation of p(x | a) to the root of ``error``, a scalar squared error."""
        with torch.no_grad():
            self.log_sigma.copy_(0.5 * error.log())

    def _encode(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        return self._encode_reduced(*self._reduced(frames))

    def _reduced(self, frames: Tensor) -> tuple[Tensor]:
        """What the encoder sees of ``frames``; reduced before anything else, for there is less to do then."""
        inputs = frames.float() if self._reduce is None else self._reduce(frames.float())
        if frames.dtype == torch.uint8:
            inputs = inputs / 255
        return (inputs if self.standard is None else self.standard(inputs, self._reduce),)

    def _encode_reduced(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        encoded = self.encoder(inputs)
        return encoded.mean, encoded.variance

    def _decode(self, positions: Tensor) -> tuple[Tensor]:
        return (self.drawn(self.decoder(positions.float())),)

    def _squared_error(self, positions: Tensor, frames: Tensor) -> tuple[Tensor]:
        (decoded,), weights = self._decode(positions), self.weights
        if weights is not None:
            decoded, frames = decoded / weights, self.to_unit(frames) / weights
        return (frame_errors(decoded, frames),)
