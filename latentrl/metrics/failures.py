"""What a training failed at, told without labels: each function is one test, of arrays, with its threshold beside it.

The figures are shares of what there is to tell, so that a threshold suits any system, camera and unit. They were
compared with labels on systems that went well and on some that did not (docs/ekvae.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from latentrl.geometry.topology import standardised
from latentrl.numerics import least_squares
from latentrl.numerics.neighbours import nearest_elsewhere

NEIGHBOURS = 8
DIRECTIONS = 16
"""Leading directions of the pictures that are looked at, at most: what is seen at a glance."""
SEEN = 0.01
"""Share of the pictures' variance that a direction has at least."""

MOST_UNTOLD = 0.3
"""Of what is seen best, at most: models that went well have less than 0.05, half a fold more than 0.4."""
MOST_ERROR = 1.2
"""Of the bound: what the scatter of batches explains."""
LEAST_TOLD = 0.8
"""Of the displacements, at least: models that went well tell 0.95 and more, of those that learned no motion the best
0.6."""
MOST_UNTOLD_MOTION = 0.2
"""Of the motion that lasts, at most. Chosen on 51 trainings: the 35 that told their velocities had at most 0.05,
seven of those that did not 0.35 and more (docs/ekvae.md)."""
MOVED = 0.01
"""Share of the largest variance of a position's steps that steps along a direction have at least."""
LEFT_BY_ACTIONS = 0.02
"""Share of the steps' variance that actions leave at least: what is less is rather an error than motion."""
ENOUGH_STEPS = 10
"""Steps for each number that is fitted to them, at least."""
MOST_UNDRAWN = 0.1
"""Of what varies and is no noise, at most. Chosen on trainings of which 12 that went well left at most 0.0035 and 16 of
17 that did not at least 0.17; an arrow that a renderer draws, which is no part of the state, is 0.03."""
PIXEL, READING = "a pixel (white being 1)", "a reading (in its unit)"
SCALED_READING = "a reading (each over its own deviation, times the root mean square of all of them)"
"""What the error of a constraint may be of."""
LEAST_SEEN = 0.3
"""Of the observations' variance that is no noise, at least: where there is less, the estimate of the noise decides."""


def failures(
    figures: Mapping[str, float], standardise: bool = True, kappa: float | None = None, lean: bool = False
) -> list[str]:
    """What the held-out ``figures`` say that a training failed at, in sentences; empty where all went well.

    Args:
        figures: those of :func:`latentrl.metrics.held_out.held_out_figures`; what is missing is not judged.
        standardise: whether standardised observations are something to try: the model knows them, and has not had them.
        kappa: the bound that the user gave, a root mean squared error; what it allows is no failure. None: none.
        lean: whether the lean network is something to try, which draws pictures sooner.
    """
    found = []
    untold, told = figures.get("untold_share", 0.0), figures.get("told_displacement", 1.0)
    if untold > MOST_UNTOLD:
        others = "another --seed, or --standardise" if standardise else "or another --seed"
        found.append(
            f"frames that look different share a position: along a direction that is seen well, positions leave "
            f"{untold:.0%} untold; try other sizes (--position-size, --state-size), {others}"
        )
    if told < LEAST_TOLD:
        found.append(
            f"the motion is hardly learned: of how far positions move in a few steps {max(0.0, told):.0%} is foreseen; "
            "try more --steps, another --seed, a larger --state-size, longer sequences or stronger actions"
        )
    stayed = figures.get("untold_motion", 0.0)
    if stayed > MOST_UNTOLD_MOTION:
        found.append(
            f"the latent state does not tell how it moves: of the motion that lasts {stayed:.0%} is in none of its "
            "dimensions (a memory does not count); predictions on recordings may still be right, because held actions "
            "reveal much of it, and wrong under a policy's actions; try another --seed, more --steps, a larger "
            "--state-size, or actions that change faster (a smaller --hold of collect)"
        )
    undrawn = figures.get("undrawn_share", 0.0)
    if undrawn > max(MOST_UNDRAWN, _allowed(figures, kappa)):
        cures = [*["--standardise"] * standardise, *["--network lean"] * lean]
        found.append(_of_undrawn(undrawn, "mse_mean_image" in figures, "test_bound" in figures, cures))
    predicted, still, mean = near_errors(figures)
    how = " (each reading by its own deviation)" if "scaled_predict_near" in figures else ""
    for yardstick, what in ((still, "that nothing moves"), (mean, "the mean observation")):
        if predicted > yardstick:
            found.append(
                f"predictions a few steps ahead are no better than {what}: an error of {predicted:.2g}{how}, where "
                f"that has {yardstick:.2g}; train longer, or try another --seed"
            )
    return found


