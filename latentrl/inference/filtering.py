"""The one loop over time of the Kalman filters that models are trained with.

A model adds its local linearisation. The steps are those of :mod:`latentrl.inference.kalman_adjoint`; a filter with
other steps (information form, square roots, a kernel) is another function of :func:`filter_all`'s signature.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from latentrl.inference import kalman_adjoint
from latentrl.inference.kalman import Filtered
from latentrl.types import Belief, stack_beliefs


class Linearised(Protocol):
    """A transition around one state."""

    @property
    def dynamics(self) -> Tensor:
        """[F | B] ``[B, Dz, Dz + Du]``."""
        ...

    @property
    def noise(self) -> Tensor:
        """Q ``[B, Dz, Dz]``."""
        ...


class Local(NamedTuple):
    """The plainest :class:`Linearised`."""

    dynamics: Tensor
    noise: Tensor


def filter_all(
    prior: Belief,
    observations: Tensor,
    controls: Tensor,
    emissions: Sequence[Tensor],
    noise: Tensor,
    linearise: Callable[[int, Tensor], Linearised],
    missing: Tensor | None = None,
) -> Filtered:
    """The (extended) Kalman filter over ``[B, T]`` (Latent Matters, Eq. 4.21-4.23), in the dtype of its arguments.

    Args:
        prior: N(m_0, P_0) before the first observation, ``[B]``.
        observations: a ``[B, T, Da]``.
        controls: u ``[B, T - 1, Du]``.
        emissions: H of every time step, T times ``[Da, Dz]`` or ``[B, Da, Dz]``.
        noise: R ``[Da, Da]``.
        linearise: ``(t, filtered mean [B, Dz])`` -> the transition from t to t + 1 around it.
        missing: boolean ``[B, T]``: where true, the update is skipped; or ``[B, T, Da]``: where true, it does without
            that dimension.
    """
    batch, length = observations.shape[:2]
    observation, control = observations.unbind(1), controls.unbind(1)
    skipped: Sequence[Tensor | None] = [None] * length if missing is None else missing.unbind(1)
    predicted, filtered = [prior], []
    locals_: list[Linearised] = []
    for t in range(length):
        belief = _update(predicted[t], observation[t], emissions[t], noise, skipped[t])
        filtered.append(belief)
        if t + 1 < length:
            local = linearise(t, belief.mean)
            locals_.append(local)
            predicted.append(kalman_adjoint.predict(belief, local.dynamics, local.noise, control[t]))
    size = prior.mean.shape[-1]
    empty = observations.new_zeros(batch, 0, size, size)
    return Filtered(
        stack_beliefs(filtered),
        stack_beliefs(predicted),
        torch.stack([local.dynamics for local in locals_], 1)[..., :size] if locals_ else empty,
        torch.stack([local.noise for local in locals_], 1) if locals_ else empty,
    )


def _update(belief: Belief, observation: Tensor, emission: Tensor, noise: Tensor, missing: Tensor | None) -> Belief:
    """The update without what is ``missing``: ``[B]``, ``[B, Da]`` or nothing."""
    if missing is None or missing.dim() == 1:
        return kalman_adjoint.update(belief, observation, emission, noise, missing)
    # Dimensions that tell nothing of z and are independent of the others, so that they change neither gain nor belief.
    seen = ~missing
    pairs = seen.unsqueeze(-1) & seen.unsqueeze(-2) | torch.eye(seen.shape[-1], dtype=torch.bool, device=seen.device)
    shown = emission * seen.unsqueeze(-1)
    return kalman_adjoint.update(belief, torch.where(missing, 0.0, observation), shown, noise * pairs)
