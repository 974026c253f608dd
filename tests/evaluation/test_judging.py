"""The reacher's tasks from the run folder to figures: who is told what, and what is refused."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.error import DependencyNotInstalled
from PIL import Image, ImageSequence
from torch import Tensor

from latentrl.agents.planners import PLANNERS, CEMOptions
from latentrl.agents.planners.cem import CEM
from latentrl.agents.policies import MLPPolicy, load_policy, save_policy
from latentrl.compare import compare
from latentrl.envs import REACHER, TASKS, tasks_in
from latentrl.envs.measures import Outcome
from latentrl.evaluate import evaluate
from latentrl.evaluation.agents_by_name import InModel, contestant, goals_of_policies
from latentrl.evaluation.comparison import planned, unlearned
from latentrl.evaluation.judging import judge
from latentrl.evaluation.options import CompareOptions, EvaluateOptions
from latentrl.evaluation.protocol import photographs
from latentrl.evaluation.run import Run
from latentrl.evaluation.setting import Setting
from latentrl.evaluation.trials import GivenGoal, Trial
from latentrl.goals.picture import ObservedGoals
from latentrl.models.base import WorldModel
from latentrl.models.ekvae import EKVAE, EKVAESettings
from latentrl.models.spec import DataSpec
from latentrl.numerics.distributions import DiagonalGaussian
from latentrl.runs.folder import load_settings, model_settings
from latentrl.runs.tensors import write_tensors
from latentrl.support.errors import UserError
from latentrl.support.files import write_json
from latentrl.types import Belief

REACHER_TASKS = ("reach", "reach-ahead", "reacher-easy", "reacher-hard")


class TrueArm:
    """A stub of a world model: the state is the angles and velocities of two joints that do not feel each other.

    Observations are angles; the filter believes them, and takes the velocity from the last two.
    """

    spec = DataSpec((2,), "float32", 2, (1.0, 1.0))
    position_size, latent_size, largest_actions = 2, 4, None
    step = 0.04

    def frozen(self) -> TrueArm:
        return self

    def encode_goal(self, observation: Tensor) -> Tensor:
        return observation

    def initial_belief(self, observation: Tensor) -> Belief:
        return self._belief(observation, torch.zeros_like(observation))

    def filter(self, belief: Belief, action: Tensor, observation: Tensor | None) -> Belief:
        assert observation is not None
        return self._belief(observation, (observation - belief.mean[..., :2]) / self.step)

    def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
        inertia, gear, damping = torch.tensor([1.2e-3, 3e-4]), 0.05, 0.01
        fade = torch.exp(-damping / inertia * self.step)
        final = gear / damping * action
        velocity = final + (state[..., 2:] - final) * fade
        mean = torch.cat((state[..., :2] + self.step * 0.5 * (state[..., 2:] + velocity), velocity), -1)
        return DiagonalGaussian(mean, torch.full_like(mean, 1e-6))

    def _belief(self, angles: Tensor, velocities: Tensor) -> Belief:
        mean = torch.cat((angles, velocities), -1)
        return Belief(mean, torch.zeros(*mean.shape, 4))


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Episodes of few steps, and a planner that hardly plans."""
    for name in REACHER_TASKS:
        monkeypatch.setitem(TASKS, name, replace(TASKS[name], steps=4, seconds=None, episodes=3))
    quick = CEMOptions(horizon=2, samples=4, iterations=1, elites=2)
    monkeypatch.setitem(PLANNERS, "cem", lambda low, high: CEM(low, high, quick))


def arm() -> WorldModel:
    return TrueArm()  # type: ignore[return-value]


def outcome(trial: Trial, folder: Path) -> Outcome:
    setting = Setting.of(trial, Run.open(folder))
    return judge(setting, contestant(setting, arm())).outcome


