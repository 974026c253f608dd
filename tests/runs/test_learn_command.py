"""What a run's next command is: one that works as it is printed, or none."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from latentrl.runs import folder
from latentrl.runs.folder import learn_command


def test_is_there_where_a_goal_is(tmp_path: Path) -> None:
    data = tmp_path / "my data"
    data.mkdir()
    assert learn_command(tmp_path / "run", data) is None
    (data / "goal.json").write_text("[1.0]")
    words = shlex.split(learn_command(tmp_path / "run", data) or "")
    assert words[2:] == ["latentrl.learn", "--run", str(tmp_path / "run"), "--goal", str(data / "goal.json")]


@pytest.mark.parametrize(
    ("recipe", "suggested", "words"),
    [
        ("latentrl", {"distance": "geodesic", "position_size": 2}, ["--distance", "geodesic"]),
        ("source", {"distance": "geodesic"}, []),
        ("latentrl", {"distance": 3}, []),
        ("latentrl", None, []),
    ],
)
def test_has_the_distance_that_the_data_suggests(
    recipe: str, suggested: object, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "goal.png").touch()
    (tmp_path / "settings.json").touch()
    stored = {"options": {"recipe": recipe}, "data": {"suggested": suggested}}
    monkeypatch.setattr(folder, "load_settings", lambda run: stored)
    line = shlex.split(folder.learn_command(tmp_path, tmp_path) or "")
    assert line[-1 - len(words)] == str(tmp_path / "goal.png") and line[len(line) - len(words) :] == words
