"""Recordings become the sequences and the metadata of a data folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentrl.data_collection.checks import check_trajectory
from latentrl.envs.declaration import Declaration
from latentrl.recordings.gaps import told_of_all
from latentrl.recordings.observing import Seen
from latentrl.recordings.plan import Plan, actions_of
from latentrl.recordings.recording import Recording
from latentrl.recordings.span import place_of
from latentrl.recordings.timing import count_windows, kept_frames, thinned, windows
from latentrl.support.errors import UserError
from latentrl.types import Trajectory


def trajectories(plan: Plan, recordings: Sequence[Recording], told: Callable[[int], object]) -> Iterator[Trajectory]:
    """The sequences of ``recordings``, one recording after the other and a few frames of it in memory.

    Args:
        plan: how they are made.
        recordings: of one split.
        told: called with the number of frames that a recording has given.

    Raises:
        UserError: something in them that no model can be trained on; names recording, step and key.
    """
    with told_of_all(plan.source.recordings, plan.frames, plan.read):
        yield from _trajectories(plan, recordings, told)


def _trajectories(plan: Plan, recordings: Sequence[Recording], told: Callable[[int], object]) -> Iterator[Trajectory]:
    every, length = plan.options.every, plan.length
    for recording in recordings:
        frames = plan.held[recording.name]
        actions = actions_of(plan.options, recording, plan.chosen.actions, frames)
        truth = {name: whole(recording, part.key, part.entries)[::every] for name, part in plan.chosen.truth.items()}
        counted = _Counted(plan.observing.blocks(recording))
        for start, seen in windows(thinned(iter(counted), every), length, plan.stride):
            infos = {name: values[start : start + length] for name, values in truth.items()}
            found = Trajectory(seen, actions[start : start + length - 1], infos)
            name, first = place_of(recording)
            check_trajectory(found, f"{name}, from frame {first + start * every}", plan.action_low, plan.action_high)
            yield found
        if counted.frames != frames:
            raise UserError(
                f"{recording.name}: its header announces {frames} frames, {counted.frames} came; write it again"
            )
        told(frames)


def whole(recording: Recording, key: str, entries: tuple[int, ...] | None) -> NDArray[Any]:
    """All steps ``[T, ...]`` of a key, as recorded, or some of its numbers ``[T, n]``."""
    found = np.concatenate(list(recording.blocks(key)))
    return found if entries is None else found.reshape(len(found), -1)[:, entries]


def metadata(plan: Plan, goal: str | None, declared: Declaration) -> dict[str, Any]:
    """What is stored with the data.

    Args:
        plan: how it was made.
        goal: the name of the goal's file beside the data.
        declared: coordinates and tasks, if there are any.
    """
    options, seen = plan.options, plan.observing
    known: dict[str, Any] = {
        "env_id": None,
        "env_kwargs": {},
        "pixels": None,
        "grey": isinstance(seen, Seen) and seen.shape[2] == 1,
        "action_low": plan.action_low,
        "action_high": plan.action_high,
        **declared.as_json(),
    }
    if isinstance(seen, Seen):
        height, width, _ = seen.shape
        known["pixels"] = height if height == width else [height, width]
        if seen.pictures.crop is not None:
            part = seen.pictures.crop
            known["crop"] = [part.top, part.left, part.height, part.width]
    if options.every > 1:
        known["repeat"] = options.every
    if plan.control_step is not None:
        known["control_step"] = plan.control_step
    if goal is not None:
        known["goal"] = goal
    known["origin"] = {
        "format": plan.form,
        "source": options.source,
        "observation": [str(part) for part in plan.chosen.observation],
        "actions": [str(part) for part in plan.chosen.actions],
        "truth": {name: str(part) for name, part in plan.chosen.truth.items()},
        "length": plan.length,
        "stride": plan.stride,
        "every": options.every,
        "every_actions": options.every_actions,
        "surplus_action": options.surplus_action,
        "gaps": options.gaps,
        "test_share": options.test_share,
        "seed": options.seed,
    }
    return known


def places(plan: Plan) -> dict[str, list[tuple[str, int]]]:
    """Where every sequence of a split is from, in their order: the recording, and its first frame there."""
    every = plan.options.every
    found: dict[str, list[tuple[str, int]]] = {}
    for split, recordings in plan.splits.items():
        found[split] = []
        for one in recordings:
            count = count_windows(kept_frames(plan.held[one.name], every), plan.length, plan.stride)
            name, first = place_of(one)
            found[split] += [(name, first + number * plan.stride * every) for number in range(count)]
    return found


class _Counted:
    """Blocks that are passed on, and how many steps they had."""

    def __init__(self, blocks: Iterator[NDArray[Any]]) -> None:
        self._blocks, self.frames = blocks, 0

    def __iter__(self) -> Iterator[NDArray[Any]]:
        for block in self._blocks:
            self.frames += len(block)
            yield block
