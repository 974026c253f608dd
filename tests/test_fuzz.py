"""A few cases of every kind that ``make fuzz`` makes up by the thousand."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis")

from tools.fuzz import KINDS, Place, run


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place.make(tmp_path_factory.mktemp("fuzz"))


@pytest.mark.parametrize("kind", list(KINDS))
def test_bad_input_of_every_kind_is_told_in_a_line(place: Place, kind: str) -> None:
    run(kind, 25, 20, place)
    assert sum(place.outcomes.values()) >= 25
