"""The filter's two steps with hand-written adjoints: the numbers of :mod:`latentrl.inference.kalman`, fewer operations.

The matrices are tiny and the filter sequential, so a training step costs what it dispatches. Autograd differentiates
every product of the Joseph form; the adjoint below uses that it equals the short form, ``P = P- - K S K'``, whose
derivative is ``dP = L dP- L' + K dR K'`` with ``L = I - K H``. The forward pass keeps the Joseph form. Covariances are
taken to be symmetric, as every covariance is. There is no second derivative.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from latentrl.inference.kalman import small_inverse, symmetrise
from latentrl.types import Belief


class _Update(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, mean: Tensor, covariance: Tensor, observation: Tensor, noise: Tensor, emission: Tensor
    ) -> Any:
        cross = covariance @ emission.mT
        precision = small_inverse(emission @ cross + noise)
        gain = cross @ precision
        innovation = observation.unsqueeze(-1) - emission @ mean.unsqueeze(-1)
        shrink = torch.eye(mean.shape[-1], dtype=mean.dtype, device=mean.device) - gain @ emission
        new_mean = torch.baddbmm(mean.unsqueeze(-1), gain, innovation).squeeze(-1)
        new_covariance = symmetrise(torch.baddbmm(gain @ noise @ gain.mT, shrink @ covariance, shrink.mT))
        ctx.save_for_backward(gain, shrink, precision @ innovation, emission, new_mean, new_covariance)
        ctx.shared = noise.dim() == 2
        return new_mean, new_covariance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_mean: Tensor, grad_covariance: Tensor) -> Any:
        gain, shrink, whitened, emission, new_mean, new_covariance = ctx.saved_tensors
        symmetric = symmetrise(grad_covariance)
        column = grad_mean.unsqueeze(-1)
        to_mean, to_observation = shrink.mT @ column, gain.mT @ column
        to_covariance = torch.baddbmm(to_mean @ (emission.mT @ whitened).mT, shrink.mT @ symmetric, shrink)
        to_noise = torch.baddbmm(-(to_observation @ whitened.mT), gain.mT @ symmetric, gain)
        to_emission = None
        if ctx.needs_input_grad[4]:
            spread = grad_mean.unsqueeze(-2) @ new_covariance
            to_emission = whitened @ spread - torch.baddbmm(
                to_observation @ new_mean.unsqueeze(-2), 2 * gain.mT @ symmetric, new_covariance
            )
        if ctx.shared:
            to_noise = to_noise.sum(0)
        return to_mean.squeeze(-1), to_covariance, to_observation.squeeze(-1), to_noise, to_emission


class _Predict(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, dynamics: Tensor, noise: Tensor, mean: Tensor, covariance: Tensor, control: Tensor) -> Any:
        transition = dynamics[..., : mean.shape[-1]]
        inputs = torch.cat((mean, control), -1).unsqueeze(-1)
        moved = transition @ covariance
        ctx.save_for_backward(transition, inputs, moved)
        return (dynamics @ inputs).squeeze(-1), torch.baddbmm(noise, moved, transition.mT)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_mean: Tensor, grad_covariance: Tensor) -> Any:
        transition, inputs, moved = ctx.saved_tensors
        column = grad_mean.unsqueeze(-1)
        to_dynamics = column @ inputs.mT
        to_dynamics[..., : transition.shape[-1]] += (grad_covariance + grad_covariance.mT) @ moved
        to_mean = (transition.mT @ column).squeeze(-1)
        return to_dynamics, grad_covariance, to_mean, transition.mT @ grad_covariance @ transition, None


def update(
    belief: Belief, observation: Tensor, emission: Tensor, noise: Tensor, missing: Tensor | None = None
) -> Belief:
    """:func:`latentrl.inference.kalman.update` for one batch dimension ``N``.

    ``H`` is either each sequence's own, ``[N, Da, Dz]``, or a constant ``[Da, Dz]``; ``R`` is each sequence's own,
    ``[N, Da, Da]``, or shared, ``[Da, Da]``.
    """
    if missing is not None:
        observation = torch.where(missing[:, None], 0.0, observation)
    after = Belief(*_Update.apply(*belief, observation, noise, emission))
    if missing is None:
        return after
    return Belief(
        torch.where(missing[:, None], belief.mean, after.mean),
        torch.where(missing[:, None, None], belief.covariance, after.covariance),
    )


def predict(belief: Belief, dynamics: Tensor, noise: Tensor, control: Tensor) -> Belief:
    """The prediction step of Eq. 4.21-4.23 with ``dynamics = [F | B]  [N, Dz, Dz + Du]`` and controls ``[N, Du]``.

    Unlike :func:`latentrl.inference.kalman.predict` it takes F and B together, and the control in the place of B u.
    Controls are data: they get no gradient.
    """
    return Belief(*_Predict.apply(dynamics, noise, *belief, control))
