"""Joint angles of people in motion, frame by frame: clips of motion capture that are on this machine already.

Where they are, in turn: the set of CMU's clips that dm_control fetches on request, in dm_control's HDF5; the fifteen
clips that pybullet_data brings. The two clips in dm_control itself are for its tests: 20 frames, of which nothing is
learned.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from latentrl.recordings.splitting import split, split_in_time
from latentrl.studies.sources.base import TEST, TRAIN, Frames, Splits
from latentrl.support.errors import UserError

SHARE = 0.2
"""Of the clips of a motion, or of its one clip, that is held out."""
GAP = 5
"""Frames that are left out where a clip is cut: frames before and after are too much alike."""
SUBJECTS = {"035": "walking, jogging", "049": "balancing", "143": "punching", "074": "kicking", "086": "mixed"}
"""Of the CMU set, whose motions the source has (5.2.3.1); its clips are named CMU_SUBJECT_CLIP."""
FETCHED = (".dm_control/cmu_2020_dfe3e9e0.h5", ".dm_control/cmu_2019_08756c01.h5")
JOINTS = {
    "chest": 4,
    "neck": 4,
    "right hip": 4,
    "right knee": 1,
    "right ankle": 4,
    "right shoulder": 4,
    "right elbow": 1,
    "left hip": 4,
    "left knee": 1,
    "left ankle": 4,
    "left shoulder": 4,
    "left elbow": 1,
}
"""Of a frame of pybullet_data's clips after duration, place and turn of the root: quaternions, and single angles."""
BEFORE_JOINTS = 8


@dataclass(frozen=True)
class Clip:
    """A motion: joint angles ``[T, D]`` in rad, and what it is called."""

    motion: str
    angles: NDArray[np.float32]


def motion(seed: int) -> Splits:
    """Joint angles ``[N, D]`` in rad, and which motion each frame is of.

    Of a motion with several clips whole clips are held out, drawn by the ``seed``; of a single clip its end, or its
    beginning where the seed is odd.

    Raises:
        UserError: there are no clips on this machine.
    """
    origin, clips, parts = found_clips()
    return of_clips(clips, parts, origin, seed)


def found_clips() -> tuple[str, list[Clip], list[str]]:
    """Where clips are from, the clips, and the joint that each angle belongs to.

    Raises:
        UserError: there are none.
    """
    for name in FETCHED:
        path = Path.home() / name
        if path.is_file():
            clips = list(read_hdf5(path, SUBJECTS))
            return f"{path.name}, by dm_control", clips, [f"joint {n}" for n in range(clips[0].angles.shape[1])]
    spec = importlib.util.find_spec("pybullet_data")
    for place in () if spec is None else spec.submodule_search_locations or ():
        paths = sorted(Path(place).glob("data/motions/humanoid3d_*.txt"))
        if paths:
            clips = [read_frames(path) for path in paths]
            names = [name for name, size in JOINTS.items() for _ in range(3 if size == 4 else 1)]
            return "pybullet_data, data/motions", clips, names
    raise UserError(
        "there are no motion-capture clips here: the two in dm_control are 20 frames, for its tests. pip install "
        "pybullet brings fifteen; or let dm_control fetch CMU's (0.5 GB): python -c 'from dm_control.locomotion.mocap "
        'import cmu_mocap_data as c; c.get_path_for_cmu("2020")\'. Or give your own with --data-dir'
    )


def of_clips(clips: Sequence[Clip], parts: Sequence[str], origin: str, seed: int) -> Splits:
    """Frames of both splits; see `motion`."""
    motions = list(dict.fromkeys(clip.motion for clip in clips))
    taken: dict[str, list[tuple[int, NDArray[np.float32]]]] = {TRAIN: [], TEST: []}
    for label, name in enumerate(motions):
        for part, angles in _parted([clip.angles for clip in clips if clip.motion == name], seed):
            taken[part].append((label, angles))
    frames = {
        part: Frames(
            np.concatenate([angles for _, angles in some]).astype(np.float32),
            np.concatenate([np.full(len(angles), label, np.int64) for label, angles in some]),
        )
        for part, some in taken.items()
    }
    return Splits(frames, {"labels": motions, "parts": list(parts), "origin": origin})


def _parted(clips: Sequence[NDArray[np.float32]], seed: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
    if len(clips) > 1:
        for part, chosen in zip((TRAIN, TEST), split(len(clips), SHARE, seed), strict=True):
            yield from ((part, clips[one]) for one in chosen)
        return
    (only,) = clips if seed % 2 == 0 else (clips[0][::-1],)
    last, first = split_in_time(len(only), SHARE, GAP)
    yield TRAIN, only[:last]
    yield TEST, only[first:]


def read_hdf5(path: Path, subjects: dict[str, str]) -> Iterator[Clip]:
    """Clips of dm_control's format: of each group ``walkers/walker_0/joints [D, T]``; those of some ``subjects``.

    Raises:
        UserError: h5py is not installed, no such clips, or clips that are damaged.
    """
    try:
        import h5py
    except ImportError as error:
        raise UserError(f"{path} is HDF5: pip install 'latentrl[import]'") from error
    try:
        yield from _read_hdf5(h5py.File(path), path, subjects)
    except UserError:
        raise
    except (OSError, KeyError, ValueError) as error:
        raise UserError(f"{path} is damaged ({error}): remove it and have dm_control fetch it again") from error


def _read_hdf5(opened: Any, path: Path, subjects: dict[str, str]) -> Iterator[Clip]:
    joints: int | None = None
    with opened as file:
        names = [name for name in file if len(name.split("_")) > 1 and name.split("_")[1] in subjects]
        if not names:
            raise UserError(f"{path}: has no clips of the subjects {', '.join(subjects)}; it has {len(file)} others")
        for name in names:
            angles = np.asarray(file[name]["walkers/walker_0/joints"], np.float32)
            if angles.ndim != 2 or joints not in (None, len(angles)) or not np.isfinite(angles).all():
                raise ValueError(f"clip {name}: give finite angles [joints, frames], of as many joints in all clips")
            joints = len(angles)
            yield Clip(subjects[name.split("_")[1]], np.ascontiguousarray(angles.T))


def read_frames(path: Path) -> Clip:
    """A clip of pybullet_data: of each joint's rotation its rotation vector (axis times angle), of hinges the angle.

    Raises:
        UserError: no such frames.
    """
    try:
        frames = np.asarray(json.loads(path.read_text(encoding="utf-8"))["Frames"], np.float64)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: no clip of joint angles ({error}); install pybullet again") from error
    if frames.ndim != 2 or frames.shape[1] != BEFORE_JOINTS + sum(JOINTS.values()):
        raise UserError(f"{path}: a frame has {frames.shape[1:]} numbers, not 44; install pybullet again")
    columns, at = [], BEFORE_JOINTS
    for size in JOINTS.values():
        turned = frames[:, at : at + size]
        # SciPy has the scalar last, the file first.
        columns.append(Rotation.from_quat(np.roll(turned, -1, 1)).as_rotvec() if size == 4 else turned)
        at += size
    name = path.stem.removeprefix("humanoid3d_").replace("_", " ")
    return Clip(MOTIONS.get(name, name), np.concatenate(columns, 1).astype(np.float32))


MOTIONS = {"dance a": "dance", "dance b": "dance"}
"""Motions with more than one clip."""
