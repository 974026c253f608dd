"""The extended Kalman smoother, forward and backward, against dynamax's, where that is installed.

Both filter and smooth the same observations in float64 with the same mean of the transition, and differentiate the sum
of all smoothed moments by every parameter of it. dynamax is compiled as one program, over all sequences at once; its Q
is a constant, which is less to do, and its F the Jacobian of the mean, where ours is mixed.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from benchmarks.recursion import recursion_model
from benchmarks.timing import Comparison, compare, one_thread
from benchmarks.training_step import LENGTH
from latentrl.inference.backends import Backend, backend_named
from latentrl.models.ekvae import EKVAE


def is_there() -> bool:
    """Whether dynamax is installed."""
    return find_spec("dynamax") is not None


def inputs(batch: int, length: int = LENGTH) -> tuple[Tensor, Tensor]:
    """Observations ``[B, T, 2]`` and controls ``[B, T - 1, 1]``."""
    generator = torch.Generator().manual_seed(0)
    return tuple(  # type: ignore[return-value]
        torch.randn(batch, steps, size, generator=generator, dtype=torch.float64)
        for steps, size in ((length, 2), (length - 1, 1))
    )


def ours(model: EKVAE, backend: Backend, observations: Tensor, controls: Tensor) -> Callable[[], list[Tensor]]:
    """One pass: the smoothed means ``[B, T, Dz]``, and gradients of the parameters."""
    actions = controls * model.dynamics.control_scale
    parameters = [*model.dynamics.gate.parameters(), model.dynamics.state_matrices, model.dynamics.control_matrices]

    def run() -> list[Tensor]:
        _, smoothed = backend.filter_and_smooth(model.state_space(), observations, actions)
        total = smoothed.mean.sum() + smoothed.covariance.sum()
        return [smoothed.mean.detach(), *torch.autograd.grad(total, parameters)]

    return run


def dynamax_s(model: EKVAE, observations: Tensor, controls: Tensor) -> Callable[[], list[Any]]:
    """The same by dynamax; ``run()`` returns when all is there."""
    import jax
    import jax.numpy as jnp
    from dynamax.nonlinear_gaussian_ssm import ParamsNLGSSM, extended_kalman_smoother

    jax.config.update("jax_enable_x64", True)
    weights, size = model.dynamics.weights(torch.float64), model.state_size
    given = [weights.state_in, weights.control_in, weights.bias_in, *(one for layer in weights.layers for one in layer)]
    parameters = tuple(jnp.asarray(one.detach().numpy()) for one in (*given, weights.dynamics))
    start = model.filter_prior(1)
    mean, covariance = (jnp.asarray(one[0].detach().numpy()) for one in start)
    noise = jnp.asarray(weights.variances.mean(0).diag().detach().numpy())
    emission, spread = (jnp.asarray(one.detach().numpy()) for one in (model.projection, model.emission_variance()))
    # The control that leads to a step stands beside it.
    seen = jnp.asarray(observations.numpy())
    done = jnp.asarray(torch.nn.functional.pad(controls, (0, 0, 1, 0)).numpy())

    def moved(state: Any, control: Any, parameters: Any) -> Any:
        state_in, control_in, bias, *layers, base = parameters
        hidden = state @ state_in + control @ control_in + bias
        for weight, offset in zip(layers[::2], layers[1::2], strict=True):
            hidden = jax.nn.relu(hidden) @ weight + offset
        dynamics = (jax.nn.softmax(hidden) @ base).reshape(size, -1)
        return dynamics @ jnp.concatenate((state, control))

    def smoothed(parameters: Any) -> tuple[Any, Any]:
        described = ParamsNLGSSM(
            mean,
            covariance,
            lambda state, control: moved(state, control, parameters),
            noise,
            lambda state, control: emission @ state,
            jnp.diag(spread),
        )

        def one(observed: Any, control: Any) -> tuple[Any, Any]:
            found = extended_kalman_smoother(described, observed, inputs=control)
            return found.smoothed_means, found.smoothed_covariances

        means, covariances = jax.vmap(one)(seen, done)
        return means.sum() + covariances.sum(), means

    compiled = jax.jit(jax.grad(smoothed, has_aux=True))

    def run() -> list[Any]:
        gradients, means = compiled(parameters)
        return [means.block_until_ready(), *(gradient.block_until_ready() for gradient in gradients)]

    return run


def compare_smoothers(batch: int, backend: str, repeats: int, length: int = LENGTH) -> Comparison:
    """Processor seconds of a pass: dynamax is the yardstick.

    Args:
        batch: sequences.
        backend: see :data:`latentrl.inference.backends.BACKENDS`.
        repeats: of one pass each.
        length: T.
    """
    model, data = recursion_model("smoother"), inputs(batch, length)
    with one_thread():
        return compare(dynamax_s(model, *data), ours(model, backend_named(backend), *data), repeats, warm_up=2)
