"""How much of the true state a latent state tells: R^2 of every coordinate that the environment describes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentrl.envs.coordinates import Coordinate, positions, velocities
from latentrl.numerics.neighbours import nearest_elsewhere
from latentrl.numerics.regression import angle_r2, ols_r2, r2_of_means
from latentrl.support.errors import UserError


def coordinate_r2(
    latents: Tensor, position_size: int, truth: Mapping[str, NDArray[np.floating]], coordinates: Sequence[Coordinate]
) -> dict[str, float]:
    """R^2 of every coordinate (Latent Matters, 4.4.2, Tables 4.1 to 4.3), by the name of the figure.

    An angle is judged by its sine and cosine, a line and a velocity by ordinary least squares. For velocities there is
    also ``_neighbours``: is it a function of z at all, in whatever chart? And as the velocity is what a single
    observation does not tell, each is judged once more by its own part of the state: velocities by the velocity
    dimensions, the others by the position's. A part of no dimensions explains nothing.

    Args:
        latents: z ``[N, T, Dz]`` of held-out sequences.
        position_size: Da, the leading dimensions that hold the position.
        truth: what the environment recorded, each entry ``[N, T, ...]``.
        coordinates: what of it is predicted; those that ``truth`` does not hold are left out.

    Returns:
        ``r2_NAME`` of each, ``r2_NAME_neighbours`` and ``r2_NAME_from_velocity_dims`` of velocities, and
        ``r2_NAME_from_position_dims`` of angles and lines.

    Raises:
        UserError: a coordinate that is not one number a step.
    """
    known = [one for one in coordinates if one.key in truth]
    values = coordinate_values(truth, known, latents.shape[:2])
    moving, placed = velocities(known), positions(known)
    states = latents.flatten(0, 1).cpu().numpy()
    figures = {f"r2_{one.name}": _r2(one, states, values[one.name]) for one in known}
    if moving:
        nearest = nearest_elsewhere(latents)
        for one in moving:
            figures[f"r2_{one.name}_neighbours"] = r2_of_means(nearest, torch.from_numpy(values[one.name]))
    for part, dimensions, told in (
        ("velocity", states[:, position_size:], moving),
        ("position", states[:, :position_size], placed),
    ):
        figures |= {f"r2_{one.name}_from_{part}_dims": _r2(one, dimensions, values[one.name]) for one in told}
    return figures


def _r2(coordinate: Coordinate, states: NDArray[np.floating], values: NDArray[np.floating]) -> float:
    return (angle_r2 if coordinate.kind == "angle" else ols_r2)(states, values)


def coordinate_values(
    truth: Mapping[str, NDArray[np.floating]], coordinates: Sequence[Coordinate], shape: Sequence[int]
) -> dict[str, NDArray[np.floating]]:
    """The values ``[N * T]`` of those of ``coordinates`` that ``truth`` holds, by name.

    Args:
        truth: what the environment recorded, each entry ``[N, T, ...]``.
        coordinates: what to read off it.
        shape: N and T.

    Raises:
        UserError: a coordinate that is not one number a step.
    """
    found = {}
    for one in coordinates:
        if one.key not in truth:
            continue
        entry = np.asarray(truth[one.key])
        fits = entry.ndim == 2 if one.index is None else entry.ndim == 3 and one.index < entry.shape[2]
        if not fits or entry.shape[:2] != tuple(shape):
            wanted = "one number" if one.index is None else f"at least {one.index + 1} numbers"
            raise UserError(
                f"coordinate {one.name}: '{one.key}' holds {entry.shape}, not {wanted} for each of {tuple(shape)} "
                "steps; mend its entry among the coordinates in metadata.json"
            )
        found[one.name] = one.values(truth).ravel()
    return found
