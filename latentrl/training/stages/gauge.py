"""Fixing what training leaves free: the gauge of the velocity dimensions.

With H = [I 0] (Latent Matters, Eq. 4.31) the bound fixes the position but not the velocity: the map
``v -> v - C a`` leaves H z, and with it the likelihood, unchanged. Regressing v on a over the *training* states and
folding the fit into the model removes the part of v that the position already tells. No label is involved, and the
model's distribution over observations stays the same: only the coordinates of its latent space change.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latentrl.models.ekvae import EKVAE
from latentrl.models.over_data import smooth
from latentrl.numerics.least_squares import least_squares
from latentrl.priors.vhp import VHP
from latentrl.types import Sequences


def velocity_gauge(states: Tensor, position_size: int) -> Tensor:
    """The unit lower triangular ``T [Dz, Dz]`` that makes the velocity part of ``T z`` uncorrelated with the position.

    Args:
        states: ``[N, Dz]``.
        position_size: Da.
    """
    centred = states.double() - states.double().mean(0)
    position, velocity = centred[:, :position_size], centred[:, position_size:]
    slope = least_squares(position, velocity)
    gauge = torch.eye(states.shape[-1], dtype=torch.float64, device=states.device)
    gauge[position_size:, :position_size] = -slope.T
    return gauge


@torch.no_grad()
def apply_gauge(model: EKVAE, gauge: Tensor) -> None:
    """Replace the latent state z by ``gauge z``, in place, in every parameter that reads or writes z.

    F -> T F T^-1, B -> T B, Q -> T Q T', m_0 -> T m_0, P_0 -> T P_0 T'; the alpha network and the VHP read T^-1 z.

    Raises:
        ValueError: the prior is a standard normal and ``gauge`` more than a mirror, which is all that leaves it alone.
    """
    prior = model.initial_distribution
    if not isinstance(prior, VHP) and not torch.equal(gauge.abs(), torch.eye(len(gauge)).to(gauge)):
        raise ValueError("the gauge can only be fixed for a model with the VHP: a standard normal prior fixes its own")
    inverse = torch.linalg.inv(gauge)
    dynamics = model.dynamics
    first = dynamics.gate[0]
    assert isinstance(first, nn.Linear)
    size = model.state_size
    dynamics.state_matrices.copy_(gauge @ dynamics.state_matrices.double() @ inverse)
    dynamics.control_matrices.copy_(gauge @ dynamics.control_matrices.double())
    first.weight[:, :size] = (first.weight[:, :size].double() @ inverse).to(first.weight.dtype)
    model.filter_mean.copy_(gauge @ model.filter_mean.double())
    dynamics.gauge.copy_(gauge @ dynamics.gauge.double())
    if isinstance(prior, VHP):
        prior.gauge.copy_(gauge @ prior.gauge.double())


@torch.no_grad()
def fix_velocity_gauge(model: EKVAE, data: Sequences) -> Tensor:
    """Remove from the velocity what the position explains linearly over ``data``; returns the map applied."""
    states = smooth(model, data).mean.flatten(0, 1)
    gauge = velocity_gauge(states, model.position_size)
    apply_gauge(model, gauge)
    return gauge


@torch.no_grad()
def orient_velocity(model: EKVAE, data: Sequences) -> Tensor:
    """Mirror each velocity dimension so that controls push it up; returns the map applied, a diagonal of +-1.

    Which way a velocity dimension points is free too. The convention here needs no label: over ``data``, the control
    that moves a dimension most moves it upwards, as a positive torque does with an angular velocity.
    """
    states = smooth(model, data).mean[:, :-1].flatten(0, 1)
    weights = model.dynamics.weights(torch.float64)
    local = weights.linearise(
        states.double(), weights.gate_input(weights.scaled(data.actions.to(states.device).flatten(0, 1)))
    )
    effect = local.dynamics[:, model.position_size :, model.state_size :].mean(0)
    strongest = effect.gather(1, effect.abs().argmax(1, keepdim=True)).squeeze(1)
    gauge = torch.eye(model.state_size, dtype=torch.float64, device=states.device)
    velocity = gauge.diagonal()[model.position_size :]
    velocity.copy_(torch.where(strongest < 0, -1.0, 1.0))
    apply_gauge(model, gauge)
    return gauge
