"""The backward pass of iLQR, one problem after another: matrices of a few rows, where every call would cost more.

The same steps as those of `latentrl.agents.planners.riccati`, in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


def riccati(
    steps: Any,
    gradients: Any,
    hessians: Any,
    lower: Any,
    upper: Any,
    regularisation: Any,
    tiny: float,
    changes: Any,
    feedbacks: Any,
) -> None:
    """Dynamic programming from the plan's end to its beginning.

    Args:
        steps: slopes of z' in (z, u) ``[N, H, Dz, Dz + Du]``.
        gradients: of the reward ``[N, H, Dz + Du]``.
        hessians: of the reward ``[N, H, Dz + Du, Dz + Du]``.
        lower: how far each action may go down ``[N, H, Du]``, at most 0.
        upper: how far up, at least 0.
        regularisation: ``[N]``.
        tiny: the least that a curvature in an action counts.
        changes: ``[N, H, Du]``, set.
        feedbacks: ``[N, H, Du, Dz]``, set.
    """
    count, horizon, size, width = steps.shape
    controls = width - size
    slope, curvature = np.zeros(size), np.zeros((size, size))
    gradient, hessian = np.zeros(width), np.zeros((width, width))
    moved, q, q_all = np.zeros((width, width)), np.zeros(width), np.zeros((width, width))
    stiff, inverse = np.zeros((controls, controls)), np.zeros((controls, 2 * controls))
    free, downhill, policy = np.zeros(controls), np.zeros(controls), np.zeros((width, size))
    for row in range(count):
        slope[:] = 0.0
        curvature[:] = 0.0
        largest = tiny
        for t in range(horizon - 1, -1, -1):
            step = steps[row, t]
            for r in range(width):
                gradient[r] = -gradients[row, t, r]
                for c in range(width):
                    hessian[r, c] = -hessians[row, t, r, c]
            for r in range(size):
                gradient[r] += slope[r]
                for c in range(size):
                    hessian[r, c] += curvature[r, c]
            # An action is its own: below the slopes of z' lie zeros and ones.
            for r in range(width):
                for c in range(width):
                    found = hessian[r, c] if c >= size else 0.0
                    for k in range(size):
                        found += hessian[r, k] * step[k, c]
                    moved[r, c] = found
            for r in range(width):
                found = gradient[r] if r >= size else 0.0
                for k in range(size):
                    found += step[k, r] * gradient[k]
                q[r] = found
                for c in range(width):
                    found = moved[r, c] if r >= size else 0.0
                    for k in range(size):
                        found += step[k, r] * moved[k, c]
                    q_all[r, c] = found
            mean = 0.0
            for i in range(controls):
                mean += q_all[size + i, size + i] / controls
            # NaN included.
            if not mean <= largest:
                largest = mean
            for i in range(controls):
                for k in range(controls):
                    stiff[i, k] = q_all[size + i, size + k]
                stiff[i, i] += regularisation[row] * largest
            change = changes[row, t]
            solve(change, stiff, q[size:], lower[row, t], upper[row, t], inverse, free, downhill)
            feedback = feedbacks[row, t]
            for i in range(controls):
                for c in range(size):
                    found = 0.0
                    for k in range(controls):
                        found -= inverse[i, k] * q_all[size + k, c]
                    feedback[i, c] = found
            for r in range(size):
                for c in range(size):
                    policy[r, c] = 1.0 if r == c else 0.0
            for i in range(controls):
                for c in range(size):
                    policy[size + i, c] = feedback[i, c]
            # The value of this affine policy under the unregularised model.
            for r in range(width):
                for k in range(controls):
                    q[r] += q_all[r, size + k] * change[k]
            for c in range(size):
                found = 0.0
                for r in range(width):
                    found += policy[r, c] * q[r]
                slope[c] = found
            for r in range(width):
                for c in range(size):
                    found = 0.0
                    for k in range(width):
                        found += q_all[r, k] * policy[k, c]
                    moved[r, c] = found
            for r in range(size):
                for c in range(size):
                    found = 0.0
                    for k in range(width):
                        found += policy[k, r] * moved[k, c]
                    hessian[r, c] = found
            for r in range(size):
                for c in range(size):
                    curvature[r, c] = 0.5 * (hessian[r, c] + hessian[c, r])


@njit(error_model="numpy", nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def solve(change: Any, stiff: Any, slope: Any, lower: Any, upper: Any, inverse: Any, free: Any, downhill: Any) -> None:
    """Projected Newton steps: see `latentrl.agents.planners.riccati.solve_box`.

    Args:
        change: ``[Du]``, set.
        stiff: positive definite ``[Du, Du]``.
        slope: ``[Du]``.
        lower: ``[Du]``.
        upper: ``[Du]``.
        inverse: ``[Du, 2 Du]``: the left half is set to the inverse on the actions without an active limit.
        free, downhill: ``[Du]`` to work in.
    """
    controls = len(change)
    change[:] = 0.0
    # One action alone is at its best after one step.
    for turn in range(controls + 2):
        for i in range(controls):
            found = slope[i]
            for k in range(controls):
                found += stiff[i, k] * change[k]
            downhill[i] = found
            held = (change[i] <= lower[i] and found > 0) or (change[i] >= upper[i] and found < 0)
            free[i] = 0.0 if held else 1.0
        invert(inverse, stiff, free)
        if turn <= controls:
            for i in range(controls):
                found = change[i]
                for k in range(controls):
                    found -= inverse[i, k] * downhill[k]
                change[i] = found
            for i in range(controls):
                change[i] = min(max(change[i], lower[i]), upper[i])


@njit(error_model="numpy", nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def invert(out: Any, matrix: Any, free: Any) -> None:
    """The inverse of ``matrix [D, D]`` on the rows that are ``free``, zero on the others, in the left half of ``out``.

    By elimination without exchanges, which a positive definite matrix does not need.
    """
    size = len(free)
    for r in range(size):
        for c in range(size):
            out[r, c] = matrix[r, c] * free[r] * free[c]
            out[r, size + c] = free[r] if r == c else 0.0
        out[r, r] += 1.0 - free[r]
    for k in range(size):
        pivot = 1.0 / out[k, k]
        for c in range(2 * size):
            out[k, c] *= pivot
        for r in range(size):
            if r != k:
                factor = out[r, k]
                for c in range(2 * size):
                    out[r, c] -= factor * out[k, c]
    for r in range(size):
        for c in range(size):
            out[r, c] = out[r, size + c]
