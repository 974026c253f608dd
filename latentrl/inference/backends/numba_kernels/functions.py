"""The kernels as functions of tensors with gradients."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from latentrl.inference.backends.numba_kernels.caching import Kernel
from latentrl.inference.backends.numba_kernels.chain import chain_backward, chain_forward, chain_tape
from latentrl.inference.backends.numba_kernels.density import density_backward, density_forward, density_tape
from latentrl.inference.backends.numba_kernels.filter import filter_backward, filter_forward, filter_tape
from latentrl.inference.backends.numba_kernels.gate import STEPS_AT_ONCE
from latentrl.inference.backends.numba_kernels.joint import joint_backward, joint_forward
from latentrl.inference.backends.numba_kernels.lanes import LANES
from latentrl.inference.backends.numba_kernels.linear import linear_backward, linear_forward
from latentrl.inference.backends.numba_kernels.marginals import marginal_tape, marginals_backward, marginals_forward
from latentrl.inference.backends.numba_kernels.moments import moments_backward, moments_forward
from latentrl.inference.backends.numba_kernels.paths import path_tape, paths_backward, paths_forward
from latentrl.inference.backends.numba_kernels.run import run_tape
from latentrl.inference.backends.numba_kernels.smoothed import smoothed_backward, smoothed_forward
from latentrl.inference.backends.numba_kernels.smoother import smoother_backward, smoother_forward, smoother_tape

Array = NDArray[np.float64]
Widths = NDArray[np.int64]
FILTER, FILTER_BACK = Kernel(filter_forward), Kernel(filter_backward)
LINEAR, LINEAR_BACK = Kernel(linear_forward), Kernel(linear_backward)
PATHS, PATHS_BACK = Kernel(paths_forward), Kernel(paths_backward)
SMOOTHER, SMOOTHER_BACK = Kernel(smoother_forward), Kernel(smoother_backward)
MOMENTS, MOMENTS_BACK = Kernel(moments_forward), Kernel(moments_backward)
DENSITY, DENSITY_BACK = Kernel(density_forward), Kernel(density_backward)
JOINT, JOINT_BACK = Kernel(joint_forward), Kernel(joint_backward)
MARGINALS, MARGINALS_BACK = Kernel(marginals_forward), Kernel(marginals_backward)
SMOOTHED, SMOOTHED_BACK = Kernel(smoothed_forward), Kernel(smoothed_backward)
CHAIN, CHAIN_BACK = Kernel(chain_forward), Kernel(chain_backward)
NOTHING = np.zeros((0, 0, 0))


def array(tensor: Tensor) -> Array:
    """The tensor's numbers as float64, contiguous; matrices over ``[B, T]`` flat."""
    found: Array = np.ascontiguousarray(tensor.detach().numpy(), np.float64)
    return found.reshape(*found.shape[:2], found.shape[2] * found.shape[3]) if found.ndim > 3 else found


def empty(*shape: int) -> Array:
    """An array that is to be set."""
    return np.empty(shape)


