"""The kernels as functions of tensors with gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from latentrl.inference.backends.numba_kernels.caching import Kernel
from latentrl.inference.backends.numba_kernels.density import density_backward, density_forward
from latentrl.inference.backends.numba_kernels.filter import filter_backward, filter_forward
from latentrl.inference.backends.numba_kernels.gate import STEPS_AT_ONCE
from latentrl.inference.backends.numba_kernels.lanes import LANES
from latentrl.inference.backends.numba_kernels.linear import linear_backward, linear_forward
from latentrl.inference.backends.numba_kernels.moments import moments_backward, moments_forward
from latentrl.inference.backends.numba_kernels.paths import paths_backward, paths_forward
from latentrl.inference.backends.numba_kernels.smoother import smoother_backward, smoother_forward

Array = NDArray[np.float64]
Widths = NDArray[np.int64]
FILTER, FILTER_BACK = Kernel(filter_forward), Kernel(filter_backward)
LINEAR, LINEAR_BACK = Kernel(linear_forward), Kernel(linear_backward)
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


def scratch(size: int, observed: int, controls: int, theta: Array | None = None, widths: Any = ()) -> Array:
    """An array for a kernel to work in: more than any needs.

    Args:
        size: Dz.
        observed: Da.
        controls: Du.
        theta: parameters of the alpha network, if there is one.
        widths: of its layers.
    """
    side = max(size, observed, 1)
    rows = 32 * side * (side + 1) + 8 * size * (size + controls) + 16
    if theta is not None:
        count = int(widths[-1])
        rows += len(theta) + count * (size * (size + controls) + size + 4)
        rows += STEPS_AT_ONCE * (2 * int(widths.sum()) + size + controls)
    return empty(rows, LANES)


class Packed(torch.autograd.Function):
    """A transition's parameters as the kernels read them, float64.

    Those of the alpha network are one vector: the first layer's weights of state and control ``[Dz + Du, n]``, its bias
    ``[n]``, and so on for every further layer. Base matrices ``[F | B]`` are ``[M, Dz (Dz + Du)]``, variances
    ``[M, Dz]``.
    """

    @staticmethod
    def forward(
        ctx: Any, floor: float, state_matrices: Tensor, control_matrices: Tensor, log_noise: Tensor, *layers: Tensor
    ) -> Any:
        both = torch.cat((state_matrices.detach(), control_matrices.detach()), -1).double().flatten(1)
        raw = log_noise.detach().double().exp()
        flat = [(layer.detach().T if layer.dim() == 2 else layer.detach()).reshape(-1) for layer in layers]
        ctx.raw, ctx.shapes, ctx.size = raw, [layer.shape for layer in layers], state_matrices.shape[-1]
        ctx.kind = log_noise.dtype
        return torch.cat(flat).double(), both, raw + floor

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_theta: Tensor, to_base: Tensor, to_variances: Tensor) -> Any:
        count, size = ctx.raw.shape
        both = to_base.to(ctx.kind).view(count, size, -1)
        parts = to_theta.to(ctx.kind).split([shape.numel() for shape in ctx.shapes])
        layers = [
            part.view(shape[::-1]).T.contiguous() if len(shape) == 2 else part
            for part, shape in zip(parts, ctx.shapes, strict=True)
        ]
        to_matrices = both[..., :size].contiguous(), both[..., size:].contiguous()
        return None, *to_matrices, (to_variances * ctx.raw).to(ctx.kind), *layers


class Filter(torch.autograd.Function):
    """:func:`latentrl.inference.filtering.filter_all` with a locally linear transition."""

    @staticmethod
    def forward(
        ctx: Any,
        controls: Tensor,
        seen: Tensor | None,
        emission: Tensor,
        gauge: Tensor,
        widths: Widths,
        mean: Tensor,
        covariance: Tensor,
        observations: Tensor,
        noise: Tensor,
        theta: Tensor,
        base: Tensor,
        variances: Tensor,
    ) -> Any:
        (batch, length, observed), size = observations.shape, mean.shape[-1]
        read = array(theta), widths, array(base), array(variances)
        work = scratch(size, observed, controls.shape[-1], *read[:2])
        given = NOTHING if seen is None else array(seen)
        fixed = array(controls), given, array(emission)
        mixed = *read, array(gauge)
        filtered, predicted = empty(batch, length, size), empty(batch, length, size)
        spread, expected = empty(batch, length, size**2), empty(batch, length, size**2)
        transitions, noises = empty(batch, length - 1, size**2), empty(batch, length - 1, size**2)
        tape = tuple(
            empty(blocks(batch), steps, count, LANES)
            for steps, count in (
                (length, size * observed),
                (length, observed),
                (length - 1, int(widths[-1])),
            )
        )
        results = filtered, spread, predicted, expected, transitions, noises
        FILTER(*_prior(mean, covariance), array(observations), *fixed, array(noise), *mixed, *results, *tape, work)
        ctx.kept = filtered, spread, fixed, mixed, tape, work
        ctx.shared = len(mean) < batch
        return _run(results)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:
        filtered, spread, fixed, mixed, tape, work = ctx.kept
        (batch, length, size), observed = filtered.shape, len(fixed[2])
        theta, _, base, variances, _ = mixed
        to_prior = empty(batch, 1, size), empty(batch, 1, size**2)
        to_observations, to_noise = empty(batch, length, observed), empty(observed, observed)
        to_network = np.empty_like(theta), np.empty_like(base), np.empty_like(variances)
        FILTER_BACK(
            *map(array, grads), filtered, spread, *fixed, *mixed, *tape,
            *to_prior, to_observations, to_noise, *to_network, work,
        )  # fmt: skip
        found = *_to_prior(*to_prior, ctx.shared), to_observations, to_noise, *to_network
        return None, None, None, None, None, *map(torch.from_numpy, found)


class Linear(torch.autograd.Function):
    """:func:`latentrl.inference.filtering.filter_all` with given matrices; the beliefs alone."""

    @staticmethod
    def forward(
        ctx: Any,
        controls: Tensor,
        mean: Tensor,
        covariance: Tensor,
        observations: Tensor,
        emissions: Tensor,
        noise: Tensor,
        dynamics: Tensor,
        noises: Tensor,
    ) -> Any:
        (batch, length, observed), size = observations.shape, mean.shape[-1]
        given = array(controls), array(emissions), array(dynamics)
        results = tuple(empty(batch, length, count) for _ in range(2) for count in (size, size**2))
        tape = tuple(empty(blocks(batch), length, count, LANES) for count in (size * observed, observed))
        work = scratch(size, observed, controls.shape[-1])
        prior, data = _prior(mean, covariance), array(observations)
        LINEAR(*prior, data, *given[:2], array(noise), given[2], array(noises), *results, *tape, work)
        ctx.kept = *results[:2], *given, *tape
        ctx.shared = len(mean) < batch
        ctx.work = work
        return *_belief(*results[:2]), *_belief(*results[2:])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:
        filtered, _, controls, emissions, dynamics, *_ = ctx.kept
        batch, length, size = filtered.shape
        observed = emissions.shape[2] // size
        results = (
            *(empty(batch, 1, size), empty(batch, 1, size**2), empty(batch, length, observed)),
            *(np.empty_like(emissions), empty(observed, observed), np.empty_like(dynamics)),
            empty(batch, length - 1, size),
        )
        LINEAR_BACK(*map(array, grads), *ctx.kept, *results, ctx.work)
        to_mean, to_covariance, to_observations, to_emissions, to_noise, to_dynamics, to_noises = results
        found = (
            *(*_to_prior(to_mean, to_covariance, ctx.shared), to_observations),
            *(to_emissions.reshape(batch, length, observed, size), to_noise),
            *(to_dynamics.reshape(batch, length - 1, size, size + controls.shape[2]), to_noises),
        )
        return None, *map(torch.from_numpy, found)


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
        ctx: Any, controls: Tensor, widths: Widths, states: Tensor, theta: Tensor, base: Tensor, variances: Tensor
    ) -> Any:
        inputs = array(states), array(controls), array(theta), widths, array(base), array(variances)
        batch, length, size = states.shape
        results = empty(batch, length, size), empty(batch, length, size)
        tape = empty(blocks(batch), length, int(widths[-1]), LANES)
        work = scratch(size, 0, controls.shape[-1], *inputs[2:4])
        MOMENTS(*inputs, *results, tape, work)
        ctx.kept = inputs, tape, work
        return tuple(map(torch.from_numpy, results))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:
        inputs, tape, work = ctx.kept
        states, _, theta, _, base, variances = inputs
        results = tuple(np.empty_like(one) for one in (states, theta, base, variances))
        MOMENTS_BACK(*map(array, grads), *inputs, tape, *results, work)
        return None, None, *map(torch.from_numpy, results)


class Density(torch.autograd.Function):
    """log p(a_1:T | z_1:T) and log p(z_2:T | z_1, u) ``[B]``, the latter without the gauge's determinant."""

    @staticmethod
    def forward(
        ctx: Any,
        controls: Tensor,
        inverse: Tensor,
        widths: Widths,
        states: Tensor,
        observations: Tensor,
        noise: Tensor,
        theta: Tensor,
        base: Tensor,
        variances: Tensor,
    ) -> Any:
        data = array(states), array(controls), array(observations), array(noise).reshape(1, -1)
        inputs = *data, array(inverse), array(theta), widths, array(base), array(variances)
        (batch, length, size), observed = states.shape, observations.shape[-1]
        results = empty(batch, 1, 1), empty(batch, 1, 1)
        tape = empty(blocks(batch), length - 1, int(widths[-1]), LANES)
        work = scratch(size, observed, controls.shape[-1], *inputs[5:7])
        DENSITY(*inputs, *results, tape, work)
        ctx.kept = inputs, tape, work
        return tuple(torch.from_numpy(result).reshape(batch) for result in results)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:
        inputs, tape, work = ctx.kept
        states, _, observations, noise, _, theta, _, base, variances = inputs
        results = tuple(np.empty_like(one) for one in (states, observations, noise, theta, base, variances))
        DENSITY_BACK(*(array(grad).reshape(-1, 1, 1) for grad in grads), *inputs, tape, *results, work)
        to_states, to_observations, to_noise, *to_network = results
        found = to_states, to_observations, to_noise.reshape(-1), *to_network
        return None, None, None, *map(torch.from_numpy, found)


