"""An agent in one call: the same as evaluation's, and bad input refused by name."""

from __future__ import annotations

import json
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import latentrl
from latentrl import load_agent
from latentrl.agents import LatentAgent, PlannerController
from latentrl.agents.goal_conditioning import attach_goal
from latentrl.agents.planners import PLANNERS, CEMOptions
from latentrl.agents.planners.cem import CEM
from latentrl.agents.policies import MLPPolicy, save_policy
from latentrl.evaluation.agents_by_name import InModel
from latentrl.evaluation.run import Run
from latentrl.evaluation.setting import Setting
from latentrl.evaluation.trials import GivenGoal, Trial
from latentrl.rewards.position import PositionReward
from latentrl.runs.folder import SETTINGS, load_model
from latentrl.runs.reach import REACH
from latentrl.support.errors import UserError
from latentrl.support.files import write_json
from latentrl.types import Agent


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    options = CEMOptions(horizon=2, samples=8, iterations=2, elites=2)
    monkeypatch.setitem(PLANNERS, "cem", lambda low, high: CEM(low, high, options))


def frames(count: int = 3) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, 16, 16, 1), dtype=np.uint8)


def acted(agent: Agent, batch: bool = True) -> list[Any]:
    return [agent.act(frame[None] if batch else frame).tolist() for frame in frames()]


def in_evaluation(run: Path, name: str, goal: str | None) -> Agent:
    opened = Run.open(run)
    setting = Setting.of(Trial(name, "swing-up", goal=GivenGoal.parse(goal), episodes=1), opened)
    model = opened.load_model()
    agent = LatentAgent(model, InModel(setting, model).agent().controller)
    agent.reset(3)
    return agent


def test_a_planner_acts_as_in_evaluation(pendulum_run: Path) -> None:
    """By a goal's file, by its picture as an array and by what came with the data; within the task's bounds."""
    goal = pendulum_run.parent / "data" / "goal.png"
    picture = np.asarray(Image.open(goal))
    expected = acted(in_evaluation(pendulum_run, "cem", str(goal)))
    for given in (goal, str(goal), picture, picture[..., None], None):
        assert acted(load_agent(pendulum_run, given, "cem", seed=3)) == expected
    alone = acted(load_agent(str(pendulum_run), goal, seed=3), batch=False)
    assert alone == [action[0] for action in expected]


def test_actions_are_bounded_by_the_task_by_the_data_or_by_whoever_asks(pendulum_run: Path) -> None:
    def high(**given: Any) -> float:
        controller = load_agent(pendulum_run, **given).controller
        assert isinstance(controller, PlannerController)
        return float(controller.planner.high)  # type: ignore[attr-defined]

    assert (high(), high(action_limit=0.5), high(goal="velocity:0.5")) == (7.0, 0.5, 30.0)
    settings = json.loads((pendulum_run / "settings.json").read_text())
    settings["data"] = {"env_id": None, "action_low": [-0.5], "action_high": [1.5]}
    (pendulum_run / "settings.json").write_text(json.dumps(settings))
    planner = load_agent(pendulum_run).controller.planner  # type: ignore[attr-defined]
    assert (planner.low.tolist(), planner.high.tolist()) == ([-0.5], [1.5])
    chance = load_agent(pendulum_run, agent="random").act(np.repeat(frames(1), 500, 0))
    assert -0.5 <= chance.min() < -0.4 and 1.4 < chance.max() <= 1.5


def test_a_policy_is_asked_for_its_own_goal_and_cut_off_where_it_is_told(pendulum_run: Path) -> None:
    policy = MLPPolicy(torch.tensor([-7.0]), torch.tensor([7.0]), torch.zeros(3), torch.full((3,), 1e-3), (4,))
    torch.nn.init.normal_(policy.layers[-1].weight, std=10.0, generator=torch.Generator().manual_seed(0))  # type: ignore[arg-type]
    model = load_model(pendulum_run)
    goal = pendulum_run.parent / "data" / "goal.png"
    target = model.encode_goal(torch.from_numpy(np.array(Image.open(goal))[..., None])).tolist()
    save_policy(policy, pendulum_run, {"goal": str(goal), "target": target}, "steep")
    free = np.array(acted(load_agent(pendulum_run, agent="policy", policy="steep")))
    assert np.abs(free[0]).max() > 1.0
    bound = load_agent(pendulum_run, goal, "policy", policy="steep", action_limit=1.0)
    assert bound.act(frames(1)).item() == np.clip(free[0], -1.0, 1.0).item()
    load_agent(pendulum_run, np.asarray(Image.open(goal)), "policy", policy="steep")
    with pytest.raises(UserError, match=r"an observation: policy 'steep' was learned for .*goal\.png"):
        load_agent(pendulum_run, frames(1)[0], "policy", policy="steep")


