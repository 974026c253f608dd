"""Steps that are done once."""

from __future__ import annotations

from pathlib import Path

import pytest

from latentrl.support.errors import UserError
from latentrl.support.steps import Stages


def test_a_finished_step_is_not_repeated_and_its_time_is_kept(tmp_path: Path) -> None:
    calls: list[str] = []
    first = Stages(tmp_path / "stages.json", {"seed": 0})
    first.run("a", lambda: calls.append("a"))
    again = Stages(tmp_path / "stages.json", {"seed": 0})
    again.run("a", lambda: calls.append("a"))
    again.run("b", lambda: calls.append("b"))
    assert calls == ["a", "b"] and again.finished == ["a", "b"]
    assert again.seconds["a"] == first.seconds["a"]
    assert again.total_seconds == pytest.approx(sum(again.seconds.values()))


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ValueError, SystemExit])
def test_a_step_that_failed_is_repeated_and_both_tries_count(tmp_path: Path, failure: type[BaseException]) -> None:
    def fail() -> None:
        raise failure

    stages = Stages(tmp_path / "stages.json", {})
    with pytest.raises(failure):
        stages.run("a", fail)
    lost = stages.total_seconds
    again = Stages(tmp_path / "stages.json", {})
    assert again.finished == [] and again.total_seconds == lost > 0
    again.run("a", lambda: None)
    assert again.finished == ["a"] and again.total_seconds > lost


def test_another_jobs_file_is_refused(tmp_path: Path) -> None:
    Stages(tmp_path / "stages.json", {"seed": 0}).save()
    with pytest.raises(UserError, match=r"'seed': 0.*'seed': 1.*--overwrite"):
        Stages(tmp_path / "stages.json", {"seed": 1})


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "stages.json").write_text(text)
    with pytest.raises(UserError, match=r"stages\.json is damaged"):
        Stages(tmp_path / "stages.json", {})
