"""What an arm is to do."""

from __future__ import annotations

from typing import Any

import numpy as np

from latentrl.envs.coordinates import Coordinate
from latentrl.envs.episodes import Ahead, Draw, Episodes, Recorded
from latentrl.envs.measures.base import Measure
from latentrl.envs.measures.held import Held
from latentrl.envs.measures.passed import Passed
from latentrl.envs.measures.score import REWARD, Score
from latentrl.envs.measures.spread import Spread
from latentrl.envs.reacher.geometry import WRIST_LIMIT, Floats, finger_position, poses_at
from latentrl.envs.tasks import Task

ENV_ID = "latentrl/Reacher-v0"
SHOULDER = Coordinate("shoulder", "angle", "angles", 0)
WRIST = Coordinate("wrist", "line", "angles", 1, limits=(-float(WRIST_LIMIT), float(WRIST_LIMIT)))
"""Beyond its limit the links pass through each other: the stop there gives way, see docs/environments.md."""
POSE = (SHOULDER, WRIST)
VELOCITIES = (
    Coordinate("shoulder_velocity", "velocity", "velocities", 0, "rad/s"),
    Coordinate("wrist_velocity", "velocity", "velocities", 1, "rad/s"),
)
STATE = ("angles", "velocities")
MARGIN = 0.1
"""Radians that starts and goals keep from the wrist's limit, where an arm leans on its stop."""
NEAREST, FARTHEST = 0.05, 0.20
"""Metres from the shoulder between which the suite puts targets."""
OUT_OF_SIGHT = (9.0, 9.0)
"""Where the target goes when nobody knows where the finger is to be."""


def anywhere(rng: np.random.Generator, count: int, recorded: Recorded | None = None) -> Episodes:
    """From any pose at rest to any other: the shoulder uniform on the circle, the wrist within its limits."""
    start, goal = _poses(rng, count), _poses(rng, count)
    return Episodes({"angles": start, **target_at(goal)}, goal)


def on_target(rng: np.random.Generator, count: int, recorded: Recorded | None = None) -> Episodes:
    """From any pose at rest to one with the finger on a target, which is drawn as the control suite does.

    Of the two arm poses the one that is nearer to the start, joint angle by joint angle.
    """
    start = _poses(rng, count)
    direction, distance = rng.uniform(0.0, 2 * np.pi, count), rng.uniform(NEAREST, FARTHEST, count)
    target = distance[:, None] * np.stack((np.sin(direction), np.cos(direction)), -1)
    poses = poses_at(target)
    nearer = np.square(poses - start).sum(-1).argmin(0)
    return Episodes({"angles": start, "target": target}, poses[nearer, np.arange(count)])


def target_at(poses: Floats) -> dict[str, Floats]:
    """The reset option that puts the target where the finger is in ``poses [N, 2]``."""
    return {"target": finger_position(poses)}


def _poses(rng: np.random.Generator, count: int) -> Floats:
    wrist = WRIST_LIMIT - MARGIN
    return rng.uniform((-np.pi, -wrist), (np.pi, wrist), (count, 2))


def _task(truth: tuple[str, ...], measure: Measure, draw: Draw, **settings: Any) -> Task:
    return Task(
        env_id=ENV_ID,
        truth=(*STATE, *truth),
        measure=measure,
        goal=None,
        control_step=0.04,
        torque_limit=None,
        draw=draw,
        state=STATE,
        pose="angles",
        unknown_goal={"target": OUT_OF_SIGHT},
        measure_unknown=Spread(POSE),
        **settings,
    )


def _scored(target: str) -> Task:
    return _task(
        (REWARD,),
        Score(),
        on_target,
        # The score counts the time on the way to a target, so the motors may use their whole torque.
        torque=1.0,
        steps=500,
        seconds=20.0,
        env_kwargs={"target": target},
        description=f"dm_control's reacher {target}: the return of 20 s at a random target that is told by the picture "
        "of an arm with its finger there",
    )


TASKS: dict[str, Task] = {
    "reach": _task(
        (),
        Held(POSE, tolerance=0.05, hold=25),
        anywhere,
        # What the data is recorded with, half of what the motors give.
        torque=0.5,
        steps=150,
        episodes=100,
        description="from any pose at rest to any other: both joints within 0.05 rad through the last 25 of 150 steps, "
        "the wrist never beyond its limit",
    ),
    "reach-ahead": _task(
        (),
        Passed(POSE, tolerance=0.05),
        Ahead(25, STATE, "angles", target_at),
        torque=0.5,
        steps=50,
        held_out=True,
        description="from a held-out state to what was observed 25 steps later: both joints within 0.05 rad at any of "
        "50 steps",
    ),
    "reacher-easy": _scored("easy"),
    "reacher-hard": _scored("hard"),
}