def test_a_policy_for_any_goal_is_told_it(pendulum_run: Path) -> None:
    torch.manual_seed(0)
    policy = MLPPolicy(torch.tensor([-1.0]), torch.tensor([1.0]), torch.zeros(5), torch.ones(5), (4,), goal_size=2)
    torch.nn.init.normal_(policy.layers[-1].weight)  # type: ignore[arg-type]
    save_policy(policy, pendulum_run, {"goal": "any"}, "any")
    model, goals, seen = load_model(pendulum_run), frames(2), frames(3)[1:]
    agent = load_agent(pendulum_run, goals, "policy", policy="any")
    with torch.no_grad():
        places = torch.stack([model.encode_goal(torch.from_numpy(goal)) for goal in goals])
        belief = model.initial_belief(torch.from_numpy(seen))
        belief = belief._replace(mean=belief.mean.float(), covariance=belief.covariance.float())
        expected = policy(attach_goal(belief, places))
    assert np.array_equal(agent.act(seen), expected.numpy())
    with pytest.raises(UserError, match="reaches positions"):
        load_agent(pendulum_run, "velocity:0.5", "policy", policy="any")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"agent": "chance"}, "'chance'.*policy, random, cem"),
        ({"goal": "nowhere.png"}, "nowhere.png"),
        ({"goal": np.zeros((16, 16, 1))}, "goal: is float64"),
        ({"goal": np.zeros((8, 8, 1), np.uint8)}, r"goal: has the shape \(8, 8, 1\)"),
        ({"goal": "any"}, "--goal any"),
        ({"agent": "policy", "policy": "none"}, "'none'.*policy-spin"),
        ({"agent": "policy", "policy": "spin", "goal": "velocity:0.1"}, "velocity:-0.5"),
        ({"action_limit": -1.0}, "-1.0"),
        ({"device": "toaster"}, "toaster"),
        ({"device": "meta"}, "only a policy"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_a_clear_error(pendulum_run: Path, wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        load_agent(pendulum_run, **wrong)


def test_no_goal_and_no_run_are_clear_errors(pendulum_run: Path, tmp_path: Path) -> None:
    (tmp_path / "data" / "goal.png").unlink()
    with pytest.raises(UserError, match=r"holds no goal.png"):
        load_agent(pendulum_run)
    with pytest.raises(UserError, match="train"):
        load_agent(tmp_path / "elsewhere")


def test_the_face_of_the_package() -> None:
    assert latentrl.LatentAgent is LatentAgent
    with pytest.raises(AttributeError, match="load_angel"):
        _ = latentrl.load_angel


def test_a_planner_is_told_how_far_to_look_in_steps_or_seconds(
    pendulum_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PLANNERS, "cem", CEM)
    for given, steps in ((None, 20), (30, 30), ("1.5s", 15)):
        assert load_agent(pendulum_run, horizon=given).controller.planner.horizon == steps  # type: ignore[attr-defined]
    with pytest.raises(UserError, match=r"horizon 30: only planners look ahead .* agent 'policy'"):
        load_agent(pendulum_run, agent="policy", horizon=30)
    with pytest.raises(UserError, match="--horizon 0: give one step or more"):
        load_agent(pendulum_run, horizon=0)


def test_a_planner_is_told_how_to_measure(pendulum_run: Path) -> None:
    """By a goal's file and by its picture as an array alike; the field is made once, and then needs no data."""
    goal = pendulum_run.parent / "data" / "goal.png"
    picture = np.asarray(Image.open(goal))
    by_file = acted(load_agent(pendulum_run, goal, distance="geodesic", seed=3))
    (pendulum_run.parent / "data").rename(pendulum_run.parent / "moved")
    assert acted(load_agent(pendulum_run, picture, distance="geodesic", seed=3)) == by_file
    # Few samples of an untrained model may be ranked alike by both.
    given, straight = (load_agent(pendulum_run, picture, distance=name).controller for name in ("geodesic", "euclid"))
    assert isinstance(given, PlannerController) and isinstance(given.reward, PositionReward)
    assert isinstance(straight, PlannerController) and isinstance(straight.reward, PositionReward)
    assert given.reward.distance is not None and straight.reward.distance is None
    with pytest.raises(UserError, match="distance geodesic: only planners measure it"):
        load_agent(pendulum_run, agent="policy", distance="geodesic")


def test_readings_far_beyond_the_data_are_warned_of_as_they_come(reacher_run: Path) -> None:
    path = reacher_run / SETTINGS
    write_json(path, {**json.loads(path.read_text()), REACH: {"least": [-3.0, -3.0], "largest": [3.0, 3.0]}})
    agent = load_agent(reacher_run, np.array([1.0, 1.2], np.float32), "random")
    backwards = np.array([3.5, -3.5], np.float32)[::-1]
    fixed = backwards.copy()
    fixed.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for near in (backwards, fixed):
            agent.act(near)
        agent.act(np.array([0.1, 2000.0], np.float32), seen=False)
    agent = pickle.loads(pickle.dumps(agent))
    with pytest.warns(UserWarning, match="reading 1 is 2000, and the data's reach from -3 to 3") as said:
        agent.act(np.array([0.1, 2000.0], np.float32))
        agent.act(np.array([0.1, 2000.0], np.float32))
    assert len(said) == 1
