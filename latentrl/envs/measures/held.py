"""To bring coordinates to a pose and hold them there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from latentrl.envs.coordinates import Coordinate
from latentrl.envs.measures.base import GOAL, LENGTH, Floats, Outcome, Truth, distances, last_steps, settling_time


@dataclass(frozen=True)
class Held:
    """Bring coordinates to a pose and hold them there, none of them beyond its limits at any time.

    Success: all within ``tolerance`` of the goal through the last ``hold`` steps, or ``seconds``, of the episode, and
    no collision in the whole episode, which is a coordinate beyond its limits: a stop that gives way elastically can be
    pushed through.

    Figure ``settling``: the seconds after which all stay within the tolerance for good; infinite if they do not at the
    end. Where every episode has a goal of its own also ``<name>_error`` of each coordinate at the end, and overall the
    90th percentiles of these and ``there_at_the_end``, the successes that a look at the last step alone would count.
    Where a coordinate has limits also ``beyond_limit`` at the worst, 0 if none ever was, and overall the number of
    ``collisions``.

    Attributes:
        coordinates: of the pose, ``D`` of them.
        goal: ``D`` numbers in the coordinates' units, the same for all episodes; None: ``truth["goal"] [N, D]``.
        tolerance: in the coordinates' units; one number for all, or one for each of them.
        hold: steps.
        settling: the name of the settling time.
        seconds: to hold it for, whatever the control step; None: ``hold`` steps.
    """

    coordinates: tuple[Coordinate, ...]
    goal: tuple[float, ...] | None = None
    tolerance: float | tuple[float, ...] = 0.05
    hold: int = 25
    settling: str = "seconds_to_goal"
    seconds: float | None = None

    @property
    def headings(self) -> Mapping[str, str]:
        """Column headings of the figures in a table for people, by figure."""
        settling = {self.settling: f"s to {self.settling.removeprefix('seconds_to_')}"}
        if self.goal is not None:
            return settling | ({"collisions": "collisions"} if self._limited else {})
        errors: dict[str, str] = {}
        for one in self.coordinates:
            errors |= {f"{one.name}_error": f"{one.name} error, {one.unit}", f"{one.name}_error_p90": "90% below"}
        errors[f"{self.coordinates[-1].name}_error_p90"] += f", {self.coordinates[-1].unit}"
        collisions = {"collisions": "collisions"} if self._limited else {}
        return settling | errors | collisions | {"there_at_the_end": "there at the end"}

    def __call__(self, truth: Truth, control_step: float, target: float | None) -> Outcome:
        """The outcome of the coordinates' entries of ``truth``."""
        error = distances(self.coordinates, truth, truth[GOAL] if self.goal is None else np.asarray(self.goal))
        inside = np.asarray((error <= np.asarray(self.tolerance)).all(-1))
        beyond = np.max([_beyond(one, truth) for one in self.coordinates], axis=0)
        allowed = beyond == 0.0
        own = self.goal is None
        final = {f"{one.name}_error": error[-1, :, at] for at, one in enumerate(self.coordinates)} if own else {}
        figures = {**final, self.settling: settling_time(inside, control_step)}
        overall = {f"{name}_p90": float(np.quantile(values, 0.9)) for name, values in final.items()}
        if self._limited:
            figures["beyond_limit"] = beyond
            overall["collisions"] = float((~allowed).sum())
        if own:
            overall["there_at_the_end"] = float((inside[-1] & allowed).sum())
        hold = self.hold if self.seconds is None else max(1, round(self.seconds / control_step))
        held = (inside | ~last_steps(truth, len(inside), hold)).all(axis=0)
        # An episode that ended before it could hold the pose has not held it.
        long_enough = np.asarray(truth.get(LENGTH, len(inside))) >= min(hold, len(inside))
        return Outcome(np.asarray(held & long_enough & allowed), figures, overall)

    @property
    def _limited(self) -> bool:
        return any(one.limits is not None for one in self.coordinates)


def _beyond(coordinate: Coordinate, truth: Truth) -> Floats:
    """How far beyond its limits a coordinate ever was, ``[N]``."""
    values = coordinate.values(truth)
    if coordinate.limits is None:
        return np.zeros(values.shape[1])
    low, high = coordinate.limits
    return np.maximum(np.maximum(values.max(axis=0) - high, low - values.min(axis=0)), 0.0)