def tape(batch: int, rows: int) -> Array:
    """``rows`` rows for each eight sequences."""
    return empty(-(-batch // LANES), rows, LANES)


def size_of(places: Any, *sizes: int) -> int:
    """How many rows lie where ``places``, such as ``run_tape``, says."""
    return int(places.py_func(0, *sizes)[-1])


@cache
def filter_rows(length: int, size: int, observed: int, controls: int, mixed: tuple[int, int]) -> int:
    """What a run and the filter's tape take; ``mixed`` is the shape of the base matrices."""
    count, columns = mixed
    places = length, size, observed, size + controls, columns, count
    return size_of(run_tape, length, size) + size_of(filter_tape, *places)


@cache
def drawn_rows(jointly: bool, length: int, size: int) -> int:
    """What a draw's tape takes, between the filter's and that of densities."""
    if jointly:
        return size_of(path_tape, length, size)
    return size_of(smoother_tape, length, size) + size_of(marginal_tape, length, size)


def scratch(
    size: int, observed: int, controls: int, length: int, theta: Array | None = None, widths: Any = ()
) -> Array:
    """An array for a kernel to work in: more than any needs.

    Args:
        size: Dz.
        observed: Da.
        controls: Du.
        length: T.
        theta: parameters of the alpha network, if there is one.
        widths: of its layers.
    """
    side = max(size, observed, 1)
    rows = 32 * side * (side + 1) + 8 * size * (size + controls) + 16
    # Gradients of a run, and of what is made of it.
    rows += length * (6 * size * (size + 1) + 2 * observed)
    if theta is not None:
        count, mixed = int(widths[-1]), size * (size + controls + 1) + LANES
        rows += len(theta) + count * (mixed + 4)
        rows += STEPS_AT_ONCE * (2 * int(widths.sum()) + size + controls + mixed + count)
    return empty(rows, LANES)


class Packed(torch.autograd.Function):
    """A transition's parameters as the kernels read them: see :func:`pack`."""

    @staticmethod
    def forward(ctx: Any, floor: float, *given: Tensor) -> Any:
        theta, base = pack(floor, given)
        ctx.shapes, ctx.kind = [one.shape for one in given], given[0].dtype
        ctx.raw = given[2].detach().double().exp().numpy()
        return torch.from_numpy(theta), torch.from_numpy(base)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_theta: Tensor, to_base: Tensor) -> Any:
        return None, *unpack(array(to_theta), array(to_base), ctx.raw, ctx.shapes, ctx.kind)


def pack(floor: float, given: tuple[Tensor, ...]) -> tuple[Array, Array]:
    """A transition's parameters as the kernels read them.

    Those of the alpha network are one vector: the first layer's weights of state and control ``[Dz + Du, n]``, its bias
    ``[n]``, and so on for every further layer. [F | B], the variances and zeros, up to a number of columns that eight
    divides, are one matrix.

    Args:
        floor: added to the variances.
        given: F ``[M, Dz, Dz]``, B ``[M, Dz, Du]``, the logarithms of the variances ``[M, Dz]``, then weights and bias
            of every layer.
    """
    state, control, log_noise, *layers = (one.detach().numpy() for one in given)
    count, size, _ = state.shape
    inner = size + control.shape[2]
    used = size * inner + size
    base = np.zeros((count, -(-used // LANES) * LANES))
    for row in range(size):
        base[:, row * inner : row * inner + size] = state[:, row]
        base[:, row * inner + size : (row + 1) * inner] = control[:, row]
    np.exp(log_noise, out=base[:, size * inner : used], dtype=np.float64)
    base[:, size * inner : used] += floor
    theta = empty(sum(layer.size for layer in layers))
    at = 0
    for layer in layers:
        theta[at : at + layer.size].reshape(layer.T.shape)[...] = layer.T
        at += layer.size
    return theta, base


def unpack(to_theta: Array, to_base: Array, raw: Array, shapes: list[torch.Size], kind: torch.dtype) -> list[Tensor]:
    """The gradients of what :func:`pack` was given.

    Args:
        to_theta, to_base: of what it returned.
        raw: the variances without their floor ``[M, Dz]``.
        shapes: of what it was given.
        kind: its dtype.
    """
    as_kind = np.float32 if kind == torch.float32 else np.float64
    count, size, controls = shapes[1]
    inner = size + controls
    both = to_base[:, : size * inner].reshape(count, size, inner)
    found = [both[..., :size], both[..., size:], to_base[:, size * inner : size * inner + size] * raw]
    at = 0
    for shape in shapes[3:]:
        found.append(to_theta[at : at + shape.numel()].reshape(shape[::-1]).T)
        at += shape.numel()
    return [torch.from_numpy(np.array(one, as_kind, order="C")) for one in found]


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
    ) -> Any:
        (batch, length, observed), size, acted = observations.shape, mean.shape[-1], controls.shape[-1]
        read = array(theta), widths, array(base), array(gauge)
        given = NOTHING if seen is None else array(seen)
        fixed = array(emission), *read
        results = _empty_run(batch, length, size)
        kept = tape(batch, filter_rows(length, size, observed, acted, read[2].shape))
        FILTER(
            *_prior(mean, covariance), array(observations), array(controls), given, fixed[0], array(noise), *read,
            *results, kept, scratch(size, observed, acted, length, *read[:2]),
        )  # fmt: skip
        ctx.kept = fixed, kept, (batch, length, observed, size, acted), seen is not None
        ctx.shared = len(mean) < batch
        return _run(results)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:
        fixed, kept, (batch, length, observed, size, acted), gaps = ctx.kept
        _, theta, widths, base, _ = fixed
        to_prior = empty(batch, 1, size), empty(batch, 1, size**2)
        to_observations, to_noise = empty(batch, length, observed), empty(observed, observed)
        to_network = np.empty_like(theta), np.empty_like(base)
        FILTER_BACK(
            *map(array, grads), *fixed, kept, *to_prior, to_observations, to_noise, *to_network,
            gaps, acted, scratch(size, observed, acted, length, theta, widths),
        )  # fmt: skip
        found = *_to_prior(*to_prior, ctx.shared), to_observations, to_noise, *to_network
        return None, None, None, None, None, *map(torch.from_numpy, found)


class Recursion(torch.autograd.Function):
    """What is shared by functions from a model's parameters, in any precision, to what a recursion makes of them.

    Their arguments, after what gets no gradient, are the mean of the prior, the logarithms of its variances in the
    gauge and of those of R, the observations, and what :func:`pack` is given.
    """

    @staticmethod
    def start(ctx: Any, floor: float, given: tuple[Tensor, ...]) -> tuple[Array, ...]:
        """Mean ``[1, Dz]`` and variances of the prior, those of R ``[1, Da]``, observations, theta and base."""
        mean, *logs = (one.detach().numpy().astype(np.float64).reshape(1, -1) for one in given[:3])
        raw = [np.exp(log) for log in logs]
        theta, base = pack(floor, given[4:])
        ctx.raw = *raw, np.exp(given[6].detach().numpy(), dtype=np.float64)
        ctx.shapes, ctx.kinds = [one.shape for one in given[4:]], [one.dtype for one in (*given[:4], given[4])]
        return mean, *(one + floor for one in raw), array(given[3]), theta, base

    @staticmethod
    def gradients(
        ctx: Any, mean: Array, variance: Array, noise: Array, observations: Array, theta: Array, base: Array
    ) -> list[Tensor]:
        """Those of all that :meth:`start` was given, from those of what it returned."""
        found = mean, variance * ctx.raw[0], noise * ctx.raw[1]
        *kinds, kind = ctx.kinds
        first = [torch.from_numpy(one.reshape(-1)).to(as_kind) for one, as_kind in zip(found, kinds, strict=False)]
        first.append(torch.from_numpy(observations).to(kinds[3]))
        return first + unpack(theta, base, ctx.raw[2], ctx.shapes, kind)


class Drawn(Recursion):
    """States drawn for every sequence, and three densities ``[B]``: of what is observed, of the transition, and of the
    draw; by :func:`joint_forward`, without the gauge's determinant, or by :func:`marginals_forward`.

    ``fixed`` is what either of them is given between the variances of R and theta; the emission comes first.
    """

    @staticmethod
    def forward(
        ctx: Any,
        jointly: bool,
        controls: Array,
        draws: Tensor,
        fixed: tuple[Any, ...],
        widths: Widths,
        floor: float,
        *given: Tensor,
    ) -> Any:
        emission, *turned = fixed
        mean, variance, noise, observations, theta, base = Recursion.start(ctx, floor, given)
        (batch, length, observed), (_, _, acted), size = observations.shape, controls.shape, mean.shape[1]
        read = *turned, theta, widths, base
        results = empty(*draws.shape), *(empty(batch, 1, 1) for _ in range(3))
        rows = filter_rows(length, size, observed, acted, base.shape) + drawn_rows(jointly, length, size)
        kept = tape(batch, rows + size_of(density_tape, length, size + acted, *base.shape[::-1]))
        (JOINT if jointly else MARGINALS)(
            mean, variance, observations, controls, array(draws), emission, noise, *read, *results, kept,
            scratch(size, observed, acted, length, theta, widths),
        )  # fmt: skip
        ctx.kept = emission, noise, *read, kept
        ctx.sizes = jointly, batch, length, observed, size, acted
        states, *densities = results
        return torch.from_numpy(states), *(torch.from_numpy(one.reshape(batch)) for one in densities)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_states: Tensor, *to_densities: Tensor) -> Any:
        jointly, batch, length, observed, size, acted = ctx.sizes
        theta, widths, base = ctx.kept[4:7]
        results = (
            *(empty(1, size), empty(1, size), empty(batch, length, observed), empty(1, observed)),
            *(np.empty_like(theta), np.empty_like(base)),
        )
        (JOINT_BACK if jointly else MARGINALS_BACK)(
            array(to_states), *(array(one).reshape(-1, 1, 1) for one in to_densities), *ctx.kept, *results,
            acted, scratch(size, observed, acted, length, theta, widths),
        )  # fmt: skip
        to_mean, to_variance, to_observations, to_noise, *to_read = results
        return (*(None,) * 6, *Recursion.gradients(ctx, to_mean, to_variance, to_noise, to_observations, *to_read))


class Smoothed(Recursion):
    """Means and covariances ``[B, T]``, filtered and smoothed."""

    @staticmethod
    def forward(
        ctx: Any, controls: Array, fixed: tuple[Array, ...], widths: Widths, floor: float, *given: Tensor
    ) -> Any:
        emission, gauge = fixed
        mean, variance, noise, observations, theta, base = Recursion.start(ctx, floor, given)
        (batch, length, observed), (_, _, acted), size = observations.shape, controls.shape, mean.shape[1]
        read = gauge, theta, widths, base
        results = tuple(empty(batch, length, count) for _ in range(2) for count in (size, size**2))
        rows = filter_rows(length, size, observed, acted, base.shape)
        kept = tape(batch, rows + size_of(smoother_tape, length, size))
        SMOOTHED(
            mean, variance, observations, controls, emission, noise, *read, *results, kept,
            scratch(size, observed, acted, length, theta, widths),
        )  # fmt: skip
        ctx.kept = emission, *read, kept
        ctx.sizes = batch, length, observed, size, acted
        return *_belief(*results[:2]), *_belief(*results[2:])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:
        batch, length, observed, size, acted = ctx.sizes
        theta, widths, base = ctx.kept[2:5]
        results = (
            *(empty(1, size), empty(1, size), empty(batch, length, observed), empty(observed, observed)),
            *(np.empty_like(theta), np.empty_like(base)),
        )
        SMOOTHED_BACK(
            *map(array, grads), *ctx.kept, *results, acted, scratch(size, observed, acted, length, theta, widths)
        )
        to_mean, to_variance, to_observations, to_noise, *to_read = results
        to_noise = to_noise.diagonal().reshape(1, -1)
        return (*(None,) * 4, *Recursion.gradients(ctx, to_mean, to_variance, to_noise, to_observations, *to_read))


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
        kept = tuple(tape(batch, length * count) for count in (size * observed, observed))
        work = scratch(size, observed, controls.shape[-1], 0)
        prior, data = _prior(mean, covariance), array(observations)
        LINEAR(*prior, data, *given[:2], array(noise), given[2], array(noises), *results, *kept, work)
        ctx.kept = *results[:2], *given, *kept
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
        batch, length, size = draws.shape
        states, log_probs = empty(batch, length, size), empty(batch, 1, 1)
        kept = tape(batch, size_of(run_tape, length, size) + size_of(path_tape, length, size))
        PATHS(*map(array, run), array(draws), states, log_probs, kept, scratch(size, 0, 0, length))
        ctx.kept = kept
        return torch.from_numpy(states), torch.from_numpy(log_probs).reshape(batch)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_states: Tensor, to_log_probs: Tensor) -> Any:
        batch, length, size = to_states.shape
        results = _empty_run(batch, length, size)
        grads = array(to_states), array(to_log_probs).reshape(-1, 1, 1)
        PATHS_BACK(*grads, ctx.kept, *results, scratch(size, 0, 0, length))
        return None, *_run(results)


class Smoother(torch.autograd.Function):
    """:func:`latentrl.inference.kalman.smooth_all`."""

    @staticmethod
    def forward(ctx: Any, *run: Tensor) -> Any:
        batch, length, size = run[0].shape
        results = empty(batch, length, size), empty(batch, length, size**2)
        kept = tape(batch, size_of(run_tape, length, size) + size_of(smoother_tape, length, size))
        SMOOTHER(*map(array, run), *results, kept, scratch(size, 0, 0, length))
        ctx.kept = kept
        return _belief(*results)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:
        batch, length, size = grads[0].shape
        results = _empty_run(batch, length, size)
        SMOOTHER_BACK(*map(array, grads), ctx.kept, *results, scratch(size, 0, 0, length))
        return _run(results)


class Moments(torch.autograd.Function):
    """F z + B u and the mixed variances at ``states [B, T, Dz]``."""

    @staticmethod
    def forward(ctx: Any, controls: Tensor, widths: Widths, states: Tensor, theta: Tensor, base: Tensor) -> Any:
        read = array(theta), widths, array(base)
        (batch, length, size), acted = states.shape, controls.shape[-1]
        results = empty(batch, length, size), empty(batch, length, size)
        kept = tape(batch, length * (size + acted + read[2].shape[1] + int(widths[-1])))
        work = scratch(size, 0, acted, length, *read[:2])
        MOMENTS(array(states), array(controls), *read, *results, kept, work)
        ctx.kept, ctx.acted = (read, kept), acted
        return tuple(map(torch.from_numpy, results))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (read, kept), (batch, length, size) = ctx.kept, grads[0].shape
        theta, widths, base = read
        results = empty(batch, length, size), np.empty_like(theta), np.empty_like(base)
        work = scratch(size, 0, ctx.acted, length, theta, widths)
        MOMENTS_BACK(*map(array, grads), *read, kept, *results, ctx.acted, work)
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
    ) -> Any:
        fixed = array(noise).reshape(1, -1), array(inverse), array(theta), widths, array(base)
        (batch, length, size), observed, acted = states.shape, observations.shape[-1], controls.shape[-1]
        results = empty(batch, 1, 1), empty(batch, 1, 1)
        rows = size_of(density_tape, length, size + acted, *fixed[4].shape[::-1])
        kept = tape(batch, rows + length * (size + observed + acted))
        work = scratch(size, observed, acted, length, *fixed[2:4])
        DENSITY(array(states), array(controls), array(observations), *fixed, *results, kept, work)
        ctx.kept, ctx.sizes = (fixed, kept), (batch, length, size, observed, acted)
        return tuple(torch.from_numpy(result).reshape(batch) for result in results)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (fixed, kept), (batch, length, size, observed, acted) = ctx.kept, ctx.sizes
        noise, _, theta, widths, base = fixed
        results = (
            *(empty(batch, length, size), empty(batch, length, observed), np.empty_like(noise)),
            *(np.empty_like(theta), np.empty_like(base)),
        )
        work = scratch(size, observed, acted, length, theta, widths)
        DENSITY_BACK(*(array(grad).reshape(-1, 1, 1) for grad in grads), *fixed, kept, *results, acted, work)
        to_states, to_observations, to_noise, *to_network = results
        found = to_states, to_observations, to_noise.reshape(-1), *to_network
        return None, None, None, *map(torch.from_numpy, found)


