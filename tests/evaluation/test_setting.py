"""What a trial means for a run: resolved once, and nothing that no trial needs."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file

from latentrl.agents.planners import PLANNERS, CEMOptions
from latentrl.agents.planners.cem import CEM
from latentrl.agents.policies import saving
from latentrl.compare import compare
from latentrl.data_collection import storage
from latentrl.envs import TASKS
from latentrl.evaluate import evaluate
from latentrl.evaluation import agents_by_name, trials
from latentrl.evaluation import run as run_module
from latentrl.evaluation.options import CompareOptions, EvaluateOptions, trial_of
from latentrl.evaluation.run import Run
from latentrl.evaluation.setting import Setting
from latentrl.evaluation.trials import GivenGoal, Trial
from latentrl.goals.parsing import parse_goal
from latentrl.goals.picture import ObservedGoals, PictureGoal
from latentrl.learn import own_goal
from latentrl.runs import folder
from latentrl.support.errors import UserError


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Episodes of few steps, and a planner that hardly plans."""
    for name, task in list(TASKS.items()):
        monkeypatch.setitem(TASKS, name, replace(task, steps=3, seconds=None, episodes=2))
    quick = CEMOptions(horizon=2, samples=4, iterations=1, elites=2)
    monkeypatch.setitem(PLANNERS, "cem", lambda low, high: CEM(low, high, quick))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file was read, by its name."""
    found: Counter[str] = Counter()

    def counted(original: Callable[..., Any]) -> Callable[..., Any]:
        def reading(path: Path, *args: Any, **kwargs: Any) -> Any:
            found[path.name] += 1
            return original(path, *args, **kwargs)

        return reading

    monkeypatch.setattr(Path, "read_text", counted(Path.read_text))
    monkeypatch.setattr(saving, "load_file", counted(load_file))
    return found


def test_a_verb_reads_settings_and_weights_once(pendulum_run: Path, short: None, read: Counter[str]) -> None:
    evaluate(EvaluateOptions(run=pendulum_run, goal="velocity:-0.5", policy="spin"))
    once = ("settings.json", "metadata.json", "policy-spin.safetensors")
    assert [read[name] for name in once] == [1] * 3
    assert read["policy-spin.json"] == 2, "for the agent, and for the distance of the next command"
    read.clear()
    compare(CompareOptions(pendulum_run, agents=("policy", "random", "cem")))
    assert (read["settings.json"], read["metadata.json"]) == (1, 1)


def test_a_film_of_many_goals_reads_settings_and_weights_once(
    reacher_run: Path, short: None, read: Counter[str]
) -> None:
    policy = saving.load_policy(reacher_run)
    saving.save_policy(policy, reacher_run, {"goal": "any"})
    read.clear()
    evaluate(EvaluateOptions(run=reacher_run, agent="policy", task="reach-ahead"))
    once = ("settings.json", "metadata.json", "policy.safetensors")
    assert [read[name] for name in once] == [1] * 3


def test_all_trials_of_a_run_share_its_data(pendulum_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    splits: list[str] = []

    def counted(folder: Path, split: str, metadata: Any) -> Any:
        splits.append(split)
        return storage.load_ground_truth(folder, split, metadata)

    monkeypatch.setattr(run_module, "load_ground_truth", counted)
    run = Run.open(pendulum_run)
    for task, target in (("swing-up", None), ("rotate-clockwise", -4.0), ("rotate-counter-clockwise", 6.8)):
        assert Setting.of(Trial("random", task), run).target == pytest.approx(target)
    assert splits == ["train"]


def test_the_goal_is_parsed_once(pendulum_run: Path, short: None, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: Counter[str] = Counter()

    def counted(text: str) -> Any:
        parsed[text] += 1
        return parse_goal(text)

    for module in (trials, run_module, agents_by_name):
        monkeypatch.setattr(module, "parse_goal", counted)
    evaluate(EvaluateOptions(run=pendulum_run, agent="random", goal="velocity:-0.25"))
    evaluate(EvaluateOptions(run=pendulum_run, agent="cem", goal="frame:0:1", video=False))
    assert (parsed["velocity:-0.25"], parsed["frame:0:1"]) == (1, 1)


def test_a_trial_is_json_as_its_goal_was_written(pendulum_run: Path) -> None:
    options = EvaluateOptions(run=pendulum_run, goal="velocity:-.50", drop=0.25)
    trial = trial_of(options, Run.open(pendulum_run))
    assert (trial.task, trial.agent) == ("rotate-clockwise", "policy")
    assert json.loads(json.dumps(trial.as_json())) == {
        "agent": "policy",
        "task": "rotate-clockwise",
        "policy": "policy",
        "physics": "learned",
        "goal": "velocity:-.50",
        "episodes": None,
        "torque": None,
        "seed": 0,
        "losses": {"drop": 0.25, "dark": 0, "period": 1},
    }


def test_a_run_that_was_sent_on_holds_its_goal(pendulum_run: Path, tmp_path: Path) -> None:
    """It counts before the one beside the data, but not before that of data which is named."""
    shutil.copy(tmp_path / "data" / "goal.png", pendulum_run / "goal.png")
    run = Run.open(pendulum_run)
    assert run.own_goal(run.tasks["swing-up"]) == PictureGoal(pendulum_run / "goal.png")
    named = Run.open(pendulum_run, data=tmp_path / "data")
    assert named.own_goal(named.tasks["swing-up"]) == PictureGoal(tmp_path / "data" / "goal.png")
    shutil.rmtree(tmp_path / "data")
    assert own_goal(pendulum_run) == str(pendulum_run / "goal.png")


def test_a_setting_without_goals_of_its_own(pendulum_run: Path) -> None:
    setting = Setting.of(Trial("random", "swing-up", torque=3.0), Run.open(pendulum_run))
    assert setting.goal == PictureGoal(setting.run.data / "goal.png") and setting.own_goals is None
    assert (setting.bound, setting.task.env_kwargs) == (3.0, {"picture": "rod", "torque_limit": 3.0})
    assert (setting.count, setting.starting) == (50, setting.task)
    assert setting.only(7) == replace(setting, count=1)


def test_episodes_with_goals_of_their_own(reacher_run: Path) -> None:
    setting = Setting.of(Trial("random", "reach-ahead", episodes=4, seed=3), Run.open(reacher_run))
    goals, one = setting.own_goals, setting.only(2)
    assert goals is not None and goals.goals.shape == (4, 2) and isinstance(setting.goal, ObservedGoals)
    assert one.count == 1 and one.own_goals is not None and isinstance(one.goal, ObservedGoals)
    np.testing.assert_array_equal(one.own_goals.goals[0], goals.goals[2])
    np.testing.assert_array_equal(one.goal.observations[0], setting.goal.observations[2])
    assert set(setting.starting.reset_options) == {"angles", "velocities", "target"}
    np.testing.assert_array_equal(one.starting.reset_options["angles"], setting.starting.reset_options["angles"][2:3])
    exact = {name: np.stack([goals.goals] * 3) for name in ("angles", "velocities")}
    assert setting.outcome(exact).success.tolist() == [True] * 4  # type: ignore[union-attr]


def test_a_goal_of_the_user_hides_the_true_one(reacher_run: Path) -> None:
    """The starts stay what they are; the target is out of sight, and nothing but the spread is measured."""
    run = Run.open(reacher_run)
    own = Setting.of(Trial("random", "reach", episodes=3), run)
    given = Setting.of(Trial("random", "reach", episodes=3, goal=GivenGoal.parse("goal.json")), run)
    assert given.own_goals is None and given.goal == PictureGoal(Path("goal.json"))
    np.testing.assert_array_equal(given.starting.reset_options["angles"], own.starting.reset_options["angles"])
    assert np.unique(given.starting.reset_options["target"]).tolist() == [9.0]
    outcome = given.outcome({name: np.zeros((2, 3, 2)) for name in ("angles", "velocities")})
    assert outcome.success is None and set(outcome.figures) == {"shoulder_spread", "wrist_spread"}
    silent = replace(given, task=replace(given.task, measure_unknown=None))
    assert silent.outcome({}) == (None, {}, {}, ())


def test_settings_that_a_caller_has_are_not_read_again(pendulum_run: Path) -> None:
    settings = folder.load_settings(pendulum_run)
    (pendulum_run / "settings.json").unlink()
    model = folder.load_model(pendulum_run, settings=settings)
    assert model.spec.observation_shape == (16, 16, 1)
    with pytest.raises(UserError, match=r"settings\.json"):
        Run.open(pendulum_run)
