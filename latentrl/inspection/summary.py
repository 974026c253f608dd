"""Everything that recordings say of themselves, and what follows from it, as numbers and as lines for people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from latentrl.inspection.actions import Actions, advice_on_actions, measure_actions
from latentrl.inspection.frames import Frames, look_at
from latentrl.inspection.motion import Motion, advice_on_motion, measure_motion, words_on_horizon
from latentrl.inspection.readings import Readings, advice_on_readings, measure_readings
from latentrl.inspection.sizes import Sizes, estimate_sizes, words_between
from latentrl.networks.standardisation import Suggestion, own_units, suggested_standardisation
from latentrl.support.errors import UserError
from latentrl.types import Sequences, is_image

KAPPA_SHARE = 1 / 6
"""Of the data's deviation: the bound of the constraint unless one is given (docs/ekvae.md)."""
PARTS = ("frames", "sizes", "motion", "actions")
"""Of an inspection, in turn; frames take longest, where they are pictures."""
NAMED = 6
"""Readings whose deviations are said one by one; of more, the number is said."""
FEWEST_SEQUENCES, SHORTEST, FEWEST_FRAMES = 10, 3, 200


@dataclass(frozen=True)
class Inspection:
    """What recordings are like.

    Attributes:
        sequences: how many there are.
        length: observations in each.
        observation_shape: of one.
        looked_at: frames that were compared.
        deviation: root mean variance of an observation's dimensions, in the data's unit (pictures in [0, 1]).
        noise: of the sensor, root mean square over these, an upper bound.
        kappa: the bound of the constraint that training takes unless told otherwise.
        constant: dimensions of the observation that never change.
        brightness: mean of the pictures, in [0, 1]; None of sensors.
        sizes: of a state.
        motion: of the frames.
        actions: and what they do.
        standardise: whether training standardises observations unless told otherwise, and why.
        control_step: seconds of a step; None where nobody says.
        repeat: steps of the environment that each action was held for.
        readings: each for itself; None of pictures.
        each_reading: whether a model counts each by its own deviation.
        noise_share: of sensors, the noise of each over its deviation, root mean square over them; None of pictures.
    """

    sequences: int
    length: int
    observation_shape: tuple[int, ...]
    looked_at: int
    deviation: float
    noise: float
    kappa: float
    constant: int
    brightness: float | None
    sizes: Sizes
    motion: Motion
    actions: Actions
    standardise: Suggestion
    control_step: float | None = None
    repeat: int = 1
    readings: Readings | None = None
    each_reading: bool = False
    noise_share: float | None = None

    @property
    def least_period(self) -> int:
        """Steps that the period has at least, where no sequence shows it: what is extrapolated is not believed far."""
        return round(min(self.motion.period, 4.0 * self.length))

    @property
    def size_flags(self) -> tuple[str, ...]:
        """Flags of ``train`` for a state of the estimated sizes."""
        return "--position-size", str(self.sizes.position_size), "--state-size", str(self.sizes.state_size)

    @property
    def advice(self) -> list[str]:
        """What to change, in words; nothing where nothing is amiss."""
        found = []
        if self.noise > self.kappa and not self.each_reading:
            found.append(
                f"the noise, {self.noise:.3g}, is above the default kappa, {self.kappa:.3g}: no model can meet that "
                f"bound; give train --kappa {1.2 * self.noise:.2g}"
            )
        if self.readings is not None:
            found += advice_on_readings(self.readings, None if self.each_reading else self.kappa)
        if not self.sizes.connected:
            found.append(
                "frames fall into groups with nothing between them: whether a position turns around cannot be told; "
                "record more, or let episodes start everywhere"
            )
        on_motion = advice_on_motion(self.motion, self.noise, self.length, self.repeat)
        return [*found, *on_motion, *advice_on_actions(self.actions)]

    def as_json(self) -> dict[str, Any]:
        """For a file."""
        lags = {str(lag): share for lag, share in self.actions.lags.items()}
        return {
            **asdict(self),
            "observation_shape": list(self.observation_shape),
            "sizes": {**asdict(self.sizes), "state_size": self.sizes.state_size},
            "actions": {**asdict(self.actions), "lags": lags, "shift": self.actions.shift},
            "standardise": self.standardise._asdict(),
            "advice": self.advice,
        }


def is_enough(sequences: int, length: int) -> bool:
    """Whether so many sequences of ``length`` observations tell what is estimated here."""
    return sequences >= FEWEST_SEQUENCES and length >= SHORTEST and sequences * length >= FEWEST_FRAMES


def check_enough(data: Sequences, where: str) -> None:
    """Refuse data that is too little to estimate anything from.

    Raises:
        UserError: names ``where`` it is and how much there is.
    """
    if not is_enough(len(data), data.length):
        raise UserError(
            f"{where}: {len(data)} sequences of {data.length} observations are too few to estimate anything from: "
            f"{FEWEST_SEQUENCES} sequences or more, of {SHORTEST} observations or more, {FEWEST_FRAMES} in all"
        )


