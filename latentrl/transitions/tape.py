"""A locally linear transition step by step, forwards and backwards: its adjoint written by hand.

States are columns, as in a frozen transition's roll-outs, so that every operation runs along the batch. What a step
computes is kept until it is gone back through; parameters get no gradient.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from latentrl.transitions.locally_linear import Weights


class Columns(NamedTuple):
    """The parameters once more, for states that are columns: every product has its weights on the left."""

    layers: list[tuple[Tensor, Tensor]]  # of the gate, the first for z above u: (weight [n_out, n_in], bias [n_out, 1])
    dynamics: Tensor  # [Dz * (Dz + Du), M]
    control_scale: Tensor  # [Du, 1]
    variances: Tensor  # [Dz, M]
    gauge: Tensor  # [Dz, Dz]

    @classmethod
    def of(cls, weights: Weights) -> Columns:
        """The parameters of ``weights``, copied into this order."""
        first = torch.cat((weights.state_in, weights.control_in)), weights.bias_in
        layers = [(weight.T.contiguous(), bias.unsqueeze(1)) for weight, bias in (first, *weights.layers)]
        variances = weights.variances.T.contiguous()
        return cls(
            layers, weights.dynamics.T.contiguous(), weights.control_scale.unsqueeze(1), variances, weights.gauge
        )


class TransitionTape:
    """Implements `latentrl.types.StepTape`.

    Args:
        columns: the parameters.
        horizon: steps H.
        count: states N at a time.
    """

    def __init__(self, columns: Columns, horizon: int, count: int) -> None:
        self._columns, like = columns, columns.dynamics
        self._size = len(columns.variances)
        inputs = len(columns.layers[0][0].T)
        rows = inputs, like.shape[1], len(like), *(len(weight) for weight, _ in columns.layers[:-1])
        # Views of every step, for to cut one out takes as long as to compute with it.
        self._inputs, self._alpha, self._mixed, *self._hidden = (
            like.new_empty(horizon, many, count).unbind(0) for many in rows
        )
        self._backwards = [weight.T.contiguous() for weight, _ in columns.layers]
        self._spread: list[tuple[Tensor, Tensor] | None] = [None] * horizon

    def forward(self, t: int, state: Tensor, action: Tensor, noise: Tensor | None = None) -> Tensor:
        columns, size = self._columns, self._size
        inputs = self._inputs[t]
        inputs[:size] = state
        torch.div(action, columns.control_scale, out=inputs[size:])
        here = inputs
        for (weight, bias), hidden in zip(columns.layers[:-1], self._hidden, strict=True):
            here = torch.addmm(bias, weight, here, out=hidden[t]).relu_()
        weight, bias = columns.layers[-1]
        alpha = torch.softmax(torch.addmm(bias, weight, here), 0, out=self._alpha[t])
        mixed = torch.mm(columns.dynamics, alpha, out=self._mixed[t]).view(size, -1, state.shape[1])
        following = (mixed * inputs).sum(1)
        if noise is None:
            self._spread[t] = None
            return following
        deviation = torch.mm(columns.variances, alpha).sqrt_()
        self._spread[t] = noise, deviation
        return following.addmm_(columns.gauge, noise * deviation)

    def backward(self, t: int, gradient: Tensor) -> tuple[Tensor, Tensor]:
        columns, size = self._columns, self._size
        inputs, alpha = self._inputs[t], self._alpha[t]
        outer = (gradient.unsqueeze(1) * inputs).view(len(columns.dynamics), -1)
        to_inputs = (self._mixed[t].view(size, *inputs.shape) * gradient.unsqueeze(1)).sum(0)
        to_alpha = columns.dynamics.T @ outer
        spread = self._spread[t]
        if spread is not None:
            noise, deviation = spread
            to_variance = torch.mm(columns.gauge.T, gradient).mul_(noise).div_(deviation)
            to_alpha.addmm_(columns.variances.T, to_variance, alpha=0.5)
        here = to_alpha.mul_(alpha)
        here = here.addcmul_(alpha, here.sum(0), value=-1)
        for weight, hidden in zip(self._backwards[:0:-1], reversed(self._hidden), strict=True):
            here = torch.ops.aten.threshold_backward(weight @ here, hidden[t], 0.0)
        to_inputs.addmm_(self._backwards[0], here)
        return to_inputs[:size], to_inputs[size:].div_(columns.control_scale)
