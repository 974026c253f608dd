"""Even motion: corrects a straightened cylinder's coordinates by the statistics of its displacements.

Under random controls the displacements have the same size everywhere, except near the ends of the line. A coordinate in
which they seem not to is distorted, and is corrected until they do (local covariances of displacements as the intrinsic
geometry: Singer and Coifman 2008).
"""

from __future__ import annotations

import torch
from torch import Tensor

from latentrl.numerics.least_squares import least_squares

LAG = 3
"""Frames that a displacement spans: over one frame, a place's own error would be as large."""
MOTION = 2.0
"""Least ratio of mean squared displacements over `LAG` frames to those over one, below which there is no motion: 3 for
a random walk, 1 for independent places."""
ROUNDS = 3
"""Repetitions of both corrections, each of which changes a little what the other finds."""
WAVES, POWERS = 4, 6
"""Harmonics of the angle, and degree in the line, of the part of the line that depends on the angle."""
BINS, ENDS = 40, 4
"""Bins of the line, with equally many displacements each, and how many at either end get their neighbours' speed."""
DEGREE = 6
"""Degree of the polynomial in the line that the speed's logarithm is fitted by."""


def even_line(angle: Tensor, line: Tensor) -> Tensor:
    """The line of a cylinder made straight, from -1 to 1; as it is, where the frames show no motion.

    Args:
        angle: around the cylinder, ``[N, T]`` float64.
        line: along it, ``[N, T]`` float64; a smooth function of the straight one and the angle, increasing in it.
    """
    if not shows_motion(line):
        return line
    for _ in range(ROUNDS):
        line = equalise_speed(remove_lean(angle, line))
    return line


def shows_motion(line: Tensor) -> bool:
    """Whether displacements along ``line [N, T]`` are more than its places' own errors."""
    once = line.diff(dim=1).square().mean()
    return line.shape[1] > LAG and bool(_displaced(line).square().mean() > MOTION * once)


def remove_lean(angle: Tensor, line: Tensor) -> Tensor:
    """``line [N, T]`` without its spurious dependence on ``angle [N, T]`` (radians).

    Of all ``line - sum_k c_k(line) wave_k(angle)`` it is the one with the smallest mean squared displacement: any
    dependence on the angle adds to it where motion is alike at all angles.
    """
    multiples = angle.unsqueeze(-1) * torch.arange(1, WAVES + 1)
    waves = torch.cat((multiples.cos(), multiples.sin()), -1)
    powers = (line / line.abs().max()).unsqueeze(-1) ** torch.arange(POWERS + 1)
    leaning = (waves.unsqueeze(-1) * powers.unsqueeze(-2)).flatten(2)
    found = least_squares(_displaced(leaning).flatten(0, 1), _displaced(line).flatten().unsqueeze(1))
    return line - (leaning @ found).squeeze(-1)


def equalise_speed(line: Tensor) -> Tensor:
    """``line [N, T]`` stretched until its displacements are equally large everywhere, from -1 to 1.

    Near its ends motion is stopped, which says nothing of the coordinate: there the stretch is extrapolated.
    """
    moved = _displaced(line).flatten()
    middle = line[:, :-LAG].flatten() + moved / 2
    order = middle.argsort()
    bins = [order[bin_] for bin_ in torch.arange(len(order)).tensor_split(BINS)][ENDS:-ENDS]
    place = torch.stack([middle[bin_].mean() for bin_ in bins])
    speed = torch.stack([moved[bin_].square().mean() for bin_ in bins]).sqrt()
    powers = torch.arange(DEGREE + 1)
    reach = line.abs().max()
    fitted = least_squares((place / reach).unsqueeze(1) ** powers, speed.log().unsqueeze(1))
    grid = torch.linspace(float(line.min()), float(line.max()), 400, dtype=line.dtype)
    stretch = (-((grid.clamp(place[0], place[-1]) / reach).unsqueeze(1) ** powers @ fitted).squeeze(1)).exp()
    there = torch.cat((stretch.new_zeros(1), torch.cumulative_trapezoid(stretch, grid)))
    return 2 * _interpolated(line, grid, there / there[-1]) - 1


def _displaced(values: Tensor) -> Tensor:
    """``[N, T, ...] -> [N, T - LAG, ...]``."""
    return values[:, LAG:] - values[:, :-LAG]


def _interpolated(values: Tensor, grid: Tensor, there: Tensor) -> Tensor:
    """Linearly between ``there`` at the even ``grid``."""
    step = (grid[-1] - grid[0]) / (len(grid) - 1)
    at = ((values - grid[0]) / step).clamp(0, len(grid) - 1)
    below = at.long().clamp(max=len(grid) - 2)
    return torch.lerp(there[below], there[below + 1], at - below)
