"""Frames and actions side by side: which action lies between which frames, and every n-th frame alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from latentrl.support.errors import UserError

End = Literal["last", "first"]
Held = Literal["mean", "last"]


def aligned(actions: NDArray[Any], frames: int, surplus: End, where: str) -> NDArray[Any]:
    """The ``frames - 1`` actions that lie between ``frames`` frames.

    Args:
        actions: ``[frames - 1, Du]``, or ``[frames, Du]``, of which one lies between no two frames.
        frames: how many there are.
        surplus: which one that is: the last, where an action is stored with the frame that it was chosen in, or the
            first, where it is stored with the frame that it led to.
        where: names the recording.

    Raises:
        UserError: another number of actions.
    """
    check_counts(frames, len(actions), where)
    if len(actions) == frames:
        return actions[:-1] if surplus == "last" else actions[1:]
    return actions


def check_counts(frames: int, actions: int, where: str) -> None:
    """Refuse numbers of frames and actions that do not fit together.

    Raises:
        UserError: there are not as many actions as frames, or one less.
    """
    if actions not in (frames - 1, frames):
        raise UserError(
            f"{where}: has {frames} frames and {actions} actions; give one between each two frames, {frames - 1}, "
            f"or one with each, {frames}"
        )


def kept_frames(frames: int, every: int) -> int:
    """How many of ``frames`` frames are left if every ``every``-th is kept, the first one first."""
    return (frames - 1) // every + 1 if frames else 0


def thinned_actions(actions: NDArray[Any], every: int, held: Held) -> NDArray[Any]:
    """One action ``[K - 1, Du]`` between each two of the frames that are left.

    Args:
        actions: ``[T - 1, Du]`` between all frames.
        every: the distance of the frames that are left.
        held: the mean of what was done between two of them, which moves a mass or a velocity as far; or the last, where
            actions are places to go to.
    """
    if every == 1:
        return actions
    steps = len(actions) // every
    grouped = actions[: steps * every].reshape(steps, every, *actions.shape[1:])
    return grouped.mean(1) if held == "mean" else grouped[:, -1]


def thinned(blocks: Iterator[NDArray[Any]], every: int) -> Iterator[NDArray[Any]]:
    """Every ``every``-th step of ``blocks [n, ...]``, from the first on."""
    step = 0
    for block in blocks:
        yield block[-step % every :: every]
        step += len(block)


def windows(blocks: Iterator[NDArray[Any]], length: int, stride: int) -> Iterator[tuple[int, NDArray[Any]]]:
    """Runs of ``length`` steps, each ``stride`` after the last, with the number of their first step.

    No more than a block and a window is held at a time; what is left at the end is too short and left out.
    """
    held: NDArray[Any] | None = None
    first = start = 0
    for block in blocks:
        held = block if held is None else np.concatenate((held, block))
        while first + len(held) >= start + length:
            yield start, held[start - first : start - first + length].copy()
            start += stride
        gone = min(start - first, len(held))
        held, first = held[gone:], first + gone


def count_windows(steps: int, length: int, stride: int) -> int:
    """How many :func:`windows` there are in so many steps."""
    return 0 if steps < length else (steps - length) // stride + 1


def covered(steps: int, length: int, stride: int) -> int:
    """How many of so many steps are in one of the :func:`windows` or more."""
    count = count_windows(steps, length, stride)
    return count * length if stride >= length else max(count - 1, 0) * stride + (length if count else 0)
