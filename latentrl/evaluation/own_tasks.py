"""Tasks of a run whose environment has none in this package: those that are declared, and one that is made up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from latentrl.envs.coordinates import Coordinate, positions
from latentrl.envs.declaration import measure_of
from latentrl.envs.measures import (
    ENCODED,
    OBSERVED,
    REWARD,
    SPEEDS,
    Approach,
    LatentSpeed,
    Measure,
    Remaining,
    Score,
    Together,
)
from latentrl.envs.measures.base import Truth
from latentrl.envs.measures.steady_speed import SteadySpeed
from latentrl.envs.tasks import Task
from latentrl.evaluation.surroundings import Surroundings

REACH = "reach"
"""The task that is made up for a run without any."""
EPISODES = 20
LONGEST = 250
"""Steps of an episode unless something else is said: those of the environment, but not more than a person waits for."""


def made_up(surroundings: Surroundings) -> Task:
    """To reach whatever goal is given, judged by the environment's return and by nearness to the goal's observation."""
    return Task(
        env_id=str(surroundings.recorded["env_id"]),
        truth=(REWARD,),
        measure=Score(),
        goal=None,
        torque=None,
        steps=min(surroundings.longest or LONGEST, LONGEST),
        episodes=EPISODES,
        control_step=surroundings.control_step,
        torque_limit=None,
        near=True,
        recorded=surroundings.recorded,
        env_kwargs=dict(surroundings.recorded.get("env_kwargs") or {}),
        film=surroundings.films,
        description="to the goal, from where the environment begins",
    )


def declared(
    entry: Mapping[str, Any], coordinates: Sequence[Coordinate], surroundings: Surroundings, where: str
) -> Task:
    """A task from a checked declaration; what it leaves open is as of :func:`made_up`.

    Args:
        entry: of `latentrl.envs.declaration.checked_tasks`.
        coordinates: of the ground truth.
        surroundings: where it takes place.
        where: it is declared, for messages.
    """
    base, measure = made_up(surroundings), measure_of(entry, coordinates, where)
    pose = entry.get("pose")
    speed = measure.velocity if isinstance(measure, SteadySpeed) else None
    used = [one for one in coordinates if measure is not None and _speaks_of(measure, one)]
    return replace(
        base,
        truth=tuple(dict.fromkeys((*(one.key for one in used), REWARD))),
        measure=measure or Score(),
        goal=entry.get("goal"),
        torque=entry.get("action_limit"),
        steps=entry.get("steps", base.steps),
        episodes=entry.get("episodes", base.episodes),
        reset_options=dict(entry.get("reset_options", {})),
        description=entry.get("description", "to the goal"),
        true_pose=None if pose is None else tuple(float(value) for value in pose.values()),
        goal_options=entry.get("goal_options"),
        target=entry.get("target"),
        target_of=speed,
    )


def posed(task: Task, coordinates: Sequence[Coordinate], truth: Truth) -> Task | None:
    """A task whose goal's ground truth is known: its own measure of a pose with that one, or the distance that is left.

    None where the truth tells nothing that is described, or too little for the task's measure.

    Args:
        task: one that is to be judged by nearness.
        coordinates: of the ground truth.
        truth: at the goal, each entry a number or ``[D]``; coordinates whose entries are missing are left out.
    """
    own = getattr(task.measure, "coordinates", ()) if task.true_pose is not None else ()
    known = tuple(one for one in own or positions(coordinates) if one.key in truth)
    if not known or len(known) < len(own):
        return None
    return replace(
        task,
        truth=tuple(dict.fromkeys((*task.truth, *(one.key for one in known)))),
        measure=task.measure if own else Remaining(known),
        true_pose=tuple(float(one.values(truth)) for one in known),
    )


def judged(task: Task, is_position: bool, own_goal: bool, in_top_speeds: bool, in_deviations: bool = False) -> Task:
    """A task with everything measured that can be: its own measure, the return, and nearness as a model sees it.

    Args:
        task: one that is to be judged by nearness; others stay as they are.
        is_position: what the goal is; else it is a velocity.
        own_goal: whether its measure is meant for the goal: the task's own, or one whose pose is known.
        in_top_speeds: whether the model's velocities are known as shares of the data's top speed.
        in_deviations: whether readings differ in units of their deviation.
    """
    if not task.near:
        return task
    near: Measure
    seen: tuple[str, ...]
    if is_position:
        # Pictures are compared in [0, 1], sensors in whatever unit all of them have.
        pictures = task.recorded.get("pixels") is not None or len(task.recorded.get("observation_shape") or ()) == 3
        unit = "of full scale" if pictures else "deviations" if in_deviations else "sensor units"
        near, seen = Approach(unit), (OBSERVED, ENCODED)
    else:
        near, seen = LatentSpeed("of the top speed" if in_top_speeds else "latent"), (SPEEDS,)
    own = () if isinstance(task.measure, Score | Approach | LatentSpeed) or not own_goal else (task.measure,)
    kept = task.truth if own else (REWARD,)
    return replace(
        task,
        truth=(*kept, *seen),
        measure=Together((*own, Score(), near)),
        true_pose=task.true_pose if own else None,
        target_of=task.target_of if own else None,
        target=task.target if own else None,
    )


def _speaks_of(measure: Measure, coordinate: Coordinate) -> bool:
    """Whether a measure's fields name the coordinate."""
    values = vars(measure).values()
    return any(coordinate == one or (isinstance(one, tuple) and coordinate in one) for one in values)
