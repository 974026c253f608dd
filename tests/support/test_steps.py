"""Steps that are done once."""

from __future__ import annotations

from pathlib import Path

import pytest

from latentrl.support.errors import UserError
from latentrl.support.steps import FileMemory, Record, Steps


def steps_of(folder: Path, identity: dict[str, object]) -> Steps:
    return Steps(FileMemory(folder / "stages.json", identity))


def test_a_finished_step_is_not_repeated_and_its_time_is_kept(tmp_path: Path) -> None:
    calls: list[str] = []
    first = steps_of(tmp_path, {"seed": 0})
    first.run("a", lambda: calls.append("a"))
    again = steps_of(tmp_path, {"seed": 0})
    again.run("a", lambda: calls.append("a"))
    again.run("b", lambda: calls.append("b"))
    assert calls == ["a", "b"] and again.finished == ("a", "b")
    seconds = FileMemory(tmp_path / "stages.json", {"seed": 0}).load().seconds
    assert seconds["a"] == first.total_seconds and again.total_seconds == pytest.approx(sum(seconds.values()))


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ValueError, SystemExit])
def test_a_step_that_failed_is_repeated_and_both_tries_count(tmp_path: Path, failure: type[BaseException]) -> None:
    def fail() -> None:
        raise failure

    stages = steps_of(tmp_path, {})
    with pytest.raises(failure):
        stages.run("a", fail)
    lost = stages.total_seconds
    again = steps_of(tmp_path, {})
    assert again.finished == () and again.total_seconds == lost > 0
    again.run("a", lambda: None)
    assert again.finished == ("a",) and again.total_seconds > lost


def test_another_jobs_file_is_refused(tmp_path: Path) -> None:
    steps_of(tmp_path, {"seed": 0})
    with pytest.raises(UserError, match=r"'seed': 0.*'seed': 1.*--overwrite"):
        steps_of(tmp_path, {"seed": 1})


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "stages.json").write_text(text)
    with pytest.raises(UserError, match=r"stages\.json is damaged"):
        steps_of(tmp_path, {})


class Forgetful:
    """Remembers nothing of what failed, as a training's checkpoint does."""

    def __init__(self) -> None:
        self.saved: list[tuple[str, ...]] = []

    def load(self) -> Record:
        return Record()

    def save(self, record: Record) -> None:
        self.saved.append(tuple(record.finished))

    def failed(self, record: Record) -> None:
        pass


def test_a_step_is_saved_once_it_is_finished_and_never_before() -> None:
    memory, seen = Forgetful(), []
    steps = Steps(memory)
    for name in ("a", "b"):
        steps.run(name, lambda: seen.append(list(memory.saved)))
    with pytest.raises(ZeroDivisionError):
        steps.run("c", lambda: 1 / 0)
    assert seen == [[], [("a",)]] and memory.saved == [("a",), ("a", "b")]


def test_a_record_survives_json_and_anything_else_is_refused() -> None:
    record = Record(["a"], {"a": 0.5})
    assert Record.from_json(record.as_json()) == record
    for text in ("{}", "[]", "7", "{"):
        with pytest.raises(ValueError):
            Record.from_json(text)
