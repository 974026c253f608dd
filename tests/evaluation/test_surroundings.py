"""Whose environment is made."""

from __future__ import annotations

import sys

import pytest

from latentrl.evaluation.surroundings import recorded_with
from latentrl.support.errors import UserError


def test_a_module_is_only_imported_for_who_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = {"env_id": "nobodys:Theirs-v0", "env_kwargs": {"size": 3}}
    with pytest.raises(UserError, match=r"give --env nobodys:Theirs-v0$"):
        recorded_with(stored, None, None)
    assert recorded_with(stored, "nobodys:Theirs-v0", None) == stored
    # A script that has imported it itself has said so.
    monkeypatch.setitem(sys.modules, "nobodys", sys)
    assert recorded_with(stored, None, None) == stored
