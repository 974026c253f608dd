"""The bounds of actions: who says them, in which order, and what they may not be."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from latentrl.agents.bounds import LIMIT, ActionBounds
from latentrl.envs import ENVIRONMENTS, action_limit_of
from latentrl.support.errors import UserError

RECORDED = {"action_low": [-0.5, -1.0], "action_high": [1.5, 1.0]}


def found(recorded: dict[str, Any], limit: float | None = None, size: int = 2) -> tuple[list[float], list[float]]:
    bounds = ActionBounds.of(recorded, size, limit)
    return bounds.low.tolist(), bounds.high.tolist()


def test_a_limit_comes_before_the_tasks_and_that_before_what_was_recorded() -> None:
    assert found(RECORDED) == ([-0.5, -1.0], [1.5, 1.0])
    assert found({**RECORDED, LIMIT: 3.0}) == ([-3.0, -3.0], [3.0, 3.0])
    assert found({**RECORDED, LIMIT: None}) == ([-0.5, -1.0], [1.5, 1.0])
    assert found({**RECORDED, LIMIT: 3.0}, 2.0) == ([-2.0, -2.0], [2.0, 2.0])


def test_the_environments_of_this_package_say_it_themselves() -> None:
    """Also of data that was recorded before it was noted, and where their module is named with them."""
    for one in ENVIRONMENTS.values():
        if not one.tasks:
            assert action_limit_of({"env_id": one.env_id}) is None
            continue
        limit = next(iter(one.tasks.values())).torque
        for name in (one.env_id, f"latentrl.envs:{one.env_id}"):
            assert action_limit_of({"env_id": name}) == limit
            assert found({**RECORDED, "env_id": name}) == ([-limit] * 2, [limit] * 2)  # type: ignore[operator]
    assert action_limit_of({"env_id": "robots/Arm-v0"}) is None and action_limit_of({"env_id": None}) is None
    declared = {"reach": {}, "push": {"action_limit": 0.5}}
    assert action_limit_of({"env_id": None, "tasks": declared}) == 0.5


def test_a_model_s_largest_actions_bound_both_sides_and_none_bounds_nothing() -> None:
    bounds = ActionBounds(torch.tensor([-7.0, -0.5]), torch.tensor([7.0, 3.0]))
    found = bounds.up_to((2.0, 1.0))
    assert (found.low.tolist(), found.high.tolist()) == ([-2.0, -0.5], [2.0, 1.0])
    assert bounds.up_to(None) is bounds


@pytest.mark.parametrize("largest", [1.0, 0.5, 0.0])
def test_where_a_model_s_largest_action_leaves_nothing_that_dimension_stays(largest: float) -> None:
    bounds = ActionBounds(torch.tensor([1.0, -1.0]), torch.tensor([3.0, 1.0])).up_to((largest, 0.25))
    assert (bounds.low.tolist(), bounds.high.tolist()) == ([1.0, -0.25], [3.0, 0.25])


def test_bounds_within_bounds() -> None:
    wide, narrow = ActionBounds.of({}, 2, 1.25), ActionBounds.recorded(RECORDED, 2)
    both = wide.within(narrow)
    assert (both.low.tolist(), both.high.tolist()) == ([-0.5, -1.0], [1.25, 1.0])
    assert both.clamp(torch.tensor([[-9.0, 9.0], [0.5, 0.25]])).tolist() == [[-0.5, 1.0], [0.5, 0.25]]
    with pytest.raises(ValueError, match="finite low < high"):
        narrow.within(ActionBounds(torch.tensor([2.0, 0.0]), torch.tensor([3.0, 1.0])))


@pytest.mark.parametrize(
    ("recorded", "limit", "words"),
    [
        (RECORDED, 0.0, "--action-limit 0.0: give a positive number"),
        (RECORDED, float("inf"), "--action-limit inf"),
        (RECORDED, 1e-50, "--action-limit 1e-50: give a positive number of at least 1e-38"),  # zero in float32
        ({}, None, "--action-limit: the run's data says no bounds"),
        ({**RECORDED, "action_low": [-0.5]}, None, "give --action-limit"),
        ({"action_low": [0.0], "action_high": [1.0]}, None, "not of the model's 2 actions"),
        ({**RECORDED, "action_low": [2.0, 0.0]}, None, "finite low < high"),
        ({**RECORDED, "action_low": "low"}, None, "give --action-limit"),
        ({**RECORDED, "action_high": [float("nan"), 1.0]}, None, "finite low < high"),
    ],
    ids=str,
)
def test_what_bounds_nothing_is_refused(recorded: dict[str, Any], limit: float | None, words: str) -> None:
    with pytest.raises(UserError, match=words):
        ActionBounds.of(recorded, 2, limit)
