"""Learning and planning inside a model open neither an environment nor data: a barrier in the interpreter shows it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from PIL import Image

NO_ENVIRONMENT = """
import sys
from importlib.abc import MetaPathFinder

class Barrier(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.startswith(("gymnasium", "minari", "latentrl.envs", "latentrl.data_collection")):
            raise AssertionError(f"{name} was imported")

sys.meta_path.insert(0, Barrier())

from pathlib import Path
from types import SimpleNamespace
import torch
from latentrl import learn
from latentrl.agents import PlannerController
from latentrl.agents.planners import CEM, CEMOptions
from latentrl.numerics.distributions import DiagonalGaussian
from latentrl.rewards.position import PositionReward
from latentrl.types import Belief

class Toy(torch.nn.Module):
    spec = SimpleNamespace(observation_shape=(16, 16, 1), observation_dtype="uint8", action_size=1)
    largest_actions = None
    def initial_states(self, count, generator=None):
        return torch.randn(count, 1, generator=generator)
    def transition(self, state, action):
        return DiagonalGaussian(state + action, torch.full((1,), 1e-4))
    def frozen(self):
        return self
    def encode_goal(self, observations):
        return observations.float().mean()[None] / 255

learn.load_model = lambda folder: Toy()
run = Path(sys.argv[1])
learn.learn(learn.LearnOptions(run=run, goal=str(run / "goal.png"), updates=2, horizon=3))
planner = CEM(-torch.ones(1), torch.ones(1), CEMOptions(horizon=3, samples=8, elites=2))
PlannerController(planner, Toy(), PositionReward(torch.zeros(1)))(Belief(torch.ones(2, 1), torch.ones(2, 1, 1)))
print("no environment")
"""


def test_neither_learning_nor_planning_can_touch_an_environment(tmp_path: Path) -> None:
    """In a fresh interpreter, importing Gymnasium, Minari, the environments or the data room is an error."""
    Image.new("L", (16, 16), 99).save(tmp_path / "goal.png")
    data = {"env_id": "robots/Toy-v0", "action_low": [-1.0], "action_high": [1.0], "action_limit": None}
    (tmp_path / "settings.json").write_text(json.dumps({"data": data}))
    command = [sys.executable, "-c", NO_ENVIRONMENT, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "no environment" in done.stdout
    assert (tmp_path / "policy.safetensors").is_file()


def test_the_barrier_of_that_test_holds(tmp_path: Path) -> None:
    Image.new("L", (16, 16), 99).save(tmp_path / "goal.png")
    for module in ("gymnasium", "latentrl.envs"):
        script = NO_ENVIRONMENT.split("from pathlib")[0] + f"import {module}"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
        assert done.returncode != 0 and "was imported" in done.stderr
