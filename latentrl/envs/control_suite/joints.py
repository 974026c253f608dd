"""What a MuJoCo model says of its own joints: their coordinates, and states that are given by their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentrl.envs.coordinates import Coordinate
from latentrl.envs.mujoco_engine import mujoco

QPOS, QVEL = "qpos", "qvel"
AXES = ("x", "y", "z")
FREE, BALL, SLIDE, HINGE = (
    int(mujoco.mjtJoint.mjJNT_FREE),
    int(mujoco.mjtJoint.mjJNT_BALL),
    int(mujoco.mjtJoint.mjJNT_SLIDE),
    int(mujoco.mjtJoint.mjJNT_HINGE),
)
SIZES = {FREE: (7, 6), BALL: (4, 3), SLIDE: (1, 1), HINGE: (1, 1)}
"""Numbers of a joint in the position and in the velocity."""
MOST = float(mujoco.mjMAXVAL)
"""What is larger MuJoCo counts as a simulation that went astray."""


def names_of(model: mujoco.MjModel) -> list[str]:
    """The joints' names, in order; those without one are numbered."""
    names = (mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_JOINT, number) for number in range(model.njnt))
    return [name or f"joint{number}" for number, name in enumerate(names)]


def coordinates_of_joints(model: mujoco.MjModel) -> tuple[Coordinate, ...]:
    """The numbers of position ``qpos`` and velocity ``qvel`` that are coordinates by themselves.

    A hinge is an angle, or a line where it has limits; a slide is a line. Of a body that moves freely the place is
    known; its orientation, and that of a ball joint, is a quaternion, whose numbers are no coordinates.
    """
    positions: list[Coordinate] = []
    velocities: list[Coordinate] = []
    for number, name in enumerate(names_of(model)):
        kind, at, moves = int(model.jnt_type[number]), int(model.jnt_qposadr[number]), int(model.jnt_dofadr[number])
        if kind == FREE:
            for axis, letter in enumerate(AXES):
                positions.append(Coordinate(f"{name}_{letter}", "line", QPOS, at + axis, "m"))
                velocities.append(Coordinate(f"{name}_{letter}_velocity", "velocity", QVEL, moves + axis, "m/s"))
        elif kind in (SLIDE, HINGE):
            unit = "m" if kind == SLIDE else "rad"
            low, high = map(float, model.jnt_range[number])
            limits = (low, high) if model.jnt_limited[number] and low < high else None
            form = "angle" if kind == HINGE and limits is None else "line"
            positions.append(Coordinate(name, form, QPOS, at, unit, limits))  # type: ignore[arg-type]
            velocities.append(Coordinate(f"{name}_velocity", "velocity", QVEL, moves, f"{unit}/s"))
    return (*positions, *velocities)


def with_values(
    model: mujoco.MjModel, key: str, now: NDArray[np.float64], given: Any, random: np.random.Generator
) -> NDArray[np.float64]:
    """A position or velocity with values that someone asks for.

    Args:
        model: whose joints they are.
        key: "qpos" or "qvel".
        now: all of it ``[D]``; what is not asked for stays.
        given: all D numbers, or a dictionary from joints' names to their numbers; of a hinge or slide two numbers are
            a range, from which one is drawn.
        random: draws it.

    Returns:
        A new array ``[D]``.

    Raises:
        ValueError: no such joint, another number of numbers, one that is not finite or beyond what MuJoCo takes, or a
            range the wrong way round.
    """
    if not isinstance(given, Mapping):
        return _numbers(f"reset option {key!r}", given, len(now))
    names, which = names_of(model), 0 if key == QPOS else 1
    addresses = model.jnt_qposadr if key == QPOS else model.jnt_dofadr
    values = np.array(now, np.float64)
    for name, value in given.items():
        if name not in names:
            raise ValueError(f"reset option {key!r}: there is no joint {name!r}, but {', '.join(names)}")
        number = names.index(name)
        size = SIZES[int(model.jnt_type[number])][which]
        at = int(addresses[number])
        values[at : at + size] = _one_joint(f"reset option {key!r}: {name!r}", value, size, random)
    return values


def _one_joint(what: str, given: Any, size: int, random: np.random.Generator) -> NDArray[np.float64]:
    if size != 1 or np.shape(given) != (2,):
        return _numbers(what, given, size, " or a range [LOW, HIGH]" if size == 1 else "")
    low, high = _numbers(what, given, 2)
    if low > high:
        raise ValueError(f"{what} is {given!r}: give the lower end of a range first")
    return random.uniform(low, high, 1)


def _numbers(what: str, given: Any, size: int, instead: str = "") -> NDArray[np.float64]:
    try:
        values = np.atleast_1d(np.asarray(given, np.float64))
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.shape != (size,) or not np.isfinite(values).all():
        raise ValueError(f"{what} is {given!r}: give {size} finite number{'s' if size > 1 else ''}{instead}")
    if not (np.abs(values) <= MOST).all():
        raise ValueError(f"{what} is {given!r}: MuJoCo takes numbers from {-MOST:g} to {MOST:g}")
    return values
