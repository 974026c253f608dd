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
        ValueError: a coordinate that is not one number a step.
    """
    known = [one for one in coordinates if one.key in truth]
    values = {one.name: _checked(one, one.values(truth), latents.shape[:2]) for one in known}
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


def _checked(coordinate: Coordinate, values: NDArray[np.floating], shape: Sequence[int]) -> NDArray[np.floating]:
    """``values [N * T]``."""
    if values.shape != tuple(shape):
        raise ValueError(
            f"coordinate {coordinate.name}: '{coordinate.key}' holds {values.shape}, not a number for each of the "
            f"{tuple(shape)} steps"
        )
    return values.ravel()