def near_errors(figures: Mapping[str, float]) -> tuple[float, float, float]:
    """Errors a few steps ahead: of predictions, of standing still and of the mean observation.

    Of sensors in units of their own each reading counts by its deviation. What is not there is 0, and infinite.
    """
    still, mean = (figures.get(counted(figures, f"mse_{name}_near"), math.inf) for name in ("still", "mean"))
    return figures.get(counted(figures, "mse_predict_near"), 0.0), still, mean


def counted(figures: Mapping[str, float], name: str) -> str:
    """The ``name`` of a squared error, or of the one that stands for it where readings have units of their own."""
    scaled = name.replace("mse_", "scaled_", 1)
    return scaled if scaled in figures else name


def constraint_failures(
    error: float,
    bound: float,
    began: bool,
    standardise: bool = True,
    waited: str = "the dynamics were",
    of_what: str = PIXEL,
) -> list[str]:
    """What a constrained training failed at; empty without a bound.

    Args:
        error: C at the end, smoothed over batches.
        bound: kappa^2 as it was then; NaN for none.
        began: whether the dynamics were trained at all: they wait until the constraint was met once.
        standardise: as in :func:`failures`.
        waited: what waits so, with its verb.
        of_what: whose error it is: `PIXEL`, `READING` or `SCALED_READING`.
    """
    if not error > MOST_ERROR * bound:
        return []
    what = "not met" if began else f"never met, so that {waited} not trained"
    others = ", --standardise, or" if standardise else ", or"
    return [
        f"the constraint was {what}: C, the mean squared error of {of_what}, is "
        f"{error:.2g} where {bound:.2g} is the bound, kappa squared; try more --steps{others} a larger --kappa than "
        f"{bound**0.5:.2g}: noise of the sensor counts as error"
    ]


def untold_share(positions: Tensor, pictures: Tensor) -> float:
    """How much of what is seen best of the pictures their positions do not tell: 0 for all told, 1 for nothing.

    Frames that share a position should look alike, as frames that follow one another do. Of the pictures' leading
    directions it takes the one along which frames of like position tell least of each other and consecutive frames
    most, and returns by how much. Two places that are folded onto each other differ along some direction as much as any
    two frames; camera noise differs between consecutive frames too, and does not count.

    Args:
        positions: ``[N, T, Da]``.
        pictures: ``[N, T, D]``, thumbnails or sensors, in any unit.
    """
    scores = _leading(pictures)
    follows = _shared(scores[:, :-1].flatten(0, 1), scores[:, 1:].flatten(0, 1))
    index = nearest_elsewhere(positions, NEIGHBOURS)
    flat = scores.flatten(0, 1)
    left = flat - flat[index].mean(1)
    # The mean of NEIGHBOURS values has a variance of its own.
    spread = left.T @ left / len(left) / (1 + 1 / NEIGHBOURS)
    told = torch.eye(len(spread), dtype=spread.dtype) - spread
    return float(torch.linalg.eigvalsh(follows - told)[-1].clamp(0, 1))


def undrawn_share(error: float, spread: float, noise: float) -> float | None:
    """How much of what varies and is not noise the drawings of a model leave out: 0 for nothing, 1 for all of it.

    Noise is part of the error and of the variance, and is taken off both. More noise than there is leaves less of
    either, and a smaller share: an upper bound of it may be given.

    Args:
        error: mean squared error of what is drawn of observations, against them as they were observed.
        spread: their variance, a mean over dimensions: the error of drawing their average.
        noise: variance of their noise.

    Returns:
        The share; None where less than `LEAST_SEEN` of the variance is no noise, or nothing varies: of that it would
        say nothing.
    """
    seen = spread - noise
    if not seen > LEAST_SEEN * spread:
        return None
    # In this order, drawings that are no numbers are none.
    return max(0.0, min(1.0, (error - noise) / seen))


def told_displacement(predicted: Tensor, positions: Tensor) -> float:
    """R^2 of how far positions move: 1 for exact predictions, 0 for those no better than that nothing moves.

    Args:
        predicted: ``[N, H, Da]``, open loop.
        positions: ``[N, 1 + H, Da]``, where each began and where it then was.
    """
    moved = positions[:, 1:] - positions[:, :1]
    left = (predicted - positions[:, 1:]).square().sum()
    return float(1 - left / moved.square().sum())


