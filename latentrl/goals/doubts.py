"""Whether a goal looks like anything that the model was trained on: a photo from another place or in another light does
not, and a model reads a wrong position off it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from latentrl.goals.base import Goal
from latentrl.models.base import WorldModel
from latentrl.models.capabilities import FrameDecoder, FrameEncoder
from latentrl.models.over_data import redraw_errors
from latentrl.runs.folder import load_settings
from latentrl.runs.reach import kept_reach
from latentrl.runs.warned import figure
from latentrl.types import is_image_shape

REDRAWN = "redrawn_worst"
"""Among a run's figures: see :func:`latentrl.metrics.held_out.held_out_figures`."""
DOUBTS = "doubts"
"""Among the figures of an evaluation: what was said of its goal, by :func:`doubts`, and of its environment."""
NEAR = 0.1
"""Of what a reading reaches over in the data, that a goal's may lie beyond."""
TOLD = 3
"""Readings that are named, of those that lie beyond the data."""
UNLIKE = 2.0
"""Times the worst of held-out frames: above it a goal is like none of them."""


def doubts(
    goal: Goal, model: WorldModel, run: Path, data: Path | None = None, settings: Mapping[str, Any] | None = None
) -> list[str]:
    """What is to be said of a goal that is unlike all that was seen; nothing of others, and where it cannot be told.

    Readings are to lie within what the data's reach. Else the goal is drawn from where a model of single frames encodes
    it: what is as the data has it is redrawn about as well as they are.

    Args:
        goal: one position, in a picture or in readings; of others nothing is said.
        model: the run's model.
        run: its run folder, whose figures say how well held-out frames are redrawn.
        data: the data folder that recorded goals are taken from; the one that the run was trained on if None.
        settings: the run's; read if None.

    Raises:
        UserError: as of :meth:`latentrl.goals.base.Goal.observation`.
    """
    if not (goal.is_position and goal.is_single):
        return []
    seen = goal.observation(model, run, data)
    return (
        [] if seen is None else doubts_of(torch.from_numpy(seen).unsqueeze(0), model, run, f"--goal {goal}", settings)
    )


def doubts_of(
    observations: Tensor, model: WorldModel, run: Path, name: str, settings: Mapping[str, Any] | None = None
) -> list[str]:
    """:func:`doubts` of raw ``observations [N, *shape]``, which are called ``name``."""
    pictures = is_image_shape(model.spec.observation_shape)
    reach = None if pictures else kept_reach(load_settings(run) if settings is None else settings)
    far = [] if reach is None else reach.with_room(NEAR).outside(observations.numpy())
    if far:
        return [f"{name}: is beyond all that the model was trained on: {listed(far)}"]
    usual = figure(run, REDRAWN)
    if usual is None or not (isinstance(model, FrameEncoder) and isinstance(model, FrameDecoder)):
        return []
    error = float(redraw_errors(model, observations).max())
    if error <= UNLIKE * usual:
        return []
    what, cures = (
        ("pictures", "is it from the same camera at the same place, as large, and in the same light?")
        if pictures
        else ("readings", "is it in the units of the data, in their order, and within what they reach?")
    )
    return [
        f"{name}: is unlike all that the model was trained on: drawn from where the model takes it to be, it is off by "
        f"{error:.2g} (root mean square), held-out {what} by {usual:.2g} at most; {cures}"
    ]


def listed(far: Sequence[str]) -> str:
    """The first of what :meth:`latentrl.runs.reach.Limits.outside` says, and what to look at."""
    more = f" (and {len(far) - TOLD} more readings)" if len(far) > TOLD else ""
    return f"{'; '.join(far[:TOLD])}{more}, counted from 0; is it in the units of the data, and in their order?"
