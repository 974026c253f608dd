"""Fixing what training leaves free: the gauge of the velocity dimensions.

With H = [I 0] (Latent Matters, Eq. 4.31) the bound fixes the position but not the velocity: the map
``v -> v - C a`` leaves H z, and with it the likelihood, unchanged. Regressing v on a over the *training* states and
folding the fit into the model removes the part of v that is linear in the position. No label is involved, and the
model's distribution over observations stays the same: only the coordinates of its latent space change.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from latentrl.models.base import WorldModel
from latentrl.models.capabilities import ChangesCoordinates, SplitState
from latentrl.models.over_data import smooth, spread_sample
from latentrl.numerics.least_squares import least_squares
from latentrl.runs.velocity_range import VelocityRange, save_range, velocity_range
from latentrl.support.printing import say
from latentrl.training.settings import TrainSettings
from latentrl.training.situation import Situation
from latentrl.training.stages.base import Stage
from latentrl.training.training import Training


class VelocityCoordinates(Stage):
    """The velocity loses what is linear in the position, gets the controls' sign, and its range is measured.

    The states are smoothed once; each change of coordinates takes them along. Of a model that cannot change its
    coordinates the range alone is measured, and a velocity that controls push downwards gets a negative top.
    """

    needs: ClassVar[tuple[type, ...]] = (SplitState,)

    def why(self, situation: Situation, settings: TrainSettings) -> str | None:
        if not situation.splits:
            return None
        if situation.lacks((ChangesCoordinates,)):
            return "the range of velocities is measured, and which way controls push: training leaves these free"
        fixed = "rid of what the position tells, " if situation.fixes_gauge else ""
        return f"velocities {fixed}pointed where controls push, their range measured: training leaves these free"

    def run(self, training: Training) -> None:
        model, sample = training.model, spread_sample(training.data)
        states, turned = smooth(model, sample).mean, torch.ones(model.latent_size - model.position_size)
        if isinstance(model, ChangesCoordinates):
            if training.fix_gauge:
                states = _moved(model, velocity_gauge(states.flatten(0, 1), model.position_size), states)
            states = _moved(model, mirror(model, states, sample.actions), states)
        else:
            turned = (
                mirror(model, states, sample.actions).diagonal()[model.position_size : model.latent_size].float().cpu()
            )
        try:
            found = velocity_range(states[..., : model.latent_size], model.position_size)
            save_range(VelocityRange(found.rest, turned * found.top), training.folder)
        except ValueError as error:
            say(f"note: {training.folder} takes no goals of the form velocity:FRACTION, only positions: {error}")


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
def mirror(model: WorldModel, states: Tensor, actions: Tensor) -> Tensor:
    """The diagonal of +-1, ``[Dz, Dz]`` float64, that points each velocity dimension where controls push it.

    Which way a velocity dimension points is free. The convention here needs no label: over the data, the control that
    moves a dimension most moves it upwards, as a positive torque does with an angular velocity.

    Args:
        model: whose transition tells what controls do.
        states: smoothed ``[N, T, Dz]``.
        actions: ``[N, T - 1, Du]``, in the environment's units.
    """
    before, steps = states[:, :-1].flatten(0, 1).float(), actions.to(states.device).flatten(0, 1).abs().amax(0).diag()
    pushed = [model.transition(before, one.expand(len(before), -1)).mean.mean(0) for one in (*steps, *-steps)]
    up, down = torch.stack(pushed)[:, model.position_size : model.latent_size].chunk(2)
    effect = (up - down).T
    strongest = effect.gather(1, effect.abs().argmax(1, keepdim=True)).squeeze(1)
    gauge = torch.eye(model.state_size, dtype=torch.float64, device=states.device)
    velocity = gauge.diagonal()[model.position_size : model.latent_size]
    velocity.copy_(torch.where(strongest < 0, -1.0, 1.0))
    return gauge


def _moved(model: ChangesCoordinates, gauge: Tensor, states: Tensor) -> Tensor:
    """``states [N, T, Dz]`` in the coordinates ``gauge z``, which the model is given too."""
    model.change_coordinates(gauge)
    return states @ gauge.T.to(states)
