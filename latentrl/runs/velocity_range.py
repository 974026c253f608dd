"""Latent velocities in a user's terms: the velocity of rest, and the data's top speed.

A latent velocity has no unit and its zero means nothing: the bound is as content with v + c. What a goal like "half of
the top speed" needs is found in the training states alone, without labels: at rest the position does not move.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from latentrl.numerics.least_squares import least_squares
from latentrl.support.errors import UserError
from latentrl.support.files import read_json, write_json

FILE = "velocity.json"


@dataclass(frozen=True)
class VelocityRange:
    """The range of velocities in the training data, per velocity dimension ``[Dv]`` and in latent units.

    Attributes:
        rest: the velocity at which the position stands still.
        top: largest deviation from ``rest``; negative where controls push the dimension downwards.
    """

    rest: Tensor
    top: Tensor

    def at(self, fractions: Sequence[float]) -> Tensor:
        """The velocity ``[Dv]`` at signed ``fractions`` of the top speed, one for each dimension."""
        return self.rest + torch.tensor(list(fractions), dtype=self.rest.dtype) * self.top


def velocity_range(states: Tensor, position_size: int) -> VelocityRange:
    """The range of velocities in smoothed training states.

    The squared displacement of the position between the neighbours of a state is, on average over positions, a
    quadratic form in that state's velocity; its minimum is the velocity of rest.

    Args:
        states: ``[N, T, Dz]`` with T of 3 or more.
        position_size: Da, less than Dz.

    Raises:
        ValueError: sequences too short, no velocity dimensions, or none of them moves the position.
    """
    if states.shape[1] < 3 or states.shape[2] <= position_size:
        raise ValueError(
            f"states {tuple(states.shape)} with {position_size} position dimensions: the velocity of rest takes three "
            "time steps and a velocity dimension"
        )
    states = states.double()
    moved = (states[:, 2:, :position_size] - states[:, :-2, :position_size]).square().sum(-1).flatten()
    velocity = states[:, 1:-1, position_size:].flatten(0, 1)
    centre, scale = velocity.mean(0), velocity.std(0)
    unit = (velocity - centre) / scale
    size = unit.shape[1]
    rows, columns = torch.triu_indices(size, size)
    design = torch.cat((unit[:, rows] * unit[:, columns], unit, torch.ones_like(unit[:, :1])), 1)
    fit = least_squares(design, moved.unsqueeze(1)).squeeze(1)
    form = fit.new_zeros(size, size)
    form[rows, columns] = fit[: len(rows)]
    form = (form + form.T) / 2
    if not torch.linalg.eigvalsh(form).min() > 0:
        raise ValueError(
            "its latent velocities have no value at which the position stands still, which is so where a model was not "
            "trained long enough; try more --steps"
        )
    rest = centre - scale * torch.linalg.solve(form, fit[len(rows) : -1]) / 2
    top = (states[..., position_size:].flatten(0, 1) - rest).abs().amax(0)
    return VelocityRange(rest.float().cpu(), top.float().cpu())


def save_range(found: VelocityRange, folder: Path) -> Path:
    """Write ``velocity.json`` into a run folder."""
    write_json(folder / FILE, {"rest": found.rest.tolist(), "top": found.top.tolist()})
    return folder / FILE


def load_range(folder: Path) -> VelocityRange:
    """What :func:`save_range` wrote.

    Raises:
        UserError: no such file, or a damaged one.
    """
    path = folder / FILE
    if not path.exists():
        raise UserError(
            f"{path} does not exist: the training found no range of velocities, as where it was short or the model has "
            "no velocity dimensions; train for more --steps, with --state-size above --position-size, or give a "
            "position as the goal"
        )
    stored = read_json(path, "train the run again")
    try:
        return VelocityRange(torch.tensor(stored["rest"]), torch.tensor(stored["top"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is damaged ({error!r}): train the run again") from error
