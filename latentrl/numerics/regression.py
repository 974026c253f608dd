"""R^2 of the true state given a latent state: linear, by ordinary least squares, and nonlinear, by neighbours."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from latentrl.numerics.neighbours import nearest_elsewhere


def ols_r2(inputs: np.ndarray, target: np.ndarray) -> float:
    """R^2 of an ordinary least squares fit with intercept of ``target [N]`` on ``inputs [N, D]``.

    >>> inputs = np.array([[0.0], [1.0], [2.0]])
    >>> round(ols_r2(inputs, 3 * inputs[:, 0] + 1), 6)
    1.0
    """
    design = np.column_stack((np.ones(len(inputs)), inputs)).astype(np.float64)
    coefficients, *_ = np.linalg.lstsq(design, target, rcond=None)
    residual = target - design @ coefficients
    return float(1 - residual.var() / target.var())


def angle_r2(inputs: np.ndarray, angle: np.ndarray) -> float:
    """Mean R^2 of sin and cos of ``angle [N]`` (radians), as for a state that is learned as a circle."""
    return 0.5 * (ols_r2(inputs, np.sin(angle)) + ols_r2(inputs, np.cos(angle)))


def r2_of_means(nearest: Tensor, target: Tensor) -> float:
    """R^2 of predicting ``target [N, T]`` of a point by the mean of those at ``nearest [N * T, K]``."""
    values = target.flatten().double().to(nearest.device)
    return float(1 - (values - values[nearest].mean(-1)).square().mean() / values.var(correction=0))


def neighbour_r2(inputs: Tensor, target: Tensor, neighbours: int = 10) -> float:
    """R^2 of predicting a point by its nearest neighbours in other sequences: is the target a function of z at all?

    Args:
        inputs: ``[N, T, D]``; their scale does not matter.
        target: ``[N, T]``.
        neighbours: how many are averaged; at most the points of N - 1 sequences.
    """
    return r2_of_means(nearest_elsewhere(inputs, neighbours), target)
