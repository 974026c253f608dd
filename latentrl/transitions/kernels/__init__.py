"""Roll-outs as a kernel that numba compiles for the processor; float32, one thread, without gradients.

In the order in which they need each other: ``lanes`` (sixteen numbers), ``rollout`` (the kernel).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentrl.support.compiling import compiled
from latentrl.transitions.kernels.lanes import LANES
from latentrl.transitions.kernels.rollout import rollout, rollout_feedback
from latentrl.transitions.locally_linear import Weights

LOG2_E = float(np.log2(np.e))


class KernelRollout:
    """Mean roll-outs with parameters that stay as they are.

    Args:
        weights: the parameters, float32 on the processor.
    """

    def __init__(self, weights: Weights) -> None:
        size, scale = weights.state_in.shape[0], weights.control_scale.unsqueeze(1)
        # Actions come as they are: what reads a control has the scale in it. Logits are those of powers of two.
        layers = [(torch.cat((weights.state_in, weights.control_in / scale)), weights.bias_in), *weights.layers]
        layers[-1] = layers[-1][0] * LOG2_E, layers[-1][1] * LOG2_E
        base = weights.dynamics.unflatten(1, (size, -1)).clone()
        base[:, :, size:] /= weights.control_scale
        base = torch.cat((base.flatten(), base.new_zeros(base[0].numel())))
        flat = torch.cat([parameter.flatten() for layer in layers for parameter in layer])
        widths = np.array([len(bias) for _, bias in layers])
        self._read = flat.numpy(), widths, base.numpy()
        self._rows = 3 * (size + len(scale)) + int(widths.sum()) + size * (size + len(scale))
        self._rollout, self._feedback = kernels()

    def __call__(self, state: Tensor, actions: Tensor) -> Tensor:
        """Mean states ``[N, H, Dz]`` after each of ``actions [N, H, Du]`` from ``state [N, Dz]``, a transposed view."""
        (count, horizon, controls), size = actions.shape, state.shape[1]
        path = torch.empty(horizon, size, -(-count // LANES) * LANES)
        # By PyTorch, which aligns what it allocates: a vector that lies in two lines of the cache is read twice.
        scratch = torch.empty(self._rows + horizon * controls, LANES)
        given = (tensor.detach().contiguous().numpy() for tensor in (state, actions))
        self._rollout(*given, *self._read, path.numpy(), scratch.numpy())
        return path[..., :count].permute(2, 0, 1)

    def feedback(
        self, state: Tensor, base: Tensor, feedback: Tensor, around: Tensor, low: Tensor, high: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Actions ``[N, H, Du]`` and mean states ``[N, H, Dz]`` of an affine policy: see
        `latentrl.types.FeedbackDynamics`."""
        actions, path = torch.empty(base.shape), torch.empty(around.shape)
        scratch = torch.empty(self._rows, LANES)
        tensors = state, base, feedback.flatten(2), around, torch.stack((low, high))
        given = (tensor.detach().contiguous().numpy() for tensor in tensors)
        self._feedback(*given, *self._read, *(tensor.numpy() for tensor in (actions, path, scratch)))
        return actions, path


@cache
def kernels() -> tuple[Any, Any]:
    """The kernels, compiled: once for all transitions, for their sizes are no part of them."""
    vector, matrix, cube = (np.empty((0,) * rank, np.float32) for rank in (1, 2, 3))
    read = vector, np.empty(0, np.int64), vector
    return (
        compiled(rollout, (matrix, cube, *read, cube, matrix)),
        compiled(rollout_feedback, (matrix, cube, cube, cube, matrix, *read, cube, cube, matrix)),
    )
