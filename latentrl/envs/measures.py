"""What is measured of an agent: pure functions from ground truth to figures, one per episode.

Ground truth is ``{name: [T, N]}`` (joints: ``[T, N, 2]``): entry ``t`` is the state after the action of step ``t``, of
``N`` episodes. Where each of them has a goal of its own, ``"goal"`` is the true pose of each, ``[N, 2]``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from latentrl.numerics.statistics import bootstrap_interval

Floats = NDArray[np.float64]
Truth = Mapping[str, Floats]


class Outcome(NamedTuple):
    """What came of ``N`` episodes.

    ``success [N]``, None where nothing tells; ``figures`` by name, each ``[N]``; ``overall``, figures of all of them.
    """

    success: NDArray[np.bool_] | None
    figures: dict[str, Floats]
    overall: Mapping[str, float] = MappingProxyType({})


class Measure(Protocol):
    """Judges episodes by their ground truth."""

    def __call__(self, truth: Truth, control_step: float, target: float | None) -> Outcome:
        """The outcome.

        Args:
            truth: ground truth after every step, ``{name: [T, N]}``.
            control_step: seconds between two actions.
            target: what to reach in the truth's units, for measures that need it.
        """
        ...


@dataclass(frozen=True)
class Upright:
    """Bring an angle to 0 and hold it there; needs no target.

    Success: within ``tolerance`` (rad) of upright through the last ``hold`` steps. Figure ``seconds_to_upright``: the
    time after which the angle stays within the tolerance for good; infinite if it does not at the end.
    """

    tolerance: float = 0.2
    hold: int = 50

    def __call__(self, truth: Truth, control_step: float, target: float | None) -> Outcome:
        """The outcome of ``truth["angle"] [T, N]``, rad, 0 upright, any number of turns."""
        inside = np.abs((truth["angle"] + np.pi) % (2 * np.pi) - np.pi) <= self.tolerance
        return Outcome(
            np.asarray(inside[-self.hold :].all(axis=0)), {"seconds_to_upright": settling_time(inside, control_step)}
        )


@dataclass(frozen=True)
class SteadySpeed:
    """Turn at a speed, in a direction; the target is the speed in rad/s, counter-clockwise positive.

    Success: the mean speed over the second half of the episode is within ``tolerance`` of the target, as a fraction.
    Figures over that half: ``mean_speed``, ``speed_ratio`` to the target (negative in the wrong direction), ``ripple``
    (standard deviation over time) and ``ripple_peak_to_peak``, both rad/s.
    """

    tolerance: float = 0.05

    def __call__(self, truth: Truth, control_step: float, target: float | None) -> Outcome:
        """The outcome of ``truth["velocity"] [T, N]``, rad/s."""
        if not target:
            raise ValueError(f"a steady speed needs a target other than {target}")
        speed = truth["velocity"][len(truth["velocity"]) // 2 :]
        mean = speed.mean(axis=0)
        figures = {
            "mean_speed": mean,
            "speed_ratio": mean / target,
            "ripple": speed.std(axis=0),
            "ripple_peak_to_peak": np.ptp(speed, axis=0),
        }
        return Outcome(np.abs(mean / target - 1) <= self.tolerance, figures)


@dataclass(frozen=True)
class Reached:
    """Bring a two-link arm to a pose and hold it there, without folding it onto itself; needs ``"goal"``.

    Success: both joints within ``tolerance`` (rad) of the goal through the last ``hold`` steps, the shoulder modulo a
    turn, and no self-collision in the whole episode. The suite's model lets the links pass through each other; only a
    stop at the wrist's limit keeps them apart, an elastic one that gives way by some degrees. So the wrist beyond
    ``limit`` (rad) is what counts as a collision.

    Figures: ``shoulder_error`` and ``wrist_error`` at the end, ``seconds_to_goal`` after which both stay within the
    tolerance for good, ``beyond_limit`` of the wrist at the worst, 0 if it never was. Overall: the 90th percentiles of
    the errors, the number of ``collisions``, and ``there_at_the_end``, the successes that a look at the last step alone
    would count.
    """

    tolerance: float = 0.05
    hold: int = 25
    limit: float = math.radians(160.0)

    def __call__(self, truth: Truth, control_step: float, target: float | None) -> Outcome:
        """The outcome of ``truth["angles"] [T, N, 2]``, rad, shoulder and wrist."""
        error = joint_errors(truth["angles"], truth["goal"])
        inside = np.asarray((error <= self.tolerance).all(-1))
        beyond = np.maximum(np.abs(truth["angles"][..., 1]).max(axis=0) - self.limit, 0.0)
        allowed = beyond == 0.0
        final = {"shoulder_error": error[-1, :, 0], "wrist_error": error[-1, :, 1]}
        return Outcome(
            np.asarray(inside[-self.hold :].all(axis=0) & allowed),
            {**final, "seconds_to_goal": settling_time(inside, control_step), "beyond_limit": beyond},
            {
                **{f"{name}_p90": float(np.quantile(values, 0.9)) for name, values in final.items()},
                "collisions": float((~allowed).sum()),
                "there_at_the_end": float((inside[-1] & allowed).sum()),
            },
        )


@dataclass(frozen=True)
class Passed:
    """Bring a two-link arm to a pose at any one step, as stable-worldmodel judges it; needs ``"goal"``.

    Success: both joints within ``tolerance`` (rad) of the goal at once, after one step or more. stable-worldmodel 0.1.1
    (``ReacherQPosMatchTask``) ends an episode in this case and looks after every 0.02 s; here once a control step.
    Figures: ``seconds_to_goal`` for the first time, infinite if there is none, and ``closest``, the least that the
    larger of the two errors ever was.
    """

    tolerance: float = 0.05

    def __call__(self, truth: Truth, control_step: float, target: float | None) -> Outcome:
        """The outcome of ``truth["angles"] [T, N, 2]``, rad, shoulder and wrist."""
        error = joint_errors(truth["angles"], truth["goal"]).max(-1)
        inside = error < self.tolerance
        success = inside.any(axis=0)
        seconds = np.where(success, (inside.argmax(axis=0) + 1) * control_step, np.inf)
        return Outcome(np.asarray(success), {"seconds_to_goal": seconds, "closest": error.min(axis=0)})


@dataclass(frozen=True)
class Score:
    """The environment's own reward, summed over the episode: for comparing alone, no agent sees it.

    Figure ``return``. Overall: its mean and the 95% bootstrap interval of that.
    """

    def __call__(self, truth: Truth, control_step: float, target: float | None) -> Outcome:
        """The outcome of ``truth["reward"] [T, N]``."""
        total = truth["reward"].sum(axis=0)
        interval = bootstrap_interval(total)
        # JSON knows no NaN: a single episode has no interval.
        limits = {"return_low": interval.low, "return_high": interval.high} if len(total) > 1 else {}
        return Outcome(None, {"return": total}, {"return_mean": interval.mean, **limits})


@dataclass(frozen=True)
class Spread:
    """How far apart a two-link arm ends in several episodes, where the pose to reach is not known, only its picture.

    Figures ``shoulder_spread`` and ``wrist_spread``: the distance (rad) of each final pose from the mean of all.
    """

    def __call__(self, truth: Truth, control_step: float, target: float | None) -> Outcome:
        """The outcome of ``truth["angles"] [T, N, 2]``, rad, shoulder and wrist."""
        final = truth["angles"][-1]
        # The mean of angles modulo a turn is that of their directions.
        mean = np.angle(np.exp(1j * final).mean(axis=0))
        error = joint_errors(final, mean)
        return Outcome(None, {"shoulder_spread": error[:, 0], "wrist_spread": error[:, 1]})


def joint_errors(angles: Floats, goal: Floats) -> Floats:
    """Distances ``[..., 2]`` rad of shoulder and wrist ``[..., 2]`` from a goal; the shoulder's modulo a turn."""
    error = np.abs(angles - goal)
    shoulder = np.abs((error[..., 0] + np.pi) % (2 * np.pi) - np.pi)
    return np.stack((shoulder, error[..., 1]), -1)


def settling_time(inside: NDArray[np.bool_], control_step: float) -> Floats:
    """Seconds until ``inside [T, N]`` holds for good, ``[N]``; infinite where it does not hold at the end."""
    outside_last = len(inside) - np.argmin(inside[::-1], axis=0)  # steps up to the last one outside
    settled = np.where(inside.all(axis=0), 0, outside_last)
    return np.where(inside[-1], (settled + 1) * control_step, np.inf)
