"""Declarations: what a file may say, in TOML and in JSON, and what it may not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latentrl.envs.coordinates import Coordinate
from latentrl.envs.declaration import Declaration, checked_tasks, declaration_from_json, measure_of, read_declaration
from latentrl.envs.measures import MEASURES, Held, Passed, Spread, SteadySpeed
from latentrl.support.errors import UserError
from latentrl.support.files import write_json

SLIDE = {"name": "slide", "kind": "line", "key": "state", "index": 0, "unit": "m"}
TURN = {"name": "turn", "kind": "angle", "key": "state", "index": 1}
SPIN = {"name": "spin", "kind": "velocity", "key": "state", "index": 2, "unit": "rad/s"}
COORDINATES = tuple(Coordinate(**one) for one in (SLIDE, TURN, SPIN))  # type: ignore[arg-type]
PARK = {"pose": {"turn": 0.5, "slide": 0}, "tolerance": {"slide": 0.02, "turn": 0.1}, "hold": 7, "steps": 30}
TOML = """
[[coordinates]]
name = "slide"
kind = "line"
key = "state"
index = 0
unit = "m"

[tasks.park]
goal = "there.png"
pose = { slide = 0.0 }
tolerance = 0.02
"""


def tasks(**entries: Any) -> dict[str, dict[str, Any]]:
    return checked_tasks(entries, COORDINATES, "file")


def test_toml_and_json_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "robot.toml").write_text(TOML)
    found = read_declaration(tmp_path / "robot.toml")
    assert found.coordinates == COORDINATES[:1]
    assert found.tasks == {"park": {"goal": "there.png", "pose": {"slide": 0.0}, "tolerance": 0.02}}
    write_json(tmp_path / "robot.json", found.as_json())
    assert read_declaration(tmp_path / "robot.json") == found
    assert declaration_from_json(json.loads(json.dumps(found.as_json())), "metadata.json") == found


def test_a_goal_beside_the_file_is_found_from_anywhere(tmp_path: Path) -> None:
    (tmp_path / "robot.toml").write_text(TOML)
    (tmp_path / "there.png").touch()
    assert read_declaration(tmp_path / "robot.toml").tasks["park"]["goal"] == str((tmp_path / "there.png").resolve())


def test_a_file_without_coordinates_speaks_of_those_that_are_known(tmp_path: Path) -> None:
    write_json(tmp_path / "more.json", {"tasks": {"park": PARK}})
    assert read_declaration(tmp_path / "more.json", COORDINATES) == Declaration(COORDINATES, {"park": PARK})
    with pytest.raises(UserError, match=r"no coordinate 'turn'; choose of none is described"):
        read_declaration(tmp_path / "more.json")


def test_a_pose_is_held_unless_something_else_is_measured() -> None:
    turn, slide, spin = COORDINATES[1], COORDINATES[0], COORDINATES[2]
    assert measure_of(PARK, COORDINATES, "") == Held((turn, slide), tolerance=(0.1, 0.02), hold=7)
    once = {"measure": "passed", "pose": {"slide": 1}, "tolerance": 0.3}
    assert measure_of(once, COORDINATES, "") == Passed((slide,), tolerance=0.3)
    speed = {"measure": "steady_speed", "velocity": "spin", "goal": "velocity:0.5"}
    assert measure_of(speed, COORDINATES, "") == SteadySpeed(spin)
    assert measure_of({"measure": "spread", "coordinates": ["slide"]}, COORDINATES, "") == Spread((slide,))
    assert measure_of({"description": "anything"}, COORDINATES, "") is None


def test_goals_that_are_drawn_are_held_in_every_position_unless_some_are_named() -> None:
    slide, turn, _ = COORDINATES
    drawn = {"goal_options": {"slide": [0, 1]}, "tolerance": 0.1, "hold": 7}
    assert measure_of(drawn, COORDINATES, "") == Held((slide, turn), tolerance=0.1, hold=7)
    one = {**drawn, "coordinates": ["turn"]}
    assert measure_of(one, COORDINATES, "") == Held((turn,), tolerance=0.1, hold=7)


@pytest.mark.parametrize("name", [name for name in MEASURES if name in ("score", "approach", "latent_speed")])
def test_measures_without_coordinates_need_nothing(name: str) -> None:
    assert measure_of({"measure": name}, (), "") == MEASURES[name]()


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("park", "is 'park'; give a table"),
        ({**PARK, "tolerence": 1}, "tolerence: no task says this; give some of description.* of held: .*tolerance"),
        ({"tolerance": 1}, "tolerance: belongs to no measure here; say measure or pose"),
        ({**PARK, "pose": {"height": 1.0}}, "pose: there is no coordinate 'height'; choose of slide, turn, spin"),
        ({**PARK, "pose": [0.0]}, r"pose \[0.0\]: give a table"),
        ({**PARK, "pose": {"slide": np.nan}}, "pose .*nan.*: give a table"),
        ({**PARK, "tolerance": {"slide": 1}}, "tolerance .*: give a positive number for each of turn, slide"),
        ({**PARK, "tolerance": 0}, "tolerance 0: give a positive number"),
        ({**PARK, "tolerance": "small"}, "tolerance 'small': give a positive number"),
        ({**PARK, "hold": 0}, "hold 0: give a whole number"),
        ({**PARK, "hold": 2.5}, "hold 2.5: give a whole number"),
        ({**PARK, "steps": True}, "steps True: give a whole number"),
        ({**PARK, "episodes": 0}, "episodes 0"),
        ({**PARK, "action_limit": -1}, "action_limit -1: give a positive number"),
        ({**PARK, "goal": [1.0]}, r"goal \[1.0\]: give text; put readings into a JSON file"),
        ({**PARK, "reset_options": "hanging"}, "reset_options 'hanging': give a table"),
        ({**PARK, "measure": "tidy"}, "measure 'tidy': choose one of held"),
        ({**PARK, "coordinates": ["slide"]}, "coordinates: leave it out, for pose names them"),
        ({"measure": "held", "coordinates": ["slide"]}, "pose is missing"),
        ({"measure": "steady_speed"}, "velocity: the measure steady_speed needs it"),
        ({"measure": "steady_speed", "velocity": ["spin"]}, r"no coordinate \['spin'\]"),
        ({"measure": "spread", "coordinates": "slide"}, "coordinates 'slide': give a list"),
        ({"description": ""}, "description '': give text"),
        ({**PARK, "goal_options": {}}, "pose: leave it out, for every episode has its own with goal_options"),
        ({"goal": "goal.png", "goal_options": {}}, "goal: leave it out, for every episode has its own"),
        ({"goal_options": "anywhere"}, "goal_options 'anywhere': give a table"),
        ({"goal_options": {}, "measure": "steady_speed", "velocity": "spin"}, "is of a speed, and goal_options draw"),
    ],
    ids=str,
)
def test_what_a_task_cannot_say_is_named(entry: Any, words: str) -> None:
    with pytest.raises(UserError, match=rf"file: tasks\.park.*{words}"):
        tasks(park=entry)


def test_names_become_files() -> None:
    with pytest.raises(UserError, match=r"tasks\.\.\./up: name a task with letters"):
        checked_tasks({"../up": {}}, COORDINATES, "file")
    with pytest.raises(UserError, match="give a table of tasks by name"):
        checked_tasks([PARK], COORDINATES, "file")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("robot.yaml", "", r"ends in \.toml or \.json"),
        ("robot.toml", "[tasks", "is no TOML"),
        ("robot.json", "{", "is no JSON"),
        ("robot.json", "[]", "is no table"),
        ("robot.toml", "coordinate = 1", "coordinate: is neither coordinates nor tasks"),
        ("robot.toml", "coordinates = [1]", r"coordinates\[0\] is 1"),
    ],
)
def test_files_that_are_no_declaration_are_clear_errors(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=rf"{name}.*{words}"):
        read_declaration(tmp_path / name)
