"""The pace: which steps count, how long it waits, and what it then does to the bound."""

from __future__ import annotations

import math

import pytest

from latentrl.objectives.base import Objective
from latentrl.objectives.elbo import ELBO
from latentrl.objectives.rewo import REWO
from latentrl.training.pace import LOOSER, Pace


def ticked(pace: Pace, objective: Objective, errors: list[float]) -> list[int]:
    found = []
    for error in errors:
        objective.constraint = error
        found.append(int(pace.tick(objective)))
    return found


def test_steps_count_from_start_to_end_only_while_the_constraint_is_met() -> None:
    pace, objective = Pace(start=2, end=5, patience=100), REWO(1.0)
    errors = [math.nan, 9.0, 9.0, 0.5, 9.0, 1.0, 9.0, 1.0, 9.0, 9.0]
    # Before the start and from the end on all count: the error decides in between.
    assert ticked(pace, objective, errors) == [1, 2, 2, 3, 3, 4, 4, 5, 6, 7]
    assert objective.bound == 1.0


def test_a_bound_that_is_not_met_in_time_is_loosened_to_what_can_be_drawn() -> None:
    pace, objective = Pace(start=0, end=10, patience=3), REWO(1.0)
    assert ticked(pace, objective, [4.0] * 4) == [0, 0, 0, 1]
    assert objective.bound == LOOSER * 4.0
    assert ticked(pace, objective, [4.0, 5.0]) == [2, 3], "the new bound is met"


def test_a_bound_that_was_given_stays_and_is_waited_for_once() -> None:
    pace, objective = Pace(start=0, end=10, patience=3, loosen=False), REWO(1.0)
    assert ticked(pace, objective, [4.0] * 6) == [0, 0, 0, 1, 2, 3]
    assert objective.bound == 1.0
    assert ticked(pace, objective, [0.5, *[4.0] * 3]) == [4, 4, 4, 4], "met once, it is waited for again"


@pytest.mark.parametrize(("objective", "patience"), [(ELBO(), 5), (REWO(1.0), 0)])
def test_nothing_is_waited_for_without_a_bound_or_patience(objective: Objective, patience: int) -> None:
    assert ticked(Pace(start=0, end=10, patience=patience), objective, [9.0] * 4) == [1, 2, 3, 4]
