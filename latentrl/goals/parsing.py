"""What ``--goal`` means.

==================  ================================================  ==========
text                goal                                              reward
==================  ================================================  ==========
``goal.png``        the position in a picture                         Eq. 4.32
``goal.json``       the position in a list of sensor readings         Eq. 4.32
``[0.87, -0.5]``    the same, the readings themselves                 Eq. 4.32
``frame:12:3``      the position in step 3 of recorded sequence 12    Eq. 4.32
``sequence:12``     the mean velocity of recorded sequence 12         Eq. 4.33
``velocity:-0.85``  a share of the data's top speed, with a sign      Eq. 4.33
``any``             every position: for a policy that is told its     Eq. 4.32
                    goal when it acts
==================  ================================================  ==========

Recorded sequences are those of the training split, counted from 0; nothing but their observations and actions is read.
A new kind of goal is a file, and a line in `GOALS`.
"""

from __future__ import annotations

from pathlib import Path

import torch

from latentrl.goals.any_position import AnyGoal
from latentrl.goals.base import Goal, WrittenGoal
from latentrl.goals.distances import DISTANCES, EUCLID, check_distance
from latentrl.goals.picture import PictureGoal
from latentrl.goals.recorded import FrameGoal, SequenceGoal
from latentrl.goals.speed import SpeedGoal
from latentrl.models import MODELS
from latentrl.models.base import WorldModel
from latentrl.models.capabilities import SplitState
from latentrl.rewards.position import PositionReward
from latentrl.rewards.velocity import VelocityReward
from latentrl.support.errors import UserError

GOALS: dict[str, type[WrittenGoal]] = {
    "frame": FrameGoal,
    "sequence": SequenceGoal,
    "velocity": SpeedGoal,
    "any": AnyGoal,
}
"""By the keyword that their texts begin with; all other texts name a picture or readings."""


def parse_goal(text: str) -> WrittenGoal:
    """The goal that ``text`` stands for: a keyword of `GOALS`, a colon and numbers, or else a file's path or a list.

    Raises:
        UserError: the text begins like a goal of a known kind and does not go on like one.
    """
    keyword, _, rest = text.partition(":")
    if keyword not in GOALS:
        return PictureGoal.parse(text)
    try:
        return GOALS[keyword].parse(rest)
    except ValueError as error:
        known = [PictureGoal.syntax, *(kind.syntax for kind in GOALS.values())]
        raise UserError(f"--goal {text}: give {', '.join(known[:-1])} or {known[-1]}") from error


@torch.no_grad()
def goal_reward(
    goal: Goal, model: WorldModel, run: Path, data: Path | None = None, distance: str = EUCLID
) -> PositionReward | VelocityReward:
    """The reward for reaching ``goal`` in the latent space of ``model`` (Latent Matters, 4.3.2).

    Args:
        goal: from :func:`parse_goal`.
        model: the run's model.
        run: its run folder.
        data: the data folder that recorded goals are taken from; the one that the run was trained on if None.
        distance: of positions, one of `latentrl.goals.distances.DISTANCES`.

    Raises:
        UserError: a picture that does not fit, no such sequence, a model without velocity dimensions, or a distance
            that cannot be measured.
    """
    check_distance(distance)
    if goal.is_position:
        target = goal.target(model, run, data)
        return PositionReward(target, distance=DISTANCES[distance](target, model, run, data))
    if distance != EUCLID:
        raise UserError(f"--distance {distance}: is a distance of positions, but the goal is a velocity; leave it out")
    if model.position_size == model.latent_size:
        able = [name for name, entry in MODELS.items() if issubclass(entry.model, SplitState)]
        raise UserError(
            "--goal: this model's state has no velocity dimensions of its own; give a picture, or a model that was "
            f"trained with --recipe latentrl: {', '.join(able[:-1])} or {able[-1]}"
        )
    return VelocityReward(goal.target(model, run, data), model.position_size)
