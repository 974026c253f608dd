"""Actions: their range, and whether they stand beside the frames that they move."""

from __future__ import annotations

import pytest
import torch

from latentrl.inspection.actions import Actions, advice_on_actions, measure_actions
from latentrl.inspection.frames import look_at
from latentrl.types import Sequences
from tests.inspection.systems import drawn, driven, spring, wheel


def velocities_of_a_picture() -> Sequences:
    places, actions = driven(200, 20, 2)
    return Sequences(drawn(places), actions)


RECORDED = {"spring": spring, "wheel": lambda: wheel(0.02), "pictures": velocities_of_a_picture}


def late(data: Sequences, steps: int) -> Sequences:
    """The same with actions stored so many steps late; early, if negative."""
    if steps >= 0:
        return Sequences(data.observations[:, steps:], data.actions[:, : data.actions.shape[1] - steps])
    return Sequences(data.observations[:, :steps], data.actions[:, -steps:])


@pytest.mark.parametrize("shift", [-1, 0, 1])
@pytest.mark.parametrize("name", RECORDED)
def test_a_shift_of_actions_is_found(name: str, shift: int) -> None:
    data = late(RECORDED[name](), shift)
    found = measure_actions(look_at(data), data.actions, 1 if name != "pictures" else 2)
    assert found.shift == shift
    assert any("late" in line or "after" in line for line in advice_on_actions(found)) == (shift != 0)


def test_actions_of_other_recordings_explain_nothing() -> None:
    data = spring(0.01)
    mixed = Sequences(data.observations, data.actions.roll(1, 0))
    found = measure_actions(look_at(mixed), mixed.actions, 1)
    assert found.shift is None
    assert any("cannot be told" in line for line in advice_on_actions(found))


def test_range_and_holding_are_counted() -> None:
    data = spring()
    held = data.actions.clone()
    held[:, 1::2] = held[:, :-1:2]
    found = measure_actions(look_at(data), held, 1, (torch.tensor([-4.0]), torch.tensor([4.0])))
    # 20 observations have 19 actions, of which 9 are those before.
    assert found.held == pytest.approx(9 / 18)
    assert found.used == pytest.approx([0.98 * 2 / 8], rel=0.02)
    assert found.correlation[0] == pytest.approx(0.5, abs=0.05)
    assert any("uses 24%" in line or "uses 25%" in line for line in advice_on_actions(found))


def test_a_delay_is_not_claimed_where_it_cannot_be_told() -> None:
    """A push acts at its own step and the one after alike, and noise may hide one of them."""
    lags = {-2: 0.0, -1: 0.026, 0: 0.004, 1: 0.0, 2: 0.001}
    assert Actions([-1.0], [1.0], None, 0.0, [0.0], lags, chance=0.005).shift is None
    assert Actions([-1.0], [1.0], None, 0.0, [0.0], {**lags, -1: 0.5}, chance=0.005).shift == -1