def inspect_sequences(
    data: Sequences,
    low: Sequence[float] | None = None,
    high: Sequence[float] | None = None,
    control_step: float | None = None,
    repeat: int = 1,
    done: Callable[[], object] = lambda: None,
) -> Inspection:
    """Look at recordings. No label is read.

    Args:
        data: as :func:`check_enough` wants it.
        low: what actions are known to be no smaller than, ``[Du]``.
        high: the same for larger.
        control_step: seconds of a step; None where nobody says.
        repeat: steps of the environment that each action was held for.
        done: is called after each of `PARTS`.
    """
    frames = look_at(data)
    done()
    sizes, coordinates = estimate_sizes(frames)
    done()
    motion = measure_motion(frames, coordinates, sizes.position_size)
    done()
    bounds = None if low is None or high is None else (torch.tensor(low), torch.tensor(high))
    actions = measure_actions(frames, data.actions, sizes.positions, bounds)
    done()
    return Inspection(
        sequences=len(data),
        length=data.length,
        observation_shape=tuple(data.observations.shape[2:]),
        looked_at=frames.points.shape[:2].numel(),
        deviation=frames.deviation,
        noise=frames.sensor_noise,
        kappa=KAPPA_SHARE * frames.deviation,
        constant=_constant(frames),
        brightness=_brightness(frames),
        sizes=sizes,
        motion=motion,
        actions=actions,
        standardise=suggested_standardisation(data),
        control_step=control_step,
        repeat=repeat,
        readings=None if is_image(data.observations) else measure_readings(data),
        each_reading=own_units(data) is not None,
        noise_share=None if is_image(data.observations) else frames.noise,
    )


def suggested_sizes(data: Sequences) -> Sizes:
    """The sizes of a state for ``data`` alone, without the rest."""
    return estimate_sizes(look_at(data))[0]


def lines(found: Inspection) -> list[str]:
    """What was found, a line each, for the terminal."""
    sizes, motion, actions = found.sizes, found.motion, found.actions
    period = f"about {motion.period:.0f} steps" if motion.seen else f"more than {found.least_period} steps"
    return [
        f"{found.sequences} sequences of {found.length} observations {list(found.observation_shape)}; "
        f"{found.looked_at:,} frames looked at",
        _deviation(found),
        *([_still(found.constant)] if found.constant else []),
        f"a step changes {motion.step:.2g}; the slowest motion has a period of {period}",
        words_on_horizon(motion.mean_period, found.control_step),
        f"single frames lie on {sizes.dimension:.1f} dimensions: {sizes.positions} "
        f"position{'s' * (sizes.positions > 1)}, told without a break by {sizes.position_size} "
        f"number{'s' * (sizes.position_size > 1)}; {sizes.velocities or 'no'} "
        f"velocit{'y' if sizes.velocities == 1 else 'ies'} that frames do not show{_beside(sizes)}",
        *words_between(sizes),
        "actions " + ", ".join(_range(actions, at) for at in range(len(actions.low))),
        f"actions are held in {actions.held:.0%} of the steps; they act {_shift(actions)}",
        f"a model's networks see {'standardised' if found.standardise.standardise else 'plain'} observations: "
        f"{found.standardise.why}",
    ]


def _deviation(found: Inspection) -> str:
    """How much observations vary and how noisy they are: in one unit, or reading by reading where units differ."""
    if found.readings is None or not found.each_reading or found.noise_share is None:
        unit = "grey levels of 1" if len(found.observation_shape) == 3 else "the sensors' units"
        return (
            f"deviation {found.deviation:.3g}, default kappa {found.kappa:.3g}; noise at most {found.noise:.2g} "
            f"({unit}, root mean square of a dimension)"
        )
    each = found.readings.deviations
    more = f" and {len(each) - NAMED} more" if len(each) > NAMED else ""
    return (
        f"readings deviate by {', '.join(f'{one:.3g}' for one in each[:NAMED])}{more}, each in its own unit; noise at "
        f"most {found.noise_share:.2g} of that (root mean square); default kappa {found.kappa:.3g}, a sixth of each "
        "deviation"
    )


def _still(count: int) -> str:
    return f"{count} dimension{'s' * (count > 1)} of an observation never change{'s' * (count == 1)}"


def _beside(sizes: Sizes) -> str:
    """Why a state is to have more velocities than were counted."""
    more = sizes.velocities_of(sizes.position_size) > sizes.velocities
    return "; of readings, each of those numbers is given its own" if more else ""


def _range(actions: Actions, at: int) -> str:
    used = "" if actions.used is None else f" ({actions.used[at]:.0%} of the range)"
    return f"{actions.low[at]:.3g} to {actions.high[at]:.3g}{used}"


def _shift(actions: Actions) -> str:
    if actions.shift is None:
        return "too weakly to tell when"
    if actions.shift == 0:
        return "when they should"
    return (
        f"{abs(actions.shift)} step{'s' * (abs(actions.shift) > 1)} {'before' if actions.shift > 0 else 'after'} theirs"
    )


def _constant(frames: Frames) -> int:
    observations = frames.sequences.observations
    return int((observations == observations[0, 0]).all(0).all(0).sum())


def _brightness(frames: Frames) -> float | None:
    observations = frames.sequences.observations
    return float(observations.float().mean()) / 255 if is_image(observations) else None
