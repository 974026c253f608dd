"""How fast frames change, and what that says of the step between them and of the length of a sequence."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from latentrl.inspection.frames import Frames
from latentrl.inspection.sizes import Coordinates
from latentrl.numerics.neighbours import nearest

FEWEST, MOST, USUAL = 10, 30, 20
"""Steps in a period of the slowest motion: what a model of this project is at ease with (docs/own-environment.md)."""
BACK = 0.8
"""Of the largest change: a change that falls below it again with growing lag has swung back."""
LARGEST_REPEAT = 4
"""That is advised where no period was seen."""
SHORTEST = 10
"""Steps in a sequence."""


@dataclass(frozen=True)
class Motion:
    """How frames change.

    Attributes:
        step: root mean squared change of an observation dimension in a step, noise taken off, in the data's unit.
        still: share of the steps that change nothing at all, and so may be recorded twice.
        period: steps in a period of the slowest motion: four times the lag at which it has changed as much as
            any two frames differ, or twice the one at which it turns back.
        seen: whether such a lag is within a sequence; if not, `period` is extrapolated, and may be longer.
    """

    step: float
    still: float
    period: float
    seen: bool


def measure_motion(frames: Frames, coordinates: Coordinates | None) -> Motion:
    """The motion of ``frames``, its period in their smooth ``coordinates`` where they have any."""
    observations = frames.sequences.observations
    seen = observations.float() / 255 if observations.dtype == torch.uint8 else observations.float()
    change = (seen[:, 1:] - seen[:, :-1]).flatten(2)
    square = float(change.square().mean()) - 2 * frames.sensor_noise**2
    still = float((change == 0).all(2).float().mean())
    track, noise = (frames.points, frames.noise) if coordinates is None else (_placed(frames, coordinates), 0.0)
    return Motion(math.sqrt(max(0.0, square)), still, *slowest_period(track, noise))


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


def advice_on_motion(motion: Motion, noise: float, length: int) -> list[str]:
    """What to change of repeat and length, in words; nothing where nothing is amiss.

    Args:
        motion: of the frames.
        noise: of the sensor, as ``motion.step``.
        length: observations in a sequence.
    """
    found = []
    about = f"about {motion.period:.0f}"
    repeat = max(1, round(motion.period / USUAL))
    if not motion.seen and motion.period > length:
        most = max(2, min(repeat, LARGEST_REPEAT))
        found.append(
            f"no sequence of {length} steps is long enough to show a swing of the slowest motion: give longer ones, or "
            f"hold each action for 2 to {most} steps (collect --repeat, import --every), unless what "
            "counts is over sooner"
        )
    elif motion.period > MOST and repeat > 1:
        found.append(
            f"steps are small: the slowest motion takes {about} of them, where {FEWEST} to {MOST} are easiest to "
            f"learn: hold each action for {repeat} steps (collect --repeat {repeat}, or import --every {repeat})"
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


def _placed(frames: Frames, coordinates: Coordinates) -> Tensor:
    """Coordinates ``[N, T, K]`` of all frames: the means over those of the nearest that have some."""
    points = frames.points.flatten(0, 1)
    index = nearest(points, points[frames.distinct[coordinates.at]], 3)[1]
    return coordinates.values[index].mean(1).unflatten(0, frames.points.shape[:2])
