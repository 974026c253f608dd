"""Actions: how much of their range they use, how long they are held, and whether they stand beside the right frames."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from latentrl.inspection.frames import Frames
from latentrl.inspection.local import LAGS, left_of, local_steps

CLEAR = 0.02
"""Share of what is left of a displacement that an action has to explain, to be one that acts."""
MUCH = 0.25
"""Of what the action at the strongest lag explains: less is the linear fit's fault."""
CHANCES = 3.0
"""How many times as much as by chance."""
USED = 0.3
"""Share of the range between the bounds that random actions should reach."""


@dataclass(frozen=True)
class Actions:
    """What actions are like; lists have one entry for each dimension.

    Attributes:
        low: smallest.
        high: largest.
        used: share of the range between the bounds that lies between the 1st and the 99th percentile; None: bounds that
            are not known.
        held: share of the steps in which an action is that of the step before.
        correlation: of an action with the one before.
        lags: share of what place and last displacement leave of the next that the action at each lag explains alone, of
            -2 to 2; empty where there are too few frames. An action acts at lag 0, and where it pushes, at -1 too.
        chance: the largest such share of actions that belong to other sequences.
    """

    low: list[float]
    high: list[float]
    used: list[float] | None
    held: float
    correlation: list[float]
    lags: dict[int, float]
    chance: float

    @property
    def shift(self) -> int | None:
        """The latest lag at which an action acts: 0 where all is well. None: that cannot be told."""
        most = max(self.lags.values(), default=0.0)
        if most < max(CLEAR, CHANCES * self.chance):
            return None
        latest = max(lag for lag, share in self.lags.items() if share >= max(MUCH * most, 2 * self.chance))
        # A push acts at 0 and -1 alike: a delay only where it surely does not at 0.
        later = [share for lag, share in self.lags.items() if latest < lag <= 0]
        return None if any(share + 2 * self.chance >= MUCH * most for share in later) else latest


def measure_actions(
    frames: Frames, actions: Tensor, positions: int, bounds: tuple[Tensor, Tensor] | None = None
) -> Actions:
    """What ``actions [N, T - 1, Du]`` are like, and what those of ``frames`` do.

    Args:
        frames: what the actions move.
        actions: of all sequences.
        positions: dimensions that single frames lie on.
        bounds: lowest and highest action ``[Du]``.
    """
    flat = actions.flatten(0, 1)
    some = flat[:: max(1, len(flat) // 100_000)].float()
    ends = torch.quantile(some, torch.tensor([0.01, 0.99]), 0)
    used = None
    if bounds is not None:
        low, high = (bound.float() for bound in bounds)
        used = [round(float(one), 4) for one in (ends[1] - ends[0]) / (high - low).clamp(min=1e-12)]
    before, after = actions[:, :-1], actions[:, 1:]
    held = float((before == after).all(2).float().mean()) if actions.shape[1] > 1 else 0.0
    correlation = _correlation(before, after) if actions.shape[1] > 1 else [0.0] * actions.shape[2]
    return Actions(
        low=some.amin(0).tolist(),
        high=some.amax(0).tolist(),
        used=used,
        held=held,
        correlation=correlation,
        lags=explaining_lags(frames, positions),
        chance=max((s for roll in OTHERS for s in explaining_lags(frames, positions, roll).values()), default=0.0),
    )


OTHERS = (1, 2)
"""How far actions are moved to other sequences, to see what chance explains."""


def explaining_lags(frames: Frames, positions: int, roll: int = 0) -> dict[int, float]:
    """What the action at each lag explains alone, beyond place, last displacement and the actions at all other lags.

    Of held actions, which tell each other, this is the part that no other lag can claim. ``roll`` is that of
    :func:`~latentrl.inspection.local.local_steps`.
    """
    steps = local_steps(frames, positions, lags=True, roll=roll)
    if steps is None or frames.sequences.length < 2 * LAGS + 3:
        return {}
    state = torch.cat((steps.place, steps.last), -1)

    def left(lags: list[int]) -> float:
        given = torch.cat((state, *(steps.action(lag) for lag in lags)), -1)
        return float(left_of(steps.next, given).diagonal(dim1=1, dim2=2).sum(1).median())

    every = list(range(-LAGS, LAGS + 1))
    none, all_of_them = left([]), left(every)
    return {lag: max(0.0, left([n for n in every if n != lag]) - all_of_them) / max(none, 1e-30) for lag in every}


def advice_on_actions(actions: Actions) -> list[str]:
    """What to change of the actions, in words; nothing where nothing is amiss."""
    found = []
    for at, used in enumerate(actions.used or ()):
        if used < USED:
            found.append(
                f"action {at} uses {used:.0%} of its range, {actions.low[at]:.3g} to {actions.high[at]:.3g}: what "
                "larger ones do the model cannot know"
            )
    if actions.shift is None and actions.lags:
        found.append(
            "whether actions stand beside the right frames cannot be told: what they do is too small beside speed and "
            "noise, or they are not those of these frames"
        )
    elif actions.shift is not None and actions.shift > 0:
        found.append(
            f"actions seem to be stored {actions.shift} step{'s' * (actions.shift > 1)} late: a frame is explained by "
            f"the action stored after it; leave out the first {actions.shift} of them and the last frames"
        )
    elif actions.shift is not None and actions.shift < 0:
        found.append(
            f"actions act {-actions.shift} step{'s' * (actions.shift < -1)} after the one that they are stored with: a "
            "delay of the robot's, or actions that are stored early; if so, leave out the first frames"
        )
    return found


def _correlation(before: Tensor, after: Tensor) -> list[float]:
    """Of each dimension of ``[N, T, Du]`` with the other's."""
    left, right = (one.flatten(0, 1).double() for one in (before, after))
    left, right = left - left.mean(0), right - right.mean(0)
    scale = (left.square().mean(0) * right.square().mean(0)).sqrt().clamp(min=1e-12)
    return [round(float(one), 4) for one in (left * right).mean(0) / scale]