class Chain(torch.autograd.Function):
    """:func:`latentrl.inference.posterior_chain.sample_chain` with given standard normal numbers, in any precision."""

    @staticmethod
    def forward(
        ctx: Any,
        controls: Tensor,
        draws: Tensor,
        gauge: Tensor,
        widths: Widths,
        first: Tensor,
        means: Tensor,
        variances: Tensor,
        theta: Tensor,
        base: Tensor,
    ) -> Any:
        fixed = array(gauge), array(theta), widths, array(base)
        (batch, steps, size), acted = draws.shape, controls.shape[-1]
        states, divergences = empty(batch, steps + 1, size), empty(batch, 1, 1)
        kept = tape(batch, size_of(chain_tape, steps + 1, size, size + acted, *fixed[3].shape[::-1]))
        work = scratch(size, 0, acted, steps + 1, *fixed[1:3])
        given = array(first).reshape(batch, 1, size), array(means), array(variances), array(controls), array(draws)
        CHAIN(*given, *fixed, states, divergences, kept, work)
        ctx.kept, ctx.sizes, ctx.kind = (fixed, kept), (batch, steps, size, acted), first.dtype
        return torch.from_numpy(states).to(first.dtype), torch.from_numpy(divergences).reshape(batch).to(first.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_states: Tensor, to_divergences: Tensor) -> Any:
        (fixed, kept), (batch, steps, size, acted) = ctx.kept, ctx.sizes
        _, theta, widths, base = fixed
        results = (
            *(empty(batch, 1, size), empty(batch, steps, size), empty(batch, steps, size)),
            *(np.empty_like(theta), np.empty_like(base)),
        )
        grads = array(to_states), array(to_divergences).reshape(-1, 1, 1)
        CHAIN_BACK(*grads, *fixed, kept, *results, acted, scratch(size, 0, acted, steps + 1, theta, widths))
        to_first, *to_factors, to_theta, to_base = map(torch.from_numpy, results)
        moved = (one.to(ctx.kind) for one in (to_first.reshape(batch, size), *to_factors))
        return None, None, None, None, *moved, to_theta, to_base


def _empty_run(batch: int, length: int, size: int) -> tuple[Array, ...]:
    """Arrays of filtered and predicted beliefs, F and Q."""
    beliefs = (empty(batch, length, count) for _ in range(2) for count in (size, size**2))
    return *beliefs, *(empty(batch, length - 1, size**2) for _ in range(2))


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
