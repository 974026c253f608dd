"""A run as evaluation meets it: its settings, its model, and the data that it was trained on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentrl.data_collection.ground_truth import check_recorded
from latentrl.data_collection.storage import METADATA, load_ground_truth, load_metadata, load_sequences
from latentrl.envs import TASKS, coordinates_of, tasks_in
from latentrl.envs.coordinates import Coordinate
from latentrl.envs.declaration import Declaration, checked_tasks, read_declaration
from latentrl.envs.episodes import Recorded
from latentrl.envs.tasks import Task
from latentrl.evaluation.own_tasks import REACH, declared, made_up
from latentrl.evaluation.surroundings import Surroundings, look_at, recorded_with
from latentrl.goals.base import Goal
from latentrl.goals.parsing import parse_goal
from latentrl.goals.picture import PictureGoal
from latentrl.goals.recorded import FrameGoal
from latentrl.models.base import WorldModel
from latentrl.runs.folder import SETTINGS, goal_beside, load_model, load_settings
from latentrl.runs.schema import require
from latentrl.support.errors import UserError


@dataclass(frozen=True)
class Run:
    """A run folder and its data; whatever is read is read once, and nothing that no trial asks for.

    Attributes:
        folder: the run folder.
        settings: its ``settings.json``.
        data: the data folder, which need not be there.
        recorded: what the run says of its data, with what the user says of the environment in its place.
        described: coordinates and tasks that the user declares; None: as they came with the data.
        goals: the folder that holds the goal, where that is not the data folder.
    """

    folder: Path
    settings: Mapping[str, Any]
    data: Path
    recorded: Mapping[str, Any] = field(default_factory=dict)
    described: Declaration | None = None
    goals: Path | None = None

    @classmethod
    def open(
        cls,
        folder: Path,
        data: Path | None = None,
        env: str | None = None,
        repeat: int | None = None,
        describe: Path | None = None,
    ) -> Run:
        """The run in ``folder``.

        Args:
            folder: the run folder.
            data: its data folder, if that is no longer where the training found it.
            env: an alias or a Gymnasium id of the environment to act in; the data's own if None.
            repeat: environment steps that each action is held for; as recorded if None.
            describe: a file that declares coordinates and tasks, see `latentrl.envs.declaration`.

        Raises:
            UserError: ``folder`` is no run folder; a bad number or declaration.
        """
        settings = load_settings(folder)
        require(settings, folder / SETTINGS, "model", "data", "options.data")
        recorded = recorded_with(settings["data"], env, repeat)
        described = None if describe is None else read_declaration(describe, coordinates_of(recorded))
        place = data or Path(settings["options"]["data"])
        # Data that is named brings its own goal.
        sent_on = data is None and goal_beside(folder) is not None
        return cls(folder, settings, place, recorded, described, folder if sent_on else None)

    @property
    def env_id(self) -> str:
        """The Gymnasium id of the environment to act in; empty where the data is from elsewhere and none was named."""
        return str(self.recorded.get("env_id") or "")

    @property
    def action_size(self) -> int:
        """Du."""
        return int(self.settings["model"]["spec"]["action_size"])

    @property
    def counts_in_deviations(self) -> bool:
        """Whether the model counts every reading by its own deviation."""
        return bool(self.settings["model"].get("settings", {}).get("each_reading", False))

    @cached_property
    def surroundings(self) -> Surroundings:
        """The environment to act in, which is made once to be asked.

        Raises:
            UserError: there is none, it cannot be made, or it does not fit the model.
        """
        recordings = not self.settings["data"].get("env_id")
        return look_at(self.recorded, self.settings["model"]["spec"], recordings, bool(self._own_coordinates))

    @cached_property
    def coordinates(self) -> tuple[Coordinate, ...]:
        """Of the ground truth: as the user describes them, as they came with the data, or as the environment says."""
        if self.described is not None and self.described.coordinates:
            return self.described.coordinates
        return coordinates_of(self.recorded) or self.surroundings.declared.coordinates

    @cached_property
    def tasks(self) -> Mapping[str, Task]:
        """What can be done in the environment, by name, the default first.

        Those of this package where the environment is one of its own and its own camera or sensors recorded the data;
        those that are declared; and else `REACH`, which is made up.

        Raises:
            UserError: as of :attr:`surroundings`; a declared task that has the name of another; a coordinate of what
                the environment does not tell.
        """
        self._check_coordinates()
        found = self._own_tasks()
        own = bool(found)
        where, entries = self._declared(own)
        for name, entry in entries.items():
            if name in found or name in TASKS:
                raise UserError(f"{where}: tasks.{name}: is the name of a task that there is already; give another")
            found[name] = declared(entry, self.coordinates, self.surroundings, f"{where}: tasks.{name}")
        if self.made_up is not None and self.made_up not in found:
            found[self.made_up] = made_up(self.surroundings)
        return found

    def declaration_of(self, task: str) -> str | None:
        """What is declared of a task and of the coordinates that it may speak of, as JSON; None of any other task."""
        entry = self._declared(bool(self._own_tasks()))[1].get(task)
        if entry is None:
            return None
        return json.dumps({"task": entry, "coordinates": [asdict(one) for one in self.coordinates]}, default=str)

    @property
    def _own_coordinates(self) -> tuple[Coordinate, ...]:
        """Those that the user's file describes, beside what was known."""
        known = coordinates_of(self.recorded)
        return tuple(one for one in (self.described.coordinates if self.described else ()) if one not in known)

    def _check_coordinates(self) -> None:
        """Refuse coordinates of what the environment does not tell, whether a task needs them or not."""
        for one in self._own_coordinates:
            info = self.surroundings.info
            if one.key not in info:
                raise UserError(
                    f"--describe: coordinate {one.name!r} is of the key {one.key!r}, which {self.env_id} does not "
                    f"tell; its info has {', '.join(map(repr, info)) or 'nothing'}: correct the key"
                )
            check_recorded([one], info, 1)

    @property
    def made_up(self) -> str | None:
        """The name of the task that is made up; None where this package has tasks for the run."""
        if self._own_tasks():
            return None
        return REACH if REACH not in tasks_in(self._name) else f"{REACH}-goal"

    def own_goal(self, task: Task) -> Goal | None:
        """The goal of a task, else the one that came with the data; a picture's path is one in the data folder first.

        A run that was sent on with its goal holds that itself.

        None: the task says none, and none came with the data; or each of its episodes draws one.
        """
        if task.goal_options is not None:
            return None
        home = self.goals or self.data
        beside = goal_beside(home)
        if task.goal is None:
            return None if beside is None else PictureGoal(beside)
        goal = parse_goal(task.goal)
        if not isinstance(goal, PictureGoal) or not goal.is_file or (task.near and not (home / goal.path).is_file()):
            return goal
        if (home / goal.path).is_file() or beside is None:
            return PictureGoal(home / goal.path)
        # The name is that of one format, and the data has come with another.
        return PictureGoal(beside)

    def truth_at(self, goal: Goal, own: bool) -> Mapping[str, NDArray[Any]]:
        """The ground truth at a goal, each entry a number or ``[D]``, as far as it was recorded.

        Args:
            goal: a recorded frame, or what came with the data.
            own: whether it is the latter.
        """
        if isinstance(goal, FrameGoal) and (self.data / METADATA).is_file():
            truth, (row, step) = self._trained_on, (goal.sequence, goal.step)
            there = all(0 <= row < len(values) and 0 <= step < values.shape[1] for values in truth.values())
            return {name: values[row, step] for name, values in truth.items()} if there else {}
        stored = self.recorded.get("goal_truth") if own else None
        return {name: np.asarray(value) for name, value in (stored or {}).items()}

    @property
    def _name(self) -> str:
        """The environment's id without its module."""
        return self.env_id.rpartition(":")[2]

    def _own_tasks(self) -> dict[str, Task]:
        found = {name: TASKS[name] for name in tasks_in(self._name)}
        if self.recorded.get("pixels") is None and (self.recorded.get("repeat") or 1) == 1:
            return found
        # What is drawn for every episode takes the environment's own camera and its vectorised version.
        seen = {name: task for name, task in found.items() if task.draw is None}
        repeat = self.recorded.get("repeat") or 1
        return {
            name: replace(task, recorded=self.recorded, control_step=task.control_step * repeat)
            for name, task in seen.items()
        }

    def _declared(self, own: bool) -> tuple[str, Mapping[str, Any]]:
        """Declared tasks, and where they stand."""
        if self.described is not None and self.described.tasks:
            return "--describe", self.described.tasks
        stored = self.recorded.get("tasks")
        if stored:
            where = str(self.folder / SETTINGS)
            return where, checked_tasks(stored, self.coordinates, where)
        # An environment of this package has its tasks in this package.
        return f"{self.env_id}: its metadata", {} if own else self.surroundings.declared.tasks

    def load_model(self) -> WorldModel:
        """The finished model, without gradients.

        Raises:
            UserError: an unfinished or a damaged one, or a model this version does not know.
        """
        return load_model(self.folder, settings=self.settings).requires_grad_(False)

    def require_data(self, why: str) -> None:
        """Refuse to go on without the data folder.

        Raises:
            UserError: it is not there, but needed: ``why``.
        """
        if not (self.data / METADATA).is_file():
            raise UserError(f"{self.data}: the run's data is not there, but {why}; find it with --data")

    @cached_property
    def metadata(self) -> Mapping[str, Any]:
        """The data's ``metadata.json``.

        Raises:
            UserError: the data folder is none.
        """
        return load_metadata(self.data)

    @cached_property
    def held_out(self) -> Recorded:
        """Observations and ground truth of the test split.

        Raises:
            UserError: the data folder is none, or is not the run's.
        """
        own = self.metadata
        recorded, spec = self.settings["data"], self.settings["model"]["spec"]
        for name, expected, found in (
            ("environment", recorded["env_id"], own.get("env_id")),
            ("environment's settings", recorded["env_kwargs"], own.get("env_kwargs")),
            ("observation shape", list(spec["observation_shape"]), own.get("observation_shape")),
        ):
            if expected != found:
                raise UserError(f"--data {self.data}: {name} {found}, but the run has {expected}; give the run's data")
        truth = load_ground_truth(self.data, "test", own)
        return Recorded(load_sequences(self.data, "test", metadata=own).observations.numpy(), truth)

    @cached_property
    def _trained_on(self) -> dict[str, NDArray[Any]]:
        return load_ground_truth(self.data, "train", self.metadata)

    def largest(self, entry: str | Coordinate) -> float:
        """The largest absolute value of an entry of the ground truth of the training data, or of a coordinate.

        Raises:
            UserError: no such data folder, or no such entry in it.
        """
        key = entry if isinstance(entry, str) else entry.key
        if key not in self._trained_on:
            raise UserError(f"--data {self.data}: its ground truth has no {key!r}, so nobody knows its top speed")
        values = self._trained_on[key] if isinstance(entry, str) else entry.values(self._trained_on)
        return float(np.abs(values).max())
