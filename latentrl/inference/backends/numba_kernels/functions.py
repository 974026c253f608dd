"""The kernels as functions of tensors with gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from latentrl.inference.backends.numba_kernels.caching import Kernel
from latentrl.inference.backends.numba_kernels.density import density_backward, density_forward
from latentrl.inference.backends.numba_kernels.filter import filter_backward, filter_forward
from latentrl.inference.backends.numba_kernels.lanes import LANES
from latentrl.inference.backends.numba_kernels.moments import moments_backward, moments_forward
from latentrl.inference.backends.numba_kernels.paths import paths_backward, paths_forward
from latentrl.inference.backends.numba_kernels.smoother import smoother_backward, smoother_forward

Array = NDArray[np.float64]
FILTER, FILTER_BACK = Kernel(filter_forward), Kernel(filter_backward)
PATHS, PATHS_BACK = Kernel(paths_forward), Kernel(paths_backward)
SMOOTHER, SMOOTHER_BACK = Kernel(smoother_forward), Kernel(smoother_backward)
MOMENTS, MOMENTS_BACK = Kernel(moments_forward), Kernel(moments_backward)
DENSITY, DENSITY_BACK = Kernel(density_forward), Kernel(density_backward)
NOTHING = np.zeros((0, 0, 0))


def array(tensor: Tensor) -> Array:
    """The tensor's numbers, contiguous; matrices over ``[B, T]`` flat."""
    flat = tensor.detach().flatten(2) if tensor.dim() > 3 else tensor.detach()
    found: Array = flat.contiguous().numpy()
    return found


def empty(*shape: int) -> Array:
    """An array that is to be set."""
    return np.empty(shape)


