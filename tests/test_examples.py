"""The examples: that they go through to the end as a user would run them, and judge fairly."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import gymnasium
import numpy as np
import pytest
from PIL import Image

SCRIPT = Path(__file__).parent.parent / "examples" / "own_environment.py"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    """The script as a module."""
    pytest.importorskip("pygame", reason='the car is drawn with pygame: pip install "gymnasium[classic-control]"')
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    spec = spec_from_file_location("own_environment", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["own_environment"] = module
    spec.loader.exec_module(module)
    return module


class Pumper:
    """Pushes the way the car moves, which it reads off the pictures: the classic solution."""

    def reset(self, seed: int | None = None) -> None:
        self.last: np.ndarray | None = None

    def act(self, observation: np.ndarray) -> np.ndarray:
        dark = np.clip(200.0 - observation[..., 0], 0, None)
        column = (dark * np.arange(dark.shape[2])).sum((1, 2)) / dark.sum((1, 2))
        moved = column - column if self.last is None else column - self.last
        self.last = column
        return np.where(moved >= 0, 1.0, -1.0).astype(np.float32)[:, None]


def test_own_environment_goes_through_to_the_end(example: ModuleType, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, str(SCRIPT), "--quick", "--out", str(out)]
    environment = {**os.environ, "PYTHONPATH": str(SCRIPT.parent.parent), "OMP_NUM_THREADS": "1"}
    finished = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert finished.returncode == 0, finished.stderr
    figures = json.loads((out / "figures.json").read_text())
    assert json.loads(finished.stdout[finished.stdout.index("{\n") :]) == figures
    assert set(figures) == {"r2_position", "r2_velocity", "policy", "cem", "random"}
    assert figures["policy"]["episodes"] == 2
    assert (out / "model" / "policy.safetensors").is_file()
    with Image.open(out / "predictions.png") as strips:
        assert strips.size == (3 * 6 * 24, 3 * 6 * 24), "six rows of six pictures, three times their size"
    with Image.open(out / "policy.gif") as film:
        assert getattr(film, "n_frames", 1) == 3


def test_an_action_is_held_until_the_episode_ends(example: ModuleType) -> None:
    env, plain = example.make_car(), gymnasium.make("MountainCarContinuous-v0")
    push = np.ones(1, np.float32)
    env.reset(seed=0)
    plain.reset(seed=0)
    expected = [plain.step(push)[0] for _ in range(example.REPEAT)][-1]
    np.testing.assert_array_equal(env.step(push)[0], expected)

    env.reset(options={"low": 0.449, "high": 0.44901})
    _, reward, terminated, _, _ = env.step(push)
    assert terminated
    assert reward == pytest.approx(100 - 0.1, abs=0.11), "one step or two, not four"


def test_the_judge_counts_arrivals_at_the_flag(example: ModuleType) -> None:
    result = example.evaluate(Pumper(), episodes=3, steps=60, seed=0)
    assert result["reached"] == 3
    assert 70 < result["median_steps"] < 240
    idle = example.evaluate(Idle(), episodes=3, steps=10, seed=0)
    assert (idle["reached"], idle["median_steps"]) == (0, None)


class Idle(Pumper):
    """Does nothing."""

    def act(self, observation: np.ndarray) -> np.ndarray:
        return np.zeros((len(observation), 1), np.float32)


def test_the_goal_is_a_picture_of_the_car_at_the_flag(example: ModuleType, tmp_path: Path) -> None:
    example.photograph(example.GOAL, tmp_path / "goal.png")
    picture = np.asarray(Image.open(tmp_path / "goal.png"))
    assert picture.shape == (example.SIZE, example.SIZE)
    row, column = np.unravel_index(picture.argmin(), picture.shape)
    # The valley is drawn from -1.2 to 0.6 over the whole width, and its right summit lies near the upper edge.
    assert column == pytest.approx((example.GOAL + 1.2) / 1.8 * example.SIZE, abs=1.5)
    assert row < example.SIZE / 4


def test_ppo_in_imagination_goes_through_to_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    spec = spec_from_file_location("ppo_in_imagination", SCRIPT.parent / "ppo_in_imagination.py")
    assert spec is not None and spec.loader is not None
    ppo = module_from_spec(spec)
    spec.loader.exec_module(ppo)
    ppo.main(["--steps", "960", "--envs", "32", "--minibatch", "256", "--epochs", "1", "--episodes", "2"])
    assert re.fullmatch(r"seed 0: [012] of 2 swing-ups; \d+ s of processor time to learn\n", capsys.readouterr().out)
