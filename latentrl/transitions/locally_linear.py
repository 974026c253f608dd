"""Neural linearisation: locally linear transitions mixed from base matrices (Latent Matters, 4.2.1, Eq. 4.13-4.14)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor, nn

from latentrl.networks.dense import mlp
from latentrl.numerics.distributions import DiagonalGaussian

STEP = 0.2
"""How much of the velocity is added to the position at first: with it, velocities have about the positions' size."""


class Linearisation(NamedTuple):
    """The transition around one state: ``[F | B]  [..., Dz, Dz + Du]`` and ``Q [..., Dz, Dz]``."""

    dynamics: Tensor
    noise: Tensor

    @property
    def state_matrix(self) -> Tensor:
        """F ``[..., Dz, Dz]``."""
        return self.dynamics[..., : self.dynamics.shape[-2]]

    def mean(self, state: Tensor, control: Tensor) -> Tensor:
        """F z + B u ``[..., Dz]`` for ``state [..., Dz]`` and ``control [..., Du]``."""
        return _apply(self.dynamics, state, control)


@dataclass(frozen=True)
class LocallyLinearGaussian:
    """N(F z + B u, Q) that mixes its covariance when it is first asked for: planners follow the mean alone.

    Attributes:
        mean: ``[..., Dz]``.
        alpha: weights of the base matrices ``[..., M]``.
        weights: what is mixed; Q is ``gauge diag(alpha @ variances) gauge'``.
    """

    mean: Tensor
    alpha: Tensor
    weights: Weights

    @cached_property
    def covariance(self) -> Tensor:
        """Q ``[..., Dz, Dz]``."""
        size = self.mean.shape[-1]
        return (self.alpha @ self.weights.noise).unflatten(-1, (size, size))

    @property
    def _independent(self) -> DiagonalGaussian:
        """The noise in the gauge that it is independent in: there no covariance has to be factorised."""
        return DiagonalGaussian(torch.zeros_like(self.mean), self.alpha @ self.weights.variances)

    def rsample(self, generator: torch.Generator | None = None) -> Tensor:
        """A reparameterised sample ``[..., Dz]``."""
        return self.mean + self._independent.rsample(generator) @ self.weights.gauge.T

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density of ``value [..., Dz]`` in nats."""
        gauge = self.weights.gauge
        own = (value - self.mean) @ torch.linalg.inv_ex(gauge).inverse.T
        return self._independent.log_prob(own) - torch.linalg.slogdet(gauge).logabsdet


class Weights(NamedTuple):
    """All parameters of a transition in one dtype, prepared once per pass: the recursion reads them at every step."""

    state_in: Tensor  # [Dz, hidden]
    control_in: Tensor  # [Du, hidden]
    bias_in: Tensor  # [hidden]
    layers: tuple[tuple[Tensor, Tensor], ...]  # the layers after the first: (weight [n_in, n_out], bias [n_out])
    dynamics: Tensor  # [M, Dz * (Dz + Du)]
    noise: Tensor  # [M, Dz * Dz]
    variances: Tensor  # [M, Dz]
    gauge: Tensor  # [Dz, Dz]
    control_scale: Tensor  # [Du]

    def scaled(self, action: Tensor) -> Tensor:
        """An action in the environment's units as the control the model was trained on, about [-1, 1]."""
        return action.to(self.control_scale.dtype) / self.control_scale

    def gate_input(self, control: Tensor) -> Tensor:
        """What ``control [..., Du]`` adds to the gating network's first layer, ``[..., hidden]``; it needs no state."""
        return control @ self.control_in + self.bias_in

    def alpha(self, state: Tensor, gate_input: Tensor) -> Tensor:
        """softmax(g(z, u)) ``[N, M]`` at ``state [N, Dz]``, Eq. 4.14."""
        hidden = torch.addmm(gate_input, state, self.state_in)
        for weight, bias in self.layers:
            hidden = torch.addmm(bias, hidden.relu(), weight)
        return hidden.softmax(-1)

    def linearise(self, state: Tensor, gate_input: Tensor) -> Linearisation:
        """F, B and Q at ``state [N, Dz]``, Eq. 4.13."""
        alpha, size = self.alpha(state, gate_input), state.shape[-1]
        return Linearisation(
            (alpha @ self.dynamics).unflatten(-1, (size, -1)), (alpha @ self.noise).unflatten(-1, (size, size))
        )

    def transition(self, state: Tensor, action: Tensor) -> LocallyLinearGaussian:
        """p(z_{t+1} | z_t, u_t) for ``state [..., Dz]``, ``action [..., Du]`` in the environment's units."""
        return self.conditional(state, self.scaled(action))

    def conditional(self, state: Tensor, control: Tensor) -> LocallyLinearGaussian:
        """p(z_{t+1} | z_t, u_t) for ``state [..., Dz]`` and a control ``[..., Du]`` as :meth:`scaled` gives it."""
        lead, size = state.shape[:-1], state.shape[-1]
        # Not -1, which cannot be inferred for a batch without elements.
        flat = state.reshape(lead.numel(), size)
        control = control.reshape(control.shape[:-1].numel(), control.shape[-1])
        alpha = self.alpha(flat, self.gate_input(control))
        mean = _apply((alpha @ self.dynamics).unflatten(-1, (size, -1)), flat, control)
        return LocallyLinearGaussian(mean.view(*lead, size), alpha.view(*lead, alpha.shape[-1]), self)


