"""What a run's next command is: one that works as it is printed, or none."""

from __future__ import annotations

import shlex
from pathlib import Path

from latentrl.runs.folder import learn_command


def test_is_there_where_a_goal_is(tmp_path: Path) -> None:
    data = tmp_path / "my data"
    data.mkdir()
    assert learn_command(tmp_path / "run", data) is None
    (data / "goal.json").write_text("[1.0]")
    words = shlex.split(learn_command(tmp_path / "run", data) or "")
    assert words[2:] == ["latentrl.learn", "--run", str(tmp_path / "run"), "--goal", str(data / "goal.json")]
