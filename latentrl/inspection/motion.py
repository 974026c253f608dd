"""How fast frames change, and what that says of the step between them and of the length of a sequence."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from latentrl.agents.horizon import PLANNED
from latentrl.geometry.leading_coordinates import leading_coordinates
from latentrl.inspection.frames import Frames
from latentrl.inspection.sizes import Coordinates
from latentrl.numerics.neighbours import nearest
from latentrl.numerics.time_scale import motion_period
from latentrl.types import is_image

FEWEST, MOST, USUAL = 10, 30, 20
"""Steps in a period of the slowest motion: what a model of this project is at ease with (docs/own-environment.md)."""
BACK = 0.8
"""Of the largest change: a change that falls below it again with growing lag has swung back."""
LARGEST_REPEAT = 4
"""That is advised where no period was seen."""
SHORTEST = 10
"""Steps in a sequence."""
LEAST_HORIZON, MOST_HORIZON = PLANNED, 40
"""Steps of a horizon that is suggested: planners look so far anyway, and 40 was measured (docs/planners.md)."""
RARE, FAR = 6.0, 60.0
"""Steps in a mean period: with fewer, what happens between frames is not seen; more are far beyond a horizon."""


@dataclass(frozen=True)
class Motion:
    """How frames change.

    Attributes:
        step: root mean squared change of an observation dimension in a step, noise taken off, in the data's unit.
        still: share of the steps that change nothing at all, and so may be recorded twice.
        period: steps in a period of the slowest motion: four times the lag at which it has changed as much as
            any two frames differ, or twice the one at which it turns back.
        seen: whether such a lag is within a sequence; if not, `period` is extrapolated, and may be longer.
        mean_period: steps in the mean period of all motion, see `latentrl.numerics.time_scale.motion_period`: what
            planners have to look ahead. None where there is none.
    """

    step: float
    still: float
    period: float
    seen: bool
    mean_period: float | None = None


def measure_motion(frames: Frames, coordinates: Coordinates | None, count: int = 2) -> Motion:
    """The motion of ``frames``.

    Args:
        frames: that were looked at.
        coordinates: smooth ones, that the slowest period is measured in; None: there are none.
        count: leading coordinates of pictures that the mean period is measured in: as many as tell the positions. Of
            sensors all readings count.
    """
    observations = frames.sequences.observations
    seen = observations.float() / 255 if observations.dtype == torch.uint8 else observations.float()
    change = (seen[:, 1:] - seen[:, :-1]).flatten(2)
    square = float(change.square().mean()) - 2 * frames.sensor_noise**2
    still = float((change == 0).all(2).float().mean())
    track, noise = (frames.points, frames.noise) if coordinates is None else (_placed(frames, coordinates), 0.0)
    mean = motion_period(_leading(frames, count))
    return Motion(math.sqrt(max(0.0, square)), still, *slowest_period(track, noise), mean)


def slowest_period(track: Tensor, noise: float = 0.0) -> tuple[float, bool]:
    """Steps in a period of the slowest of the coordinates of ``track [N, T, K]``, and whether T steps showed it.

    Over a quarter of a period a swing changes by as much, in the mean square, as two independent places differ. Where
    it never does, for every sequence swings about a place of its own, it has changed most after half a period, and less
    after more. What does neither within T steps is extrapolated as it grew in the second half of them.

    Args:
        track: coordinates.
        noise: standard deviation of what is added to each of them.
    """
    spread = (track.flatten(0, 1).var(0, correction=0) - noise**2).clamp(min=1e-12)
    periods: list[tuple[float, bool]] = []
    lags = range(1, track.shape[1])
    changes = torch.stack([(track[:, lag:] - track[:, :-lag]).square().mean((0, 1)) for lag in lags])
    for change in ((changes - 2 * noise**2) / (2 * spread)).unbind(1):
        reached = torch.nonzero(change >= 1)
        if len(reached):
            lag = int(reached[0])
            before = float(change[lag - 1]) if lag else 0.0
            periods.append((4 * (lag + (1 - before) / (float(change[lag]) - before)), True))
        elif float(change[(most := int(change.argmax())) :].min()) < BACK * float(change[most]):
            periods.append((2.0 * (most + 1), True))
        else:
            periods.append((4 * _extrapolated(change), False))
    return max(periods)


def _extrapolated(change: Tensor) -> float:
    """The lag at which ``change [L]`` of lags 1 to L, less than 1 at all of them, would be 1."""
    last, half = len(change), (len(change) + 1) // 2
    end, middle = (max(1e-9, float(change[at - 1])) for at in (last, half))
    # Constant speed grows with the second power of the lag, a random walk with the first, a start at rest with more.
    power = min(4.0, max(1.0, math.log(end / middle) / math.log(last / half))) if last > half else 2.0
    return last * end ** (-1 / power)


def horizon_for(mean_period: float) -> int:
    """Steps that suit a planner: a mean period, rounded up to tens, but no fewer than 20 and no more than 40."""
    return min(max(math.ceil(mean_period / 10 - 1e-9) * 10, LEAST_HORIZON), MOST_HORIZON)


def words_on_horizon(mean_period: float | None, control_step: float | None) -> str:
    """How long a mean period is, and what follows for whoever plans, in one line.

    What follows for the step between frames is for :func:`advice_on_motion` to say, by the slowest motion.

    Args:
        mean_period: steps; None: there is none.
        control_step: seconds of a step; None: not known.
    """
    if mean_period is None:
        return (
            "no mean period of the motion can be told: frames are still, have nothing in common with the next (too "
            "rare, or noise), or spread as a random walk does; nothing follows for a planner's horizon"
        )
    seconds = "" if control_step is None else f" ({mean_period * control_step:.2g} s)"
    said = f"a mean period of the motion takes about {mean_period:.0f} steps{seconds}: "
    if mean_period < RARE:
        return said + "frames are too rare to plan by: observe more often, if you can"
    if mean_period <= FAR:
        return said + f"a planner's --horizon {horizon_for(mean_period)} suits it"
    return said + (
        "far more than planners look ahead, which does no harm where every step towards a goal pays; else hold actions "
        "for longer"
    )


def advice_on_motion(motion: Motion, noise: float, length: int, held: int = 1) -> list[str]:
    """What to change of repeat and length, in words; nothing where nothing is amiss.

    Args:
        motion: of the frames.
        noise: of the sensor, as ``motion.step``.
        length: observations in a sequence.
        held: steps of the environment that each action was held for in these data; what is advised is a multiple.
    """
    found = []
    about = f"about {motion.period:.0f}"
    repeat = _repeat(motion)
    if not motion.seen and motion.period > length:
        times, repeats = ("2", f"{2 * held}") if repeat == 2 else (f"2 to {repeat}", f"{2 * held} to {repeat * held}")
        hold = f", or hold each action {times} times as long (collect --repeat {repeats}, or import --every)"
        found.append(
            f"no sequence of {length} steps is long enough to show a swing of the slowest motion: give longer ones"
            f"{hold if repeat > 1 else ''}, unless what counts is over sooner"
        )
    elif motion.period > MOST and repeat > 1:
        found.append(
            f"steps are small: the slowest motion takes {about} of them, where {FEWEST} to {MOST} are easiest to "
            f"learn: hold each action {repeat} times as long (collect --repeat {held * repeat}, or import --every "
            f"{held * repeat})"
        )
    elif motion.period < FEWEST:
        found.append(
            f"steps are large: the slowest motion takes {about} of them, where {FEWEST} to {MOST} are easiest to "
            "learn: observe more often, if you can"
        )
    wanted = max(SHORTEST, round(min(motion.period / repeat, MOST)))
    if motion.seen and length < max(SHORTEST, 0.6 * wanted):
        found.append(f"sequences are short: {length} steps, where a period is {about}: give --length {wanted}")
    if 0 < motion.step < noise:
        found.append(
            f"a step changes less ({motion.step:.2g}) than the noise ({noise:.2g}): hold actions for longer, or filter "
            "what is recorded"
        )
    if motion.still > 0.5:
        found.append(f"{motion.still:.0%} of the steps change nothing: little is to be learned from them")
    return found


def _repeat(motion: Motion) -> int:
    """How many times as long each action may be held, so that the mean period, too, keeps the steps that it needs.

    What is seen is believed, and the mean keeps `FEWEST`. What is extrapolated may be no motion at all: energy that
    hardly changes within a sequence, or a wheel that turns about no place; there the mean keeps `USUAL`.
    """
    wanted = max(1, round(motion.period / USUAL))
    if not motion.seen:
        wanted = max(2, min(wanted, LARGEST_REPEAT))
    if motion.mean_period is None:
        return wanted
    return max(1, min(wanted, int(motion.mean_period / (FEWEST if motion.seen else USUAL))))


def _leading(frames: Frames, count: int) -> Tensor:
    """Coordinates ``[N, T, K]`` of all frames: leading ones of pictures, or all that sensors say."""
    observations = frames.sequences.observations
    return leading_coordinates(observations, count) if is_image(observations) else observations.flatten(2)


def _placed(frames: Frames, coordinates: Coordinates) -> Tensor:
    """Coordinates ``[N, T, K]`` of all frames: the means over those of the nearest that have some."""
    points = frames.points.flatten(0, 1)
    index = nearest(points, points[frames.distinct[coordinates.at]], 3)[1]
    return coordinates.values[index].mean(1).unflatten(0, frames.points.shape[:2])
