"""A locally linear transition as a regression of one state on the one before: its error and gradient by hand.

A fit of the transition alone asks for nothing else, ten thousands of times. Autograd goes through six times as many
operations, each on so few numbers that calling it is what it costs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latentrl.numerics.distributions import LOG_2PI
from latentrl.transitions.locally_linear import LocallyLinearTransition


class Regression:
    """The mean of -log p(z_{t+1} | z_t, u_t) over pairs of states, with a prior of the base matrices.

    Args:
        transition: whose gauge stays what it is now.
        spread: of the prior: see :meth:`LocallyLinearTransition.matrix_prior`.
        count: pairs that the prior is for all together.
    """

    def __init__(self, transition: LocallyLinearTransition, spread: float, count: int) -> None:
        self._transition, self._prior = transition, 1 / (spread**2 * count)
        self._layers = [layer for layer in transition.gate if isinstance(layer, nn.Linear)]
        self._inverse = torch.linalg.inv_ex(transition.gauge).inverse
        self._constant = torch.linalg.slogdet(transition.gauge).logabsdet + 0.5 * transition.state_size * LOG_2PI

    def rows(self, before: Tensor, action: Tensor, after: Tensor) -> Tensor:
        """Pairs of states ``[N, Dz]`` and the actions ``[N, Du]`` between them, as :meth:`differentiate` reads them."""
        return torch.cat((before, action / self._transition.control_scale, after), -1)

    @torch.no_grad()
    def differentiate(self, rows: Tensor) -> Tensor:
        """The error of some rows in nats, a scalar without the prior; the gradient with it becomes the parameters'."""
        transition, size = self._transition, self._transition.state_size
        values = [rows[:, :-size]]
        for layer in self._layers[:-1]:
            values.append(torch.addmm(layer.bias, values[-1], layer.weight.T).relu_())
        alpha = torch.addmm(self._layers[-1].bias, values[-1], self._layers[-1].weight.T).softmax(-1)
        matrices = torch.cat((transition.state_matrices, transition.control_matrices), -1)
        raw = transition.log_noise.exp()
        mixed_from = torch.cat((matrices.flatten(1), raw + transition.noise_floor), -1)
        # From here on states are columns, so that every operation runs along the pairs.
        columns = rows.T.contiguous()
        inputs, after = columns[:-size], columns[-size:]
        mixed = mixed_from.T @ alpha.T
        dynamics, variance = mixed[:-size].unflatten(0, (size, -1)), mixed[-size:]
        missed = self._inverse @ (after - (dynamics * inputs).sum(1))
        pull = missed / variance
        error = 0.5 * (missed * pull + variance.log()).sum() / len(rows) + self._constant

        to_mean = self._inverse.T @ (pull / -len(rows))
        to_variance = (1 / variance - pull.square()) * (0.5 / len(rows))
        to_mixed = torch.cat(((to_mean.unsqueeze(1) * inputs).flatten(0, 1), to_variance)).T
        base = alpha.T @ to_mixed
        to_matrices = base[:, :-size].view_as(matrices) + self._prior * (matrices - matrices.mean(0))
        transition.state_matrices.grad = to_matrices[..., :size].contiguous()
        transition.control_matrices.grad = to_matrices[..., size:].contiguous()
        transition.log_noise.grad = base[:, -size:] * raw
        here = torch.ops.aten._softmax_backward_data(to_mixed @ mixed_from.T, alpha, -1, alpha.dtype)
        for layer, value in zip(reversed(self._layers), reversed(values), strict=True):
            layer.weight.grad, layer.bias.grad = here.T @ value, here.sum(0)
            if layer is not self._layers[0]:
                here = torch.ops.aten.threshold_backward(here @ layer.weight, value, 0.0)
        return error
