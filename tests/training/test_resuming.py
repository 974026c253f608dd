"""What is printed after a training works as it is printed."""

from __future__ import annotations

from pathlib import Path

from latentrl.training.options import TrainOptions
from latentrl.training.resuming import next_command


def test_without_a_goal_no_command_names_one(tmp_path: Path) -> None:
    options = TrainOptions(data=tmp_path, run=tmp_path / "my run")
    told = next_command(options)
    assert "no goal: " in told
    (command,) = [line for line in told.splitlines() if line.startswith("next: ")]
    assert command == f"next: python -m latentrl.imagine --run '{tmp_path / 'my run'}'"
    (tmp_path / "goal.png").touch()
    assert next_command(options).endswith(f"--goal {tmp_path / 'goal.png'}")