def untold_motion(states: Tensor, actions: Tensor, position_size: int) -> float:
    """How much of the motion that lasts is told neither by the state nor by the actions: 0 for all told, 1 for nothing.

    A state is to remember how the step that led to it went on. From the steps is taken what the action of their time
    tells of them, affinely in the place: an action that is held tells one nearly by itself, and one that sets the speed
    leaves no motion to remember. Of the directions of what is left it takes the one along which the state tells least
    of the step that led to it and steps two later are most alike to it, and returns by how much: what is alike in steps
    that share no frame is motion, and no error of the positions. The state tells what is linear in the velocity, affine
    in the position, and what a place alone says. Things that turn by half a radian or more in a step have turned away
    two steps later, and nothing is said of them.

    Args:
        states: smoothed ``[N, T, Dz]``.
        actions: ``[N, T - 1, Du]``.
        position_size: Da.

    Returns:
        The share; 0 where nothing moves or too few steps are there to say, and 1 of states that are no numbers.
    """
    if not states.isfinite().all():
        return 1.0
    if states.shape[1] < 4:
        return 0.0
    states, actions = standardised(states.double()), standardised(actions.double())
    position = states[..., :position_size]
    moved = position.diff(dim=1)
    least = MOVED * float(moved.flatten(0, 1).var(0).max())
    into, later = _whitened(moved[:, :-2].flatten(0, 1), moved[:, 2:].flatten(0, 1), least)
    pushed = _with_products(actions[:, :-2], position[:, :-3])
    known = torch.cat((_with_products(states[:, 1:-2], position[:, 1:-2]), pushed), -1)
    if len(known) < ENOUGH_STEPS * known.shape[1]:
        return 0.0
    into = into - least_squares.predicted(pushed, into)
    later = later - least_squares.predicted(_with_products(actions[:, 2:], position[:, 2:-1]), later)
    into, later = _whitened(into, later, LEFT_BY_ACTIONS)
    if not into.numel():
        return 0.0
    left = into - least_squares.predicted(known, into)
    told = (into.T @ into - left.T @ left) / len(left)
    return float(torch.linalg.eigvalsh(_shared(into, later) - told)[-1].clamp(0, 1))


def _with_products(values: Tensor, places: Tensor) -> Tensor:
    """``[N, T, D]`` and their products with places ``[N, T, Da]``, a row each: ``[N T, D + D Da]``."""
    return torch.cat((values, (values.unsqueeze(-1) * places.unsqueeze(-2)).flatten(2)), -1).flatten(0, 1)


def _whitened(first: Tensor, second: Tensor, least: float) -> tuple[Tensor, Tensor]:
    """Both ``[N, D]`` along the principal directions of both, each over its deviation, whose variance is above
    ``least``."""
    first, second = first - first.mean(0), second - second.mean(0)
    variances, directions = torch.linalg.eigh((first.T @ first + second.T @ second) / (2 * len(first)))
    kept = variances > max(least, 1e-12)
    scaled = directions[:, kept] / variances[kept].sqrt()
    return first @ scaled, second @ scaled


def _allowed(figures: Mapping[str, float], kappa: float | None) -> float:
    """Share of the variance that the bound ``kappa`` allows to be left out."""
    spread = figures.get("mse_mean_image", figures.get("mse_mean_observation", 0.0))
    return 0.0 if kappa is None or spread <= 0 else kappa**2 / spread


def _of_undrawn(share: float, pictures: bool, static: bool, more: Sequence[str]) -> str:
    sizes = "a larger --position-size" if static else "larger sizes (--position-size, --state-size)"
    cures = ["more --steps", sizes, *more]
    cures += ["pictures that show it larger (--crop and --pixels of collect)"] if pictures else ["another --seed"]
    return (
        f"the model does not draw {share:.0%} of what varies: so much of the variance of held-out observations, noise "
        f"not counted, is missing from its reconstructions, and what moves there may be told by nothing; try "
        f"{', '.join(cures[:-1])}, or {cures[-1]}"
    )


def _leading(pictures: Tensor) -> Tensor:
    """Leading principal components ``[N, T, K]``, each with unit variance."""
    flat = pictures.flatten(0, 1).double()
    centred = flat - flat.mean(0)
    values, directions = torch.linalg.eigh(centred.T @ centred / len(centred))
    kept = (values >= SEEN * values.sum()).nonzero().flatten()[-DIRECTIONS:]
    return (centred @ directions[:, kept] / values[kept].sqrt()).unflatten(0, pictures.shape[:2])


def _shared(first: Tensor, second: Tensor) -> Tensor:
    """Covariance ``[K, K]`` of values ``[N, K]`` and those that follow, alike in both directions of time."""
    covariance = first.T @ second / len(first)
    return (covariance + covariance.T) / 2
