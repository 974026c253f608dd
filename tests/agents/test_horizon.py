"""A horizon as people say it, and the control step that its seconds are counted in."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

from latentrl.agents.horizon import LONGEST, control_step_in, horizon_steps
from latentrl.agents.planners import PLANNERS, make_planner
from latentrl.envs import PENDULUM, REACHER
from latentrl.support.errors import UserError


@pytest.mark.parametrize(
    ("given", "step", "steps"),
    [
        (30, None, 30),
        ("30", None, 30),
        (" 1 ", 0.1, 1),
        ("1.5s", 0.05, 30),
        ("2s", 0.08, 25),
        ("0.3s", 0.1, 3),
        ("0.1s", 0.1, 1),
        ("1e1s", 1.0, 10),
        ("0.17s", 0.1, 2),
        (LONGEST, None, LONGEST),
    ],
)
def test_steps_and_seconds_become_steps(given: int | str, step: float | None, steps: int) -> None:
    assert horizon_steps(given, {"control_step": step}) == steps


@pytest.mark.parametrize(
    ("given", "step", "said"),
    [
        (0, 0.1, "--horizon 0: give one step or more"),
        ("-3", 0.1, "--horizon -3: give one step or more"),
        ("0s", 0.1, "--horizon 0s: give one step or more"),
        ("-1.5s", 0.1, "--horizon -1.5s: give one step or more"),
        ("0.04s", 0.05, "--horizon 0.04s: is less than a step of 0.05 s; give 0.05s or more"),
        ("1.5s", None, "--horizon 1.5s: nobody says how many seconds a step of the run's data takes"),
        (LONGEST + 1, 0.1, f"--horizon {LONGEST + 1}: give at most {LONGEST}, which"),
        ("1001s", 0.1, f"--horizon 1001s: give at most 1000s, which are {LONGEST} steps"),
        *(
            (bad, 0.1, f"--horizon {bad}: give steps, such as 30, or seconds")
            for bad in ("1.5", "s", "", "nans", "infs")
        ),
        ("500ms", 0.1, "--horizon 500ms: give steps, such as 30, or seconds, such as 1.5s"),
    ],
)
def test_what_is_no_horizon_is_named_with_the_cure(given: int | str, step: float | None, said: str) -> None:
    with pytest.raises(UserError, match=f"^{re.escape(said)}"):
        horizon_steps(given, {"control_step": step})


@pytest.mark.parametrize(
    ("recorded", "step"),
    [
        ({"control_step": 0.05, "env_id": PENDULUM}, 0.05),
        ({"control_step": None, "env_id": PENDULUM}, None),
        # Data from before control steps were noted: the environment is asked what it is.
        ({"env_id": PENDULUM}, 0.1),
        ({"env_id": PENDULUM, "repeat": 3}, pytest.approx(0.3)),
        ({"env_id": REACHER, "env_kwargs": {}}, 0.04),
        ({"env_id": REACHER, "env_kwargs": {"control_step": 0.02}}, 0.02),
        ({"env_id": "robots/Mine-v0"}, None),
        ({}, None),
        *(({"control_step": bad}, None) for bad in (0, -1.0, True, "0.1", float("nan"))),
    ],
)
def test_the_control_step_is_what_the_data_or_its_environment_says(recorded: dict[str, Any], step: float) -> None:
    assert control_step_in(recorded) == step


@pytest.mark.parametrize("name", list(PLANNERS))
def test_a_planner_of_another_horizon_is_else_as_it_was(name: str) -> None:
    low, high = -torch.ones(2), torch.ones(2)
    own, other = (make_planner(name, low, high, horizon) for horizon in (None, 7))
    assert own.options == PLANNERS[name](low, high).options  # type: ignore[attr-defined]
    assert {**vars(own.options), "horizon": 7} == vars(other.options)  # type: ignore[attr-defined]


def test_a_planner_without_options_has_no_horizon_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLANNERS, "bare", lambda low, high, options=None: object())
    with pytest.raises(UserError, match="--horizon 7: planner bare has no options with a horizon"):
        make_planner("bare", -torch.ones(1), torch.ones(1), 7)
