"""What recordings must be like, checked before anything is written or trained.

Nothing is converted here: what does not fit is refused with a ``UserError`` that names the recording, the step, the
key, the value and what to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from latentrl.support.errors import UserError
from latentrl.types import Sequences, Trajectory

CHANNELS = (1, 3, 4)
"""Channels of a picture that is no stack of frames: grey, colours, colours with opacity."""
MOST_CHANNELS = 16
"""Channels of stacked frames; a longer axis is a side of the picture."""
SMALLEST_SIDE = 8
"""Pixels; of arrays with shorter sides nothing tells that they are pictures."""
SLACK = 1e-5
"""Share of its range by which an action may be out of bounds: what single precision rounds away."""
LARGEST = float(np.finfo(np.float32).max)
"""What single precision, in which models compute, can hold."""
STILL = (
    "all observations are the same: nothing moves that they show; look at the camera or the sensor, and at what was "
    "recorded of them"
)
BLOCK = 64
"""Sequences looked at together."""


def check_trajectory(
    trajectory: Trajectory, where: str, low: ArrayLike | None = None, high: ArrayLike | None = None
) -> None:
    """Refuse a recording that no model can be trained on.

    Args:
        trajectory: observations ``[T, ...]`` uint8 or float32, actions ``[T - 1, Du]`` float32, infos ``[T, ...]``.
        where: names the recording in messages, such as ``"ball/003.npz"`` or ``"trajectory 3"``.
        low: bounds ``[Du]`` of the actions, in their units; None: not known.
        high: as ``low``.

    Raises:
        UserError: too few steps, a dtype or a layout that is not the project's, T actions in place of T - 1, values
            that are not finite, or actions out of bounds.
    """
    if not isinstance(trajectory, Trajectory):
        raise UserError(f"{where}: is a {type(trajectory).__name__}; give a latentrl.types.Trajectory")
    observations, actions = np.asarray(trajectory.observations), np.asarray(trajectory.actions)
    check_observations(observations, f"{where}: observations")
    _check_actions(actions, len(observations), f"{where}: actions")
    if low is not None and high is not None:
        _refuse_outside(torch.from_numpy(actions)[None], low, high, f"{where}: actions")
    for key, values in trajectory.infos.items():
        if not isinstance(key, str) or not key:
            raise UserError(f"{where}: the ground truth's key is {key!r}; give a name")
        _check_truth(np.asarray(values), len(observations), f"{where}: {key}")


def check_observations(observations: NDArray[Any], where: str) -> None:
    """Refuse observations ``[T, ...]`` of one recording by shape, dtype, layout or value; see `check_trajectory`.

    Raises:
        UserError: it begins with ``where``.
    """
    shape = tuple(observations.shape)
    if observations.ndim < 2 or 0 in shape:
        cure = " (of a single number each: observations[:, None])" if observations.ndim == 1 else ""
        raise UserError(f"{where} have the shape {shape}: give [T, D] readings or [T, H, W, C] pictures{cure}")
    if len(observations) < 2:
        raise UserError(f"{where} have {len(observations)} step: a sequence needs two or more")
    _check_layout(observations, where)
    _check_dtype(observations, where)
    if observations.dtype.kind == "f":
        _refuse_not_finite(torch.from_numpy(np.ascontiguousarray(observations))[None], where)


def check_bounds(metadata: Mapping[str, Any], where: str, size: int | None = None) -> tuple[list[float], list[float]]:
    """The bounds ``action_low`` and ``action_high`` of ``metadata``, ``[Du]`` each, as JSON has them.

    Args:
        metadata: of a data folder; lists, tuples or arrays.
        where: names the folder in messages.
        size: Du, where it is known.

    Raises:
        UserError: one is missing, not a vector of finite numbers, of another size, or above the other.
    """
    if not isinstance(metadata, Mapping):
        raise UserError(
            f"{where}: the metadata are a {type(metadata).__name__}; give a dictionary with action_low, ..."
        )
    found: list[NDArray[np.float64]] = []
    for name in ("action_low", "action_high"):
        if metadata.get(name) is None:
            raise UserError(f"{where}: {name} is missing: give the bounds of the actions, a number for each dimension")
        try:
            bound = np.asarray(metadata[name], dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise UserError(f"{where}: {name} is {metadata[name]!r}: give numbers, one for each dimension") from error
        if bound.ndim != 1 or not len(bound) or not (np.abs(bound) <= LARGEST).all():
            raise UserError(
                f"{where}: {name} is {bound.tolist()}: give a list of finite numbers, one for each dimension"
            )
        found.append(bound)
    low, high = found
    if len(low) != len(high) or (size is not None and len(low) != size):
        wanted = f"the actions have {size} dimensions" if size is not None else "both need the same number"
        raise UserError(f"{where}: action_low has {len(low)} numbers and action_high {len(high)}: {wanted}")
    for at in np.flatnonzero(low > high):
        raise UserError(
            f"{where}: action_low[{at}] is {low[at]:g}, above action_high[{at}], {high[at]:g}: exchange them"
        )
    return low.tolist(), high.tolist()


def check_split(data: Sequences, where: str, low: ArrayLike | None = None, high: ArrayLike | None = None) -> None:
    """Refuse a whole split that no model can be trained on: values not finite, constant data, actions out of bounds.

    Args:
        data: observations ``[N, T, ...]``, actions ``[N, T - 1, Du]``, on any device, perhaps mapped from a file.
        where: names the split in messages, such as ``"data/robot: train"``.
        low: bounds ``[Du]`` of the actions; None: not known.
        high: as ``low``.

    Raises:
        UserError: names sequence, step, key and value.
    """
    check_finite(data, where, low, high)
    if _constant(data.observations):
        raise UserError(f"{where}: {STILL}")
    if _constant(data.actions):
        raise UserError(f"{where}: {_idle(data.actions[0, 0])}")


class Varied:
    """Whether anything changes in the trajectories of a split, found while they pass by."""

    def __init__(self) -> None:
        self._first: dict[str, NDArray[Any]] = {}
        self._changes = {"observations": False, "actions": False}

    def note(self, trajectory: Trajectory) -> None:
        """Look at one more."""
        for key, changes in self._changes.items():
            if not changes:
                values = np.asarray(getattr(trajectory, key))
                first = self._first.setdefault(key, values[:1].copy())
                self._changes[key] = bool((values != first).any())

    def check(self, where: str) -> None:
        """Refuse them if nothing changes.

        Raises:
            UserError: all observations, or all actions, are the same; it begins with ``where``.
        """
        if not self._changes["observations"]:
            raise UserError(f"{where}: {STILL}")
        if not self._changes["actions"]:
            raise UserError(f"{where}: {_idle(self._first['actions'][0])}")


def check_finite(data: Sequences, where: str, low: ArrayLike | None = None, high: ArrayLike | None = None) -> None:
    """As `check_split`, but constant data may pass: for held-out sequences, which may be few and at rest."""
    for start in range(0, len(data), BLOCK):
        some = slice(start, start + BLOCK)
        if data.observations.is_floating_point():
            _refuse_not_finite(data.observations[some], f"{where}: observations", start)
        _refuse_not_finite(data.actions[some], f"{where}: actions", start)
        if low is not None and high is not None:
            _refuse_outside(data.actions[some], low, high, f"{where}: actions", start)


def check_same_layout(shapes: Mapping[str, Any], other: Mapping[str, Any], where: str, split: str) -> None:
    """Refuse a split whose observations or actions are of another kind than those of the folder it joins.

    Args:
        shapes: of the new split: such as ``observation_shape``, ``observation_dtype`` and ``action_low``.
        other: the same of the folder; what is missing there is not compared.
        where: names the folder.
        split: the new one's name.

    Raises:
        UserError: names both values.
    """
    for name, value in shapes.items():
        if other.get(name) is not None and other[name] != value:
            raise UserError(
                f"{where}: the split {split!r} has {name.replace('_', ' ')} {value}, the folder's {other[name]}: all "
                "splits need the same; write it to another folder, or convert it"
            )


def _check_layout(observations: NDArray[Any], where: str) -> None:
    """Refuse pictures without an axis for channels, or with that axis first."""
    shape = tuple(observations.shape)
    if len(shape) == 3 and observations.dtype == np.uint8 and min(shape[1:]) >= SMALLEST_SIDE:
        raise UserError(
            f"{where} have the shape {shape}: pictures are [T, H, W, C], grey ones too; give observations[..., None]"
        )
    if len(shape) != 4:
        return
    first, height, width = shape[1:]
    stacked = first <= MOST_CHANNELS and 2 * first <= height and width > MOST_CHANNELS
    plain = first in CHANNELS and width not in CHANNELS and min(height, width) >= SMALLEST_SIDE
    if stacked or (plain and observations.dtype == np.uint8):
        raise UserError(
            f"{where} have the shape {shape}: channels seem to come first, here they come last, [T, H, W, C]; give "
            "observations.transpose(0, 2, 3, 1)"
        )


def _check_dtype(observations: NDArray[Any], where: str) -> None:
    """Refuse what is neither uint8 nor float32, and pictures in floating point."""
    kind, name = observations.dtype.kind, observations.dtype.name
    if kind not in "fiub":
        raise UserError(f"{where} have the dtype {name}: give uint8 pictures or float32 readings")
    shape = observations.shape
    picture = len(shape) == 4 and shape[-1] in CHANNELS and min(shape[1:3]) >= SMALLEST_SIDE
    least, most = (float(end) for end in (observations.min(), observations.max()))
    if kind in "f" and picture and least >= 0 and most <= 255:
        if most <= 1:
            cure = "(255 * observations).round().astype(numpy.uint8)"
        elif np.array_equal(observations[:2], np.round(observations[:2])):
            cure = "observations.astype(numpy.uint8)"
        else:
            cure = "observations.round().astype(numpy.uint8)"
        raise UserError(
            f"{where} are pictures {list(shape[1:])} of {name} from {least:g} to {most:g}: pictures are uint8 from 0 "
            f"to 255; give {cure}"
        )
    if observations.dtype in (np.uint8, np.float32):
        return
    if kind == "b":
        cure = "255 * observations.astype(numpy.uint8)" if picture else "observations.astype(numpy.float32)"
    elif picture and kind in "iu":
        cure = f"uint8 from 0 to 255; these go from {least:g} to {most:g}"
        cure += ": observations.astype(numpy.uint8)" if 0 <= least and most <= 255 else ""
    else:
        cure = "observations.astype(numpy.float32)"
    raise UserError(f"{where} have the dtype {name}: give uint8 pictures or float32 readings, here {cure}")


def _check_actions(actions: NDArray[Any], length: int, where: str) -> None:
    """Refuse actions that are not ``[length - 1, Du]`` float32 and finite."""
    if actions.ndim != 2 or 0 in actions.shape:
        cure = "; give actions[:, None]" if actions.ndim == 1 and actions.size else ""
        raise UserError(f"{where} have the shape {tuple(actions.shape)}, not [T - 1, Du]{cure}")
    if actions.dtype != np.float32:
        raise UserError(f"{where} have the dtype {actions.dtype.name}, not float32: give actions.astype(numpy.float32)")
    if len(actions) == length:
        raise UserError(
            f"{where} are as many as the observations, {length}: an action acts between two of them; leave out the "
            "last, actions[:-1], or, where each was stored with the observation that it led to, the first, actions[1:]"
        )
    if len(actions) != length - 1:
        raise UserError(f"{where} are {len(actions)} for {length} observations: give {length - 1}, one between two")
    _refuse_not_finite(torch.from_numpy(np.ascontiguousarray(actions))[None], where)


def _check_truth(values: NDArray[Any], length: int, where: str) -> None:
    if values.dtype.kind not in "fiub":
        raise UserError(f"{where} has the dtype {values.dtype.name}: ground truth is numbers; leave the key out")
    if values.ndim < 1 or len(values) != length:
        raise UserError(f"{where} has the shape {tuple(values.shape)}: give one for each of the {length} observations")


def _refuse_not_finite(values: Tensor, where: str, first: int | None = None) -> None:
    """Refuse NaN and infinity in ``values [N, T, ...]``; ``first`` numbers the first sequence, if they count."""
    if bool(torch.isfinite(values).all()):
        return
    at = torch.nonzero(~torch.isfinite(values))[0].tolist()
    raise UserError(
        f"{_place(where, at, first)} is {float(values[tuple(at)])}: every number must be finite; cut the recording "
        "there, or fill the gap before it is stored"
    )


def _refuse_outside(actions: Tensor, low: ArrayLike, high: ArrayLike, where: str, first: int | None = None) -> None:
    """Refuse ``actions [N, T - 1, Du]`` that are beyond their bounds ``[Du]`` by more than rounding."""
    bounds = [torch.as_tensor(np.asarray(bound, np.float32), device=actions.device) for bound in (low, high)]
    if any(bound.shape != actions.shape[-1:] for bound in bounds):
        raise UserError(
            f"{where} have {actions.shape[-1]} dimensions, their bounds {len(bounds[0])} and {len(bounds[1])}"
        )
    slack = SLACK * torch.maximum(bounds[1] - bounds[0], torch.maximum(bounds[0].abs(), bounds[1].abs()))
    outside = (actions < bounds[0] - slack) | (actions > bounds[1] + slack)
    if not bool(outside.any()):
        return
    at = torch.nonzero(outside)[0].tolist()
    limits = [float(bound[at[-1]]) for bound in bounds]
    raise UserError(
        f"{_place(where, at, first)} is {float(actions[tuple(at)]):g}, out of the bounds {limits[0]:g} to "
        f"{limits[1]:g}: state the bounds that were used (action_low, action_high), or clip what was recorded to what "
        "was applied"
    )


def _place(where: str, at: list[int], first: int | None) -> str:
    """``where``, the sequence if they count, the step and the entry of the index ``at`` ``[N, T, ...]``."""
    sequence, step, *rest = at
    numbered = "" if first is None else f" of sequence {first + sequence}"
    return f"{where}{numbered}, step {step}, entry {rest[0] if len(rest) == 1 else rest}"


def _idle(action: Any) -> str:
    value = [round(float(number), 4) for number in action]
    return (
        f"all actions are the same, {value}: what an action does cannot be learned from one; record with random actions"
    )


def _constant(values: Tensor) -> bool:
    """Whether all of ``values [N, T, ...]`` are those of the first step."""
    return all(bool((values[n : n + BLOCK] == values[0, 0]).all()) for n in range(0, len(values), BLOCK))