class LocallyLinearTransition(nn.Module):
    """p(z_{t+1} | z_t, u_t) = N(F z_t + B u_t, Q) with F, B, Q mixtures of ``M`` learned base matrices, Eq. 4.13-4.14.

    F starts at the identity plus noise, or at that of a point that moves on (``kinematic``), and Q is diagonal with a
    small floor. After training the latent space may be given another gauge (:mod:`latentrl.training.stages.gauge`): Q
    is then ``gauge diag(q) gauge'``.

    Args:
        state_size: Dz.
        action_size: Du.
        base_matrices: M.
        hidden: hidden layers of the gating network.
        initial_noise: standard deviation that Q starts with.
        noise_floor: added to every learned variance.
        kinematic: for a state of as many positions as velocities: F adds ``STEP`` times the velocity to the position at
            the start, so that the velocity begins as displacement and not as any mixture of states.
    """

    state_size: int
    action_size: int
    noise_floor: float
    gate: nn.Sequential
    state_matrices: nn.Parameter
    control_matrices: nn.Parameter
    log_noise: nn.Parameter

    def __init__(
        self,
        state_size: int,
        action_size: int,
        base_matrices: int = 16,
        hidden: Sequence[int] = (64,),
        initial_noise: float = 0.1,
        noise_floor: float = 1e-10,
        kinematic: bool = False,
    ) -> None:
        super().__init__()
        self.state_size, self.action_size, self.noise_floor = state_size, action_size, noise_floor
        self.gate = mlp((state_size + action_size, *hidden, base_matrices))
        first = torch.eye(state_size)
        if kinematic:
            half = state_size // 2
            first[:half, half:] = STEP * torch.eye(half)
        self.state_matrices = nn.Parameter(first + 0.05 * torch.randn(base_matrices, state_size, state_size))
        self.control_matrices = nn.Parameter(0.05 * torch.randn(base_matrices, state_size, action_size))
        self.log_noise = nn.Parameter(torch.full((base_matrices, state_size), 2 * math.log(initial_noise)))
        self.register_buffer("gauge", torch.eye(state_size))
        self.register_buffer("control_scale", torch.ones(action_size))
        self.gauge: Tensor
        self.control_scale: Tensor

    def weights(self, dtype: torch.dtype | None = None) -> Weights:
        """The parameters in ``dtype``, laid out for :meth:`Weights.linearise`; gradients flow through."""
        dtype = dtype or self.state_matrices.dtype
        linears = [layer for layer in self.gate if isinstance(layer, nn.Linear)]
        first = linears[0].weight.to(dtype)
        variances = self.log_noise.to(dtype).exp() + self.noise_floor
        gauge = self.gauge.to(dtype)
        noise = gauge @ torch.diag_embed(variances) @ gauge.T
        dynamics = torch.cat((self.state_matrices, self.control_matrices), -1).to(dtype)
        return Weights(
            state_in=first[:, : self.state_size].T,
            control_in=first[:, self.state_size :].T,
            bias_in=linears[0].bias.to(dtype),
            layers=tuple((layer.weight.to(dtype).T, layer.bias.to(dtype)) for layer in linears[1:]),
            dynamics=dynamics.flatten(1),
            noise=noise.flatten(1),
            variances=variances,
            gauge=gauge,
            control_scale=self.control_scale.to(dtype),
        )

    def matrix_prior(self, spread: float) -> Tensor:
        """-log N(base matrix; their mean, spread²) of every entry, summed and without its constant: a scalar, in nats.

        Base matrices that no recorded state uses are bounded by nothing else, and roll-outs that reach them diverge.
        """
        matrices = torch.cat((self.state_matrices, self.control_matrices), -1)
        return (matrices - matrices.mean(0)).square().sum() / (2 * spread**2)

    @torch.no_grad()
    def change_coordinates(self, gauge: Tensor) -> None:
        """Become the transition of ``gauge z``, in place: F -> T F T^-1, B -> T B, Q -> T Q T'.

        Args:
            gauge: T ``[Dz, Dz]``, float64.
        """
        inverse = torch.linalg.inv_ex(gauge).inverse
        first = self.gate[0]
        assert isinstance(first, nn.Linear)
        size = self.state_size
        self.state_matrices.copy_(gauge @ self.state_matrices.double() @ inverse)
        self.control_matrices.copy_(gauge @ self.control_matrices.double())
        first.weight[:, :size] = (first.weight[:, :size].double() @ inverse).to(first.weight.dtype)
        self.gauge.copy_(gauge @ self.gauge.double())

    def forward(self, state: Tensor, action: Tensor) -> LocallyLinearGaussian:
        """p(z_{t+1} | z_t, u_t) for ``state [..., Dz]``, ``action [..., Du]`` in the environment's units."""
        return self.weights(state.dtype).transition(state, action)


def _apply(dynamics: Tensor, state: Tensor, control: Tensor) -> Tensor:
    """F z + B u ``[..., Dz]`` from ``[F | B]``."""
    return (dynamics @ torch.cat((state, control), -1).unsqueeze(-1)).squeeze(-1)
