"""What a run was begun with is compared with what it goes on with."""

from __future__ import annotations

import pytest

from latentrl.runs.versions import changed, describe_environment


def test_nothing_is_said_where_nothing_is_other_or_known() -> None:
    now = describe_environment()
    assert changed(now, now) is None
    assert changed({}, now) is None
    assert changed({**now, "platform": "another", "minari": "0"}, now) is None


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ({"torch": "2.9.0"}, "begun with torch 2.9.0, goes on with torch 2.13.0"),
        (
            {"git": "0123456789abcdef", "torch": "2.13.0"},
            "begun with latentrl at 012345678, goes on with latentrl at fedcba987",
        ),
    ],
)
def test_both_are_named(before: dict[str, str], said: str) -> None:
    now = {"torch": "2.13.0", "git": "fedcba9876"}
    assert changed(before, now) == f"{said}: to other bits than if that were the same"
