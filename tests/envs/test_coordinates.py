"""Coordinates: what is read of the ground truth, how far apart it is, and how it is stored."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from latentrl.envs import PENDULUM, REACHER, coordinates_of
from latentrl.envs.coordinates import Coordinate, coordinates_from_json, positions, velocities
from latentrl.envs.reacher.geometry import WRIST_LIMIT
from latentrl.support.errors import UserError

TURN = Coordinate("turn", "angle", "pose", 1)
PLACE = Coordinate("place", "line", "place", unit="m", limits=(-1.0, 2.0))
SPEED = Coordinate("speed", "velocity", "speed", unit="m/s")


def test_values_are_one_number_of_an_entry_or_the_entry_itself() -> None:
    truth = {"pose": np.arange(12).reshape(2, 3, 2), "place": np.arange(6).reshape(2, 3)}
    assert TURN.values(truth).tolist() == [[1, 3, 5], [7, 9, 11]]
    assert PLACE.values(truth).tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(KeyError):
        SPEED.values(truth)


def test_angles_differ_the_shorter_way_and_lines_as_they_are() -> None:
    value, other = np.array([3.0, -3.0, 10.0, 1.0]), np.array([-3.0, 3.0, 10.0 + 4 * np.pi, 0.5])
    shorter = 6.0 - 2 * np.pi
    np.testing.assert_allclose(TURN.difference(value, other), [shorter, -shorter, 0.0, 0.5], atol=1e-12)
    np.testing.assert_allclose(TURN.distance(value, other), [-shorter, -shorter, 0.0, 0.5], atol=1e-12)
    np.testing.assert_allclose(PLACE.difference(value, other), value - other)
    np.testing.assert_allclose(PLACE.distance(value, other), np.abs(value - other))


def test_a_distance_is_the_size_of_a_difference() -> None:
    value, other = np.random.default_rng(0).normal(0, 10, (2, 1000))
    for one in (TURN, PLACE, SPEED):
        np.testing.assert_allclose(one.distance(value, other), np.abs(one.difference(value, other)), atol=1e-12)


def test_positions_and_velocities_are_told_apart() -> None:
    coordinates = (TURN, SPEED, PLACE)
    assert positions(coordinates) == (TURN, PLACE) and velocities(coordinates) == (SPEED,)


def test_they_survive_json() -> None:
    for one in (TURN, PLACE, SPEED):
        assert Coordinate.from_json(json.loads(json.dumps(one.as_json()))) == one
    least = [{"name": "x", "kind": "line", "key": "x"}]
    assert coordinates_from_json(least, "here") == (Coordinate("x", "line", "x"),)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ("place", "coordinates 'place' are no list"),
        ({"name": "place"}, "coordinates {.*} are no list"),
        (["place"], r"coordinates\[0\] is 'place'"),
        ([PLACE.as_json(), {"kind": "line", "key": "x"}], r"coordinates\[1\]: name is None"),
        ([{**PLACE.as_json(), "kind": "circle"}], r"coordinates\[0\]: .*'circle' is none of angle, line, velocity"),
        ([{**PLACE.as_json(), "key": ""}], r"coordinates\[0\]: key"),
        ([{**PLACE.as_json(), "index": -1}], r"coordinates\[0\]: index -1"),
        ([{**PLACE.as_json(), "index": "0"}], r"coordinates\[0\]: index '0'"),
        ([{**PLACE.as_json(), "limits": [1.0]}], r"coordinates\[0\]"),
        ([{**PLACE.as_json(), "limits": [2.0, 1.0]}], r"coordinates\[0\]: limits .* nothing between"),
        ([{**PLACE.as_json(), "limits": 3.0}], r"coordinates\[0\]"),
        ([{**PLACE.as_json(), "colour": "red"}], r"coordinates\[0\]: .*colour"),
        ([PLACE.as_json(), SPEED.as_json(), {**TURN.as_json(), "name": "place"}], r"coordinates\[2\]: .*twice"),
    ],
    ids=str,
)
def test_what_is_wrong_is_one_line_that_names_the_entry(entries: Any, words: str) -> None:
    with pytest.raises(UserError, match=f"^here: {words}") as caught:
        coordinates_from_json(entries, "here")
    assert "\n" not in str(caught.value)


def test_no_such_kind_is_an_error() -> None:
    with pytest.raises(ValueError, match="circle"):
        Coordinate("place", "circle", "place")  # type: ignore[arg-type]


def names(metadata: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one.name, one.kind) for one in coordinates_of(metadata)]


def test_data_says_its_own_coordinates_or_its_environment_does() -> None:
    stored = {"env_id": PENDULUM, "coordinates": [PLACE.as_json()]}
    assert coordinates_of(stored) == (PLACE,)
    assert coordinates_of({**stored, "coordinates": []}) == ()
    assert names({"env_id": PENDULUM}) == [("angle", "angle"), ("velocity", "velocity")]
    assert names({"env_id": f"some.package:{PENDULUM}", "env_kwargs": {}}) == names({"env_id": PENDULUM})
    assert coordinates_of({"env_id": "Pendulum-v1", "env_kwargs": {}}) == ()
    assert coordinates_of({"action_low": [-1.0]}) == (), "recordings without an environment"
    with pytest.raises(UserError, match=r"metadata\.json: coordinates\[0\]"):
        coordinates_of({"coordinates": [{}]})


def test_joint_sensors_count_turns_and_pictures_do_not() -> None:
    rest = [("wrist", "line"), ("shoulder_velocity", "velocity"), ("wrist_velocity", "velocity")]
    for settings, kind in (
        ({"env_kwargs": {}}, "line"),
        ({"env_kwargs": {"observation": "angles"}, "pixels": None}, "line"),
        ({"env_kwargs": {"observation": "pixels"}}, "angle"),
        ({"env_kwargs": {}, "pixels": 64}, "angle"),
    ):
        assert names({"env_id": REACHER, **settings}) == [("shoulder", kind), *rest], settings
    shoulder, wrist, *_ = coordinates_of({"env_id": REACHER})
    assert shoulder.limits is None and wrist.limits == (-WRIST_LIMIT, WRIST_LIMIT)
    assert replace(shoulder, kind="angle").distance(np.array(7.0), np.array(7.0 + 2 * np.pi)) < 1e-12
