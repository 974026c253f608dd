"""Even motion: what a straight cylinder's two coordinates still lack is told by how they move.

How fast random motion goes, and how a joint moves with another, does not depend on where the limb points that turns
freely; nor, away from its ends, does a joint's speed on where it is. A coordinate in which it seems to is bent. The
displacements of frames tell that better than how often a place is visited: a sequence visits few places, and has many
displacements. (Local covariances of what moves as the intrinsic geometry: Singer and Coifman 2008.)
"""

from __future__ import annotations

import torch
from torch import Tensor

from latentrl.numerics.least_squares import least_squares

LAG = 3
"""Frames that a displacement spans: over one frame, a place's own error would be as large."""
MOTION = 2.0
"""How much larger displacements over so many frames are, in mean squares, than over one where there is motion at all:
three times for a random walk, once where places have nothing to do with each other."""
ROUNDS = 3
"""Of removing what leans and making the speed equal: each changes a little what the other finds."""
WAVES, POWERS = 4, 6
"""Harmonics of the angle and degree in the line of what leans."""
BINS, ENDS = 40, 4
"""Of the line, with as many displacements each, and how many at either end have the speed of their neighbours."""
DEGREE = 6
"""Of the speed's logarithm along the line."""


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
    """``line [N, T]`` less what leans with ``angle [N, T]``: what makes it move more than it need, in mean squares.

    Of all ``line - sum_k c_k(line) wave_k(angle)`` it is the one whose displacements are least. Where motion is alike
    at all angles, the true line is: what is added to it has no part in common with its displacements.
    """
    multiples = angle.unsqueeze(-1) * torch.arange(1, WAVES + 1)
    waves = torch.cat((multiples.cos(), multiples.sin()), -1)
    powers = (line / line.abs().max()).unsqueeze(-1) ** torch.arange(POWERS + 1)
    leaning = (waves.unsqueeze(-1) * powers.unsqueeze(-2)).flatten(2)
    found = least_squares(_displaced(leaning).flatten(0, 1), _displaced(line).flatten().unsqueeze(1))
    return line - (leaning @ found).squeeze(-1)


def equalise_speed(line: Tensor) -> Tensor:
    """``line [N, T]`` stretched to where its displacements are as large everywhere, from -1 to 1.

    At the ends a joint is stopped, and its speed tells nothing of the coordinate: there the stretch goes on as it was.
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
