"""Encoders and decoders: amortised q(a | x) and p(x | a)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from latentrl.numerics.distributions import DiagonalGaussian


class _Rows(nn.Sequential):
    """Layers that see any number of leading dimensions as one.

    Of more than two dimensions a linear layer returns a view, and the gradient of rectifying a view in place copies it.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        if inputs.dim() < 3:
            return super().forward(inputs)
        return super().forward(inputs.flatten(0, -2)).unflatten(0, inputs.shape[:-1])


def mlp(sizes: Sequence[int]) -> nn.Sequential:
    """Fully connected ReLU layers of the given sizes; the last layer is linear."""
    layers: list[nn.Module] = []
    for n_in, n_out in zip(sizes[:-1], sizes[1:], strict=True):
        # In place: a layer's outputs are not needed but rectified.
        layers += [nn.Linear(n_in, n_out), nn.ReLU(inplace=True)]
    return _Rows(*layers[:-1])


def mlp_jacobian(network: nn.Sequential, inputs: Tensor, outputs: int | None = None) -> tuple[Tensor, Tensor]:
    """Outputs ``[N, n_out]`` of an :func:`mlp` at ``inputs [N, n_in]`` and their slopes ``[N, n_out, n_in]``.

    Layer by layer, so that it needs no recorded graph and works in inference mode; forwards, or backwards where there
    are fewer outputs than inputs.

    Args:
        network: as its parameters are now.
        inputs: where.
        outputs: of its last layer, the first so many; None: all.
    """
    layers = [layer for layer in network if isinstance(layer, nn.Linear)]
    assert all(isinstance(layer, nn.Linear | nn.ReLU) for layer in network)
    weights = [layer.weight for layer in layers]
    weights[-1] = weights[-1][:outputs]
    values, active = layers[0](inputs), []
    for layer in layers[1:]:
        active.append((values > 0).unsqueeze(-1))
        values = layer(values.relu())
    values = values[..., :outputs]
    if values.shape[-1] < inputs.shape[-1]:
        slopes = weights[-1].expand(len(inputs), -1, -1)
        for weight, on in zip(weights[-2::-1], active[::-1], strict=True):
            slopes = (slopes * on.mT) @ weight
        return values, slopes
    slopes = weights[0].expand(len(inputs), -1, -1)
    for weight, on in zip(weights[1:], active, strict=True):
        slopes = weight @ (slopes * on)
    return values, slopes


class DiagonalGaussianMLP(nn.Module):
    """An MLP ``[..., n_in]`` -> diagonal normal ``[..., n_out]``.

    The log variance is squashed softly into ``[log_variance_min, log_variance_max]``, so that neither end has a
    vanishing or exploding gradient when an untrained network starts far away.
    """

    def __init__(
        self,
        n_in: int,
        hidden: Sequence[int],
        n_out: int,
        log_variance: float = 0.0,
        log_variance_range: tuple[float, float] = (-16.0, 4.0),
    ) -> None:
        super().__init__()
        self.network: nn.Sequential = mlp((n_in, *hidden, 2 * n_out))
        self.range = log_variance_range
        last = self.network[-1]
        assert isinstance(last, nn.Linear)
        with torch.no_grad():
            last.bias[n_out:] = log_variance

    def forward(self, inputs: Tensor) -> DiagonalGaussian:
        mean, log_variance = self.moments(inputs)
        return DiagonalGaussian(mean, log_variance.exp())

    def moments(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """The mean and the logarithm of the variance, both ``[..., n_out]``."""
        mean, log_variance = self.network(inputs).chunk(2, -1)
        return mean, log_variance.clamp(*self.range)


class VectorEncoder(nn.Module):
    """q(a | x) for images or sensors of any shape, flattened: ``[N, *shape]`` -> diagonal normal ``[N, size]``."""

    body: DiagonalGaussianMLP

    def __init__(self, shape: Sequence[int], hidden: Sequence[int], size: int) -> None:
        super().__init__()
        self.body = DiagonalGaussianMLP(int(torch.Size(shape).numel()), hidden, size, log_variance=-4.0)

    def forward(self, observations: Tensor) -> DiagonalGaussian:
        return self.body(observations.flatten(1))


class VectorDecoder(nn.Module):
    """The mean of p(x | a): ``[N, size]`` -> ``[N, *shape]``."""

    def __init__(self, size: int, hidden: Sequence[int], shape: Sequence[int]) -> None:
        super().__init__()
        self.shape: tuple[int, ...] = tuple(shape)
        self.body: nn.Sequential = mlp((size, *hidden, int(torch.Size(shape).numel())))

    def forward(self, latents: Tensor) -> Tensor:
        return self.body(latents).unflatten(-1, self.shape)
