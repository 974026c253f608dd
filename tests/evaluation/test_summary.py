"""What a summary tells of its episodes."""

from __future__ import annotations

import pytest

from latentrl.evaluation.summary import all_alike


@pytest.mark.parametrize(
    ("figures", "alike"),
    [
        ({"return": [-1.5, -1.5], "time": [None, None]}, True),
        ({"return": [-1.5, -1.5], "time": [1.0, 2.0]}, False),
        ({"return": [-1.5]}, False),
        ({"time": [None, None]}, False),
    ],
)
def test_episodes_that_cannot_be_told_apart_are_noticed(figures: dict[str, list[float | None]], alike: bool) -> None:
    measures = {name: {"per_episode": values} for name, values in figures.items()}
    assert all_alike({"episodes": max(map(len, figures.values())), "measures": measures}) is alike
