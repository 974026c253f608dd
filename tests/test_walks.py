"""The walks of docs/own-environment.md, at tiny size: its first command, then what each verb prints."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import gymnasium
import pytest

from latentrl.__main__ import main

PAGE = Path(__file__).resolve().parent.parent / "docs" / "own-environment.md"
TINY = {
    "collect": ("--sequences", "12", "--test-sequences", "12", "--length", "6", "--num-envs", "3"),
    "train": ("--steps", "4", "--batch", "4", "--device", "cpu"),
    "learn": ("--updates", "1", "--horizon", "3"),
    "imagine": ("--sequences", "2", "--length", "4"),
    "evaluate": ("--episodes", "2", "--steps", "5"),
}
VERBS = ("collect", "train", "learn", "evaluate", "compare")


def commands_of(text: str, env_id: str) -> list[list[str]]:
    """The commands of the code block that collects from an environment, as lists of words."""
    for block in blocks_of(text, ""):
        if f"--env {env_id} " in block:
            lines = [line for line in block.replace("\\\n", " ").splitlines() if line.strip()]
            return [shlex.split(line, comments=True) for line in lines]
    raise AssertionError(f"{PAGE}: no block collects from {env_id}")


def blocks_of(text: str, language: str) -> list[str]:
    """The code blocks in a language; those of none are ``""``."""
    return [block for named, block in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S) if named == language]


def without(words: list[str], flags: tuple[str, ...]) -> list[str]:
    """The words but for these flags and their values."""
    kept, skip = [], False
    for word in words:
        if not skip and word not in flags:
            kept.append(word)
        skip = not skip and word in flags
    return kept


def said(words: list[str], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Run a command, ``python -m latentrl.VERB ...``, at tiny size; the words of the one that it prints.

    Pages have ``latentrl VERB ...`` in its place.
    """
    if words[0] == "latentrl":
        words = ["python", "-m", f"latentrl.{words[1]}", *words[2:]]
    assert words[:2] == ["python", "-m"]
    verb, rest = words[2].removeprefix("latentrl."), words[3:]
    tiny = TINY.get(verb, ())
    capsys.readouterr()
    main([verb, *without(rest, tiny[::2]), *tiny])
    printed = capsys.readouterr().out
    found = re.findall(r"^next: (.*)$", printed, re.M)
    assert len(found) == 1, printed
    return shlex.split(found[0])


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    yield tmp_path


@pytest.mark.parametrize("env_id", ["Pendulum-v1", "dm_control/cartpole-swingup", "MountainCarContinuous-v0"])
def test_each_command_prints_the_next(env_id: str, elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if env_id.startswith("dm_control"):
        pytest.importorskip("dm_control")
    for declaration in blocks_of(PAGE.read_text(), "toml"):
        Path(declaration.split()[1]).write_text(declaration)
    written = commands_of(PAGE.read_text(), env_id)
    assert [words[:2] for words in written] == [["latentrl", verb] for verb in VERBS]
    # A folder's name that a shell takes apart must not lead astray.
    first = [*without(written[0], ("--out",)), "--out", "data/my robot"]
    try:
        following = said(first, capsys)
    except SystemExit:
        pytest.skip(f"{env_id} cannot be rendered here: {capsys.readouterr().err}")
    assert following[2:] == ["latentrl.train", "--data", "data/my robot"]
    assert (Path("data/my robot") / "goal.png").is_file()
    following = said([*following, *written[1][4:]], capsys)
    assert following[2:] == ["latentrl.learn", "--run", "runs/my robot", "--goal", "data/my robot/goal.png"]
    following = said(following, capsys)
    assert following[2] == "latentrl.evaluate"
    assert said(following, capsys)[:2] == ["python", "-m"]


def test_the_commands_of_the_maze_have_the_sizes_and_the_distance_that_work_there(
    elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    following = said(["latentrl", "collect", "--env", "maze", "--out", "data/my maze"], capsys)
    assert following[3:] == ["--data", "data/my maze", "--position-size", "2", "--state-size", "4"]
    following = said(following, capsys)
    assert following[-2:] == ["--distance", "geodesic"]
    following = said(following, capsys)
    assert "--distance" not in following, "a policy has learned its own"
    following = said([*following, "--no-video"], capsys)
    assert following[following.index("--distance") + 1] == "geodesic" and following[-2:] == ["--agent", "cem"]


def test_a_robot_whose_task_draws_its_goals_is_trained_for_any_of_them(
    elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("mujoco")
    (elsewhere / "examples").mkdir()
    for name in ("three_joint_arm.py", "three_joint_arm.toml"):
        shutil.copy(PAGE.parent.parent / "examples" / name, elsewhere / "examples")
    env_id = "examples.three_joint_arm:ThreeJointArm-v0"
    written = commands_of(PAGE.read_text(), env_id)
    following = said(written[0], capsys)
    following = said([*following, *written[1][4:]], capsys)
    assert following[2] == "latentrl.learn" and following[-2:] == ["--goal", "any"]
    following = said(following, capsys)
    assert following[2] == "latentrl.evaluate" and following[following.index("--env") + 1] == env_id
    said([*following, "--no-video"], capsys)
    (judged,) = Path(following[following.index("--run") + 1]).glob("evaluation_policy*.json")
    found = json.loads(judged.read_text())
    assert found["task"] == "pose" and found["goal"] == "one of its own in every episode"


def test_without_a_goal_no_command_needs_one(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        following = said(["python", "-m", "latentrl.collect", "--env", "Pendulum-v1", "--pixels", "8"], capsys)
    except gymnasium.error.DependencyNotInstalled as error:
        pytest.skip(str(error))
    following = said(following, capsys)
    assert following[2] == "latentrl.imagine"
    main(["imagine", *following[3:], *TINY["imagine"]])
    assert "next:" not in capsys.readouterr().out