def test_a_planner_reaches_the_goal_of_each_episode(reacher_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a model that is nearly right all episodes end near their own goals, told by observations alone."""
    options = CEMOptions(horizon=10, samples=48, iterations=3, elites=6)
    monkeypatch.setitem(PLANNERS, "cem", lambda low, high: CEM(low, high, options))
    monkeypatch.setitem(TASKS, "reach", replace(TASKS["reach"], steps=70))
    planner = outcome(Trial("cem", "reach", episodes=5), reacher_run)
    assert planner.figures["shoulder_error"].max() < 0.1 and planner.figures["wrist_error"].max() < 0.1
    chance = outcome(Trial("random", "reach", episodes=5), reacher_run)
    assert chance.success is not None and not chance.success.any()
    assert np.median(chance.figures["shoulder_error"]) > 0.3 and chance.overall["wrist_error_p90"] > 0.3


def test_the_default_task_and_agent_are_those_of_the_run(short: None, reacher_run: Path) -> None:
    summary = evaluate(EvaluateOptions(run=reacher_run))
    assert (summary["task"], summary["agent"], summary["episodes"]) == ("reach", "cem", 3)
    assert json.loads((reacher_run / "evaluation_cem_reach.json").read_text()) == summary
    with Image.open(reacher_run / "evaluation_cem_reach.gif") as film:
        assert film.size[0] == 2 * 192 + 6  # the arm and the goal: angles have no other pictures
    assert {"shoulder_error", "wrist_error", "seconds_to_goal", "beyond_limit"} == set(summary["measures"])


def steering(limit: float) -> MLPPolicy:
    """A policy for any goal, made by hand for the true arm: torque along the way to the goal, less for the speed."""
    bound = torch.full((2,), limit)
    policy = MLPPolicy(-bound, bound, torch.zeros(6), torch.ones(6), (), "mean", 2).requires_grad_(False)
    layer = policy.layers[0]
    assert isinstance(layer, torch.nn.Linear)
    layer.weight.copy_(torch.cat([torch.zeros(2, 2), -0.1 * torch.eye(2), torch.eye(2)], dim=1) / limit)
    return policy


def test_a_policy_for_any_goal_reaches_that_of_each_episode(reacher_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS, "reach", replace(TASKS["reach"], steps=100))
    save_policy(steering(0.5), reacher_run, {"goal": "any"})
    trial = Trial("policy", "reach", episodes=5)
    figures = outcome(trial, reacher_run).figures
    assert figures["shoulder_error"].max() < 0.1 and figures["wrist_error"].max() < 0.1
    goal = GivenGoal.parse(str(Path(load_settings(reacher_run)["options"]["data"]) / "goal.json"))
    spread = outcome(replace(trial, goal=goal), reacher_run).figures
    assert spread["shoulder_spread"].max() < 0.1 and spread["wrist_spread"].max() < 0.1


def test_a_policy_gets_no_more_torque_than_the_task_gives(reacher_run: Path) -> None:
    save_policy(steering(1.0), reacher_run, {"goal": "any"})
    frame = np.zeros((3, 2), np.float32)
    for torque in (0.5, 1.0):
        setting = Setting.of(Trial("policy", "reach", episodes=3, torque=torque), Run.open(reacher_run))
        setting = replace(setting, goal=ObservedGoals(np.full((3, 2), 9.0)))
        action = InModel(setting, arm(), load_policy(reacher_run)).agent().act(frame)
        assert action.shape == (3, 2) and np.allclose(action, torque)


@pytest.mark.parametrize("planner", ["ilqr", "mppi"])
def test_every_planner_takes_a_goal_per_episode(short: None, reacher_run: Path, planner: str) -> None:
    summary = evaluate(EvaluateOptions(run=reacher_run, agent=planner, video=False))
    assert summary["agent"] == planner and len(summary["success"]) == 3


def test_a_camera_shows_the_goal_to_the_agent_and_in_the_film(
    short: None, reacher_camera: None, reacher_run: Path
) -> None:
    settings = load_settings(reacher_run)
    torch.manual_seed(0)
    small = EKVAESettings(state_size=5, position_size=3, base_matrices=2, gate_hidden=(4,), prior_hidden=(4,))
    model = EKVAE(DataSpec((64, 64, 3), "uint8", 2, (1.0, 1.0)), small)
    data = {**settings["data"], "env_kwargs": {"observation": "pixels"}}
    write_json(reacher_run / "settings.json", settings | {"model": model_settings("ekvae", model), "data": data})
    write_tensors(reacher_run / "model.safetensors", model.state_dict())
    summary = evaluate(EvaluateOptions(run=reacher_run, episodes=2))
    assert len(summary["measures"]["shoulder_error"]["per_episode"]) == 2
    with Image.open(reacher_run / "evaluation_cem_reach.gif") as film:
        assert film.size[0] == 4 * 192 + 3 * 6 and len(list(ImageSequence.Iterator(film))) == 2 * 4


def test_a_simulator_that_is_missing_is_named_in_one_line(reacher_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*args: Any, **kwargs: Any) -> None:
        raise DependencyNotInstalled("the reacher needs\nMuJoCo")

    monkeypatch.setattr(gymnasium, "make_vec", missing)
    with pytest.raises(UserError, match="the reacher needs MuJoCo"):
        evaluate(EvaluateOptions(run=reacher_run, agent="random", video=False))


def test_ahead_begins_in_held_out_data_and_is_judged_by_its_truth(reacher_run: Path) -> None:
    summary = evaluate(EvaluateOptions(run=reacher_run, agent="oracle", task="reach-ahead", episodes=3, video=False))
    assert summary["successes"] == 3 and summary["agent"] == "oracle"
    summary = evaluate(EvaluateOptions(run=reacher_run, agent="random", task="reach-ahead", episodes=3, video=False))
    assert summary["success"] is not None and len(summary["measures"]["closest"]["per_episode"]) == 3


def test_scores_are_the_suites_return(reacher_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = EvaluateOptions(run=reacher_run, agent="oracle", task="reacher-easy", episodes=4, video=False)
    easy = evaluate(options)
    hard = evaluate(replace(options, task="reacher-hard"))
    assert easy["successes"] is None and easy["wilson_95"] is None
    assert 900 < hard["overall"]["return_mean"] <= easy["overall"]["return_mean"] < 1000
    assert easy["overall"]["return_low"] <= easy["overall"]["return_mean"] <= easy["overall"]["return_high"]
    assert re.search(r"^  return +\d+ +\d+ to \d+ +\d+$", capsys.readouterr().out, re.M)


def test_an_episode_of_the_suite_lasts_20_s_at_any_control_step() -> None:
    task = TASKS["reacher-hard"].of_run({"control_step": 0.1, "observation": "angles"})
    assert (task.steps, task.control_step) == (200, 0.1)
    assert task.env_kwargs == {"target": "hard", "control_step": 0.1, "observation": "angles"}
    assert TASKS["reach"].of_run({"control_step": 0.1}).steps == 150


def test_a_swing_up_lasts_20_s_at_any_control_step_and_repeat() -> None:
    plain = TASKS["swing-up"]
    assert (plain.of_run({}).steps, plain.of_run({}).control_step) == (200, 0.1)
    fast = plain.of_run({"control_step": 0.01})
    assert (fast.steps, fast.control_step) == (2000, 0.01)
    held = replace(plain, recorded={"repeat": 10}).of_run({"control_step": 0.01})
    assert (held.steps, held.control_step) == (200, pytest.approx(0.1))


def test_one_goal_for_all_is_judged_by_nobody(short: None, reacher_run: Path) -> None:
    goal = str(Path(load_settings(reacher_run)["options"]["data"]) / "goal.json")
    for agent in ("policy", "cem"):
        summary = evaluate(EvaluateOptions(run=reacher_run, agent=agent, goal=goal))
        assert summary["successes"] is None and set(summary["measures"]) == {"shoulder_spread", "wrist_spread"}
        assert (reacher_run / f"evaluation_{agent}_reach.gif").is_file()
    assert evaluate(EvaluateOptions(run=reacher_run, goal=goal, video=False))["agent"] == "policy"


def test_goals_are_photographed_with_noise_of_their_own() -> None:
    pytest.importorskip("dm_control")
    task, poses = TASKS["reach"].of_run({"noise": 0.01}), np.zeros((50, 2))
    seen = photographs(task, poses, seed=1)
    assert seen.shape == (50, 2) and 0.005 < seen.std() < 0.02
    assert np.array_equal(seen, photographs(task, poses, seed=1))
    assert not np.array_equal(seen, photographs(task, poses, seed=2))


def test_a_comparison_takes_the_tasks_of_the_runs_environment(short: None, reacher_run: Path) -> None:
    assert tasks_in(REACHER) == REACHER_TASKS
    policies, run = partial(goals_of_policies, reacher_run), Run.open(reacher_run)
    trials = planned(CompareOptions(reacher_run, agents=("policy", "random", "cem")), run, policies())
    assert [(trial.task, trial.contestant) for trial in trials] == [
        (task, agent) for task in REACHER_TASKS for agent in ("random", "cem", "oracle")
    ]
    command = f"python -m latentrl.learn --run {reacher_run} --goal any --action-limit 0.5"
    assert unlearned(CompareOptions(reacher_run), run, policies()) == [command]
    save_policy(steering(0.5), reacher_run, {"goal": "any"}, "mine")
    assert unlearned(CompareOptions(reacher_run), run, policies()) == []
    trials = planned(CompareOptions(reacher_run, agents=("policy",), true_physics=False), run, policies())
    assert [(trial.task, trial.contestant) for trial in trials] == [(task, "policy-mine") for task in REACHER_TASKS]
    table = compare(CompareOptions(reacher_run, tasks=("reach", "reacher-easy"), agents=("random",)))
    assert [row["agent"] for row in table] == ["random", "oracle"] * 2
    assert table[2]["successes"] is None and table[2]["return_mean"] is not None


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"agent": "policy"}, "learned for one goal, .*learn one: python -m latentrl.learn --run .* --goal any"),
        ({"agent": "cem", "goal": "any"}, "--goal any"),
        ({"agent": "cem", "physics": "true"}, "not known"),
        ({"agent": "oracle", "goal": "goal.json"}, "true goal pose"),
        ({"task": "swing-up", "agent": "cem"}, "Pendulum-v0"),
        ({"goal": "velocity:0.5"}, "position"),
        ({"goal": "missing.json", "agent": "cem"}, "missing.json"),
        ({"goal": "missing.json", "task": "reacher-easy"}, "--task reach"),
        ({"torque": 2.0}, "at most 1"),
        ({"task": "reach-ahead", "data": Path("nowhere")}, "--data"),
    ],
    ids=str,
)
def test_what_does_not_suit_the_reacher_is_a_clear_error(
    short: None, reacher_run: Path, wrong: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        evaluate(EvaluateOptions(**{"run": reacher_run, "video": False, **wrong}))
    assert not list(reacher_run.glob("evaluation*"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"env_kwargs": {"observation": "pixels"}}, "environment's settings"),
        ({"env_id": "Reacher-v5"}, "environment Reacher-v5, but the run has"),
        ({"observation_shape": [64, 64, 3]}, "observation shape"),
    ],
    ids=str,
)
def test_held_out_data_of_another_kind_is_a_clear_error(reacher_run: Path, change: dict[str, Any], words: str) -> None:
    metadata = Path(load_settings(reacher_run)["options"]["data"]) / "metadata.json"
    metadata.write_text(json.dumps({**json.loads(metadata.read_text()), **change}))
    with pytest.raises(UserError, match=words):
        evaluate(EvaluateOptions(run=reacher_run, agent="random", task="reach-ahead", video=False))


def test_goals_of_the_own_camera_are_not_for_rendered_pictures(reacher_run: Path) -> None:
    """The run's tasks are photographed as its sensors see them; of other pictures there is the one that is made up."""
    settings = load_settings(reacher_run)
    write_json(reacher_run / "settings.json", settings | {"data": {**settings["data"], "pixels": 64}})
    with pytest.raises(UserError, match=r"observes uint8 of shape \(64, 64, 3\), but the run's model sees float32"):
        evaluate(EvaluateOptions(run=reacher_run, video=False))