def _prior(mean: Tensor, covariance: Tensor) -> tuple[Array, Array]:
    """m_0 ``[N, 1, Dz]`` and P_0 ``[N, 1, Dz * Dz]``, of one time step as kernels read them."""
    size = mean.shape[-1]
    return array(mean).reshape(-1, 1, size), array(covariance).reshape(-1, 1, size**2)


def _to_prior(to_mean: Array, to_covariance: Array, shared: bool) -> tuple[Array, Array]:
    """Their gradients as PyTorch knows them; summed over the batch where all sequences ``shared`` one prior."""
    size = to_mean.shape[-1]
    if shared:
        to_mean, to_covariance = to_mean.sum(0), to_covariance.sum(0)
    return to_mean.reshape(-1, size), to_covariance.reshape(-1, size, size)


def _belief(mean: Array, covariance: Array) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(mean), _matrices(covariance, mean.shape[2])


def _matrices(flat: Array, size: int) -> Tensor:
    return torch.from_numpy(flat).unflatten(2, (size, size))


def _run(results: tuple[Array, ...]) -> tuple[Tensor, ...]:
    """Filtered and predicted beliefs, F and Q as PyTorch knows them; or their gradients."""
    size = results[0].shape[2]
    beliefs = *_belief(*results[:2]), *_belief(*results[2:4])
    return *beliefs, _matrices(results[4], size), _matrices(results[5], size)