def blocks(batch: int) -> int:
    """How often eight sequences are taken."""
    return -(-batch // LANES)


def scratch(size: int, observed: int, controls: int, network: Network | None = None) -> Array:
    """An array for a kernel to work in: more than any needs.

    Args:
        size: Dz.
        observed: Da.
        controls: Du.
        network: the alpha network, if there is one.
    """
    side = max(size, observed, 1)
    rows = 32 * side * (side + 1) + 8 * size * (size + controls) + 16
    if network is not None:
        widths, count = network.widths, int(network.widths[-1])
        rows += len(network.theta) + count * (size * (size + controls) + size + 4)
        rows += int(widths.sum()) + 2 * int(widths.max())
    return empty(rows, LANES)


class Network:
    """The alpha network's parameters as the kernels read them.

    Args:
        parameters: weights of the state ``[Dz, n]`` and of the control ``[Du, n]``, bias ``[n]``; then weights
            ``[n_in, n_out]`` and bias of every further layer.
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self.shapes = [parameter.shape for parameter in parameters]
        self.theta: Array = torch.cat([parameter.detach().reshape(-1) for parameter in parameters]).numpy()
        self.widths: NDArray[np.int64] = np.array([shape[0] for shape in self.shapes[2::2]])

    def split(self, theta: Array) -> list[Tensor]:
        """Gradients of the parameters from that of all of them."""
        flat = torch.from_numpy(theta)
        parts = flat.split([shape.numel() for shape in self.shapes])
        return [part.view(shape) for part, shape in zip(parts, self.shapes, strict=True)]


class Filter(torch.autograd.Function):
    """:func:`latentrl.inference.filtering.filter_all` with a locally linear transition."""

    @staticmethod
    def forward(
        ctx: Any,
        controls: Tensor,
        seen: Tensor | None,
        emission: Tensor,
        gauge: Tensor,
        mean: Tensor,
        covariance: Tensor,
        observations: Tensor,
        noise: Tensor,
        base: Tensor,
        variances: Tensor,
        *parameters: Tensor,
    ) -> Any:
        (batch, length, observed), size = observations.shape, mean.shape[-1]
        network = Network(parameters)
        work = scratch(size, observed, controls.shape[-1], network)
        given = NOTHING if seen is None else array(seen)
        fixed = array(controls), given, array(emission)
        mixed = network.theta, network.widths, array(base), array(variances), array(gauge)
        filtered, predicted = empty(batch, length, size), empty(batch, length, size)
        spread, expected = empty(batch, length, size**2), empty(batch, length, size**2)
        transitions, noises = empty(batch, length - 1, size**2), empty(batch, length - 1, size**2)
        tape = tuple(
            empty(blocks(batch), steps, count, LANES)
            for steps, count in (
                (length, size * observed),
                (length, observed),
                (length - 1, int(network.widths[-1])),
            )
        )
        prior = array(mean).reshape(batch, 1, size), array(covariance).reshape(batch, 1, size**2)
        results = filtered, spread, predicted, expected, transitions, noises
        FILTER(*prior, array(observations), *fixed, array(noise), *mixed, *results, *tape, work)
        ctx.kept = filtered, spread, fixed, mixed, tape, network, work
        return _run(results)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:
        filtered, spread, fixed, mixed, tape, network, work = ctx.kept
        (batch, length, size), observed = filtered.shape, len(fixed[2])
        theta, _, base, variances, _ = mixed
        to_prior = empty(batch, 1, size), empty(batch, 1, size**2)
        to_observations, to_noise = empty(batch, length, observed), empty(observed, observed)
        to_network = np.empty_like(theta), np.empty_like(base), np.empty_like(variances)
        FILTER_BACK(
            *map(array, grads), filtered, spread, *fixed, *mixed, *tape,
            *to_prior, to_observations, to_noise, *to_network, work,
        )  # fmt: skip
        to_theta, to_base, to_variances = to_network
        found = (
            to_prior[0].reshape(batch, size),
            to_prior[1].reshape(batch, size, size),
            to_observations,
            to_noise,
            to_base,
            to_variances,
        )
        return None, None, None, None, *map(torch.from_numpy, found), *network.split(to_theta)


class Paths(torch.autograd.Function):
    """:func:`latentrl.inference.kalman.sample_paths` with given standard normal numbers."""

    @staticmethod
    def forward(ctx: Any, draws: Tensor, *run: Tensor) -> Any:
        arrays, noise = tuple(map(array, run)), array(draws)
        batch, length, size = arrays[0].shape
        states, log_probs = empty(batch, length, size), empty(batch, 1, 1)
        tape = tuple(empty(blocks(batch), length, size**2, LANES) for _ in range(3))
        work = scratch(size, 0, 0)
        PATHS(*arrays, noise, states, log_probs, *tape, work)
        ctx.kept = arrays, noise, states, tape, work
        return torch.from_numpy(states), torch.from_numpy(log_probs).reshape(batch)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_states: Tensor, to_log_probs: Tensor) -> Any:
        arrays, noise, states, tape, work = ctx.kept
        results = tuple(np.empty_like(one) for one in arrays)
        grads = array(to_states), array(to_log_probs).reshape(-1, 1, 1)
        PATHS_BACK(*grads, arrays[1], arrays[2], arrays[4], noise, states, *tape, *results, work)
        return None, *_run(results)


class Smoother(torch.autograd.Function):
    """:func:`latentrl.inference.kalman.smooth_all`."""

    @staticmethod
    def forward(ctx: Any, *run: Tensor) -> Any:
        arrays = tuple(map(array, run))
        batch, length, size = arrays[0].shape
        results = empty(batch, length, size), empty(batch, length, size**2)
        tape = tuple(empty(blocks(batch), length, size**2, LANES) for _ in range(2))
        work = scratch(size, 0, 0)
        SMOOTHER(*arrays, *results, *tape, work)
        ctx.kept = arrays, results, tape, work
        return _belief(*results)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:
        arrays, smoothed, tape, work = ctx.kept
        results = tuple(np.empty_like(one) for one in arrays)
        SMOOTHER_BACK(*map(array, grads), arrays[1], arrays[2], arrays[4], *smoothed, *tape, *results, work)
        return _run(results)


class Moments(torch.autograd.Function):
    """F z + B u and the mixed variances at ``states [B, T, Dz]``."""

    @staticmethod
    def forward(
        ctx: Any, controls: Tensor, states: Tensor, base: Tensor, variances: Tensor, *parameters: Tensor
    ) -> Any:
        network = Network(parameters)
        inputs = array(states), array(controls), network.theta, network.widths, array(base), array(variances)
        batch, length, size = states.shape
        results = empty(batch, length, size), empty(batch, length, size)
        tape = empty(blocks(batch), length, int(network.widths[-1]), LANES)
        work = scratch(size, 0, controls.shape[-1], network)
        MOMENTS(*inputs, *results, tape, work)
        ctx.kept = inputs, tape, network, work
        return tuple(map(torch.from_numpy, results))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:
        inputs, tape, network, work = ctx.kept
        states, _, theta, _, base, variances = inputs
        results = tuple(np.empty_like(one) for one in (states, theta, base, variances))
        MOMENTS_BACK(*map(array, grads), *inputs, tape, *results, work)
        to_states, to_theta, to_base, to_variances = results
        return None, *map(torch.from_numpy, (to_states, to_base, to_variances)), *network.split(to_theta)


class Density(torch.autograd.Function):
    """log p(a_1:T | z_1:T) and log p(z_2:T | z_1, u) ``[B]``, the latter without the gauge's determinant."""

    @staticmethod
    def forward(
        ctx: Any,
        controls: Tensor,
        inverse: Tensor,
        states: Tensor,
        observations: Tensor,
        noise: Tensor,
        base: Tensor,
        variances: Tensor,
        *parameters: Tensor,
    ) -> Any:
        network = Network(parameters)
        data = array(states), array(controls), array(observations), array(noise).reshape(1, -1)
        inputs = *data, array(inverse), network.theta, network.widths, array(base), array(variances)
        (batch, length, size), observed = states.shape, observations.shape[-1]
        results = empty(batch, 1, 1), empty(batch, 1, 1)
        tape = empty(blocks(batch), length - 1, int(network.widths[-1]), LANES)
        work = scratch(size, observed, controls.shape[-1], network)
        DENSITY(*inputs, *results, tape, work)
        ctx.kept = inputs, tape, network, work
        return tuple(torch.from_numpy(result).reshape(batch) for result in results)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:
        inputs, tape, network, work = ctx.kept
        states, _, observations, noise, _, theta, _, base, variances = inputs
        results = tuple(np.empty_like(one) for one in (states, observations, noise, theta, base, variances))
        DENSITY_BACK(*(array(grad).reshape(-1, 1, 1) for grad in grads), *inputs, tape, *results, work)
        to_states, to_observations, to_noise, to_theta, to_base, to_variances = results
        found = to_states, to_observations, to_noise.reshape(-1), to_base, to_variances
        return None, None, *map(torch.from_numpy, found), *network.split(to_theta)


def _belief(mean: Array, covariance: Array) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(mean), _matrices(covariance, mean.shape[2])


def _matrices(flat: Array, size: int) -> Tensor:
    return torch.from_numpy(flat).unflatten(2, (size, size))


def _run(results: tuple[Array, ...]) -> tuple[Tensor, ...]:
    """Filtered and predicted beliefs, F and Q as PyTorch knows them; or their gradients."""
    size = results[0].shape[2]
    beliefs = *_belief(*results[:2]), *_belief(*results[2:4])
    return *beliefs, _matrices(results[4], size), _matrices(results[5], size)
