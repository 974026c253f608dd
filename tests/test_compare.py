"""The verb: who takes part, what is repeated and what is not; with a small, untrained model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from latentrl import compare as module
from latentrl.agents.planners import PLANNERS, CEMOptions
from latentrl.agents.planners.cem import CEM
from latentrl.agents.policies import MLPPolicy, save_policy
from latentrl.compare import compare, main
from latentrl.envs import PENDULUM, TASKS, tasks_in
from latentrl.evaluate import evaluate
from latentrl.evaluation import judging
from latentrl.evaluation.agents_by_name import goals_of_policies
from latentrl.evaluation.comparison import planned, unlearned
from latentrl.evaluation.options import CompareOptions, EvaluateOptions
from latentrl.evaluation.run import Run
from latentrl.evaluation.trials import Trial
from latentrl.support.errors import UserError

AGENTS = ("policy", "random", "cem")


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Episodes of four steps, and a planner that hardly plans."""
    for name, task in list(TASKS.items()):
        monkeypatch.setitem(TASKS, name, replace(task, steps=4, seconds=None, episodes=2))
    quick = CEMOptions(horizon=2, samples=4, iterations=1, elites=2)
    monkeypatch.setitem(PLANNERS, "cem", lambda low, high: CEM(low, high, quick))


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the trials that really ran."""
    names: list[str] = []
    original = judging.judge

    def counted(setting: Any, *args: Any) -> Any:
        names.append(setting.trial.name)
        return original(setting, *args)

    monkeypatch.setattr(module, "judge", counted)
    return names


def plan(options: CompareOptions) -> list[Trial]:
    return planned(options, Run.open(options.run), goals_of_policies(options.run))


def commands_to_learn(options: CompareOptions) -> list[str]:
    return unlearned(options, Run.open(options.run), goals_of_policies(options.run))


def test_everyone_takes_part_with_the_references_and_the_policies_of_the_goal(pendulum_run: Path) -> None:
    planned = plan(CompareOptions(pendulum_run, agents=AGENTS))
    assert [(trial.task, trial.contestant) for trial in planned] == [
        ("swing-up", "random"),
        ("swing-up", "policy"),
        ("swing-up", "cem"),
        ("swing-up", "cem-true-physics"),
        ("rotate-clockwise", "random"),
        ("rotate-clockwise", "policy-spin"),
        ("rotate-clockwise", "cem"),
        ("rotate-clockwise", "cem-true-physics"),
        ("rotate-counter-clockwise", "random"),
        ("rotate-counter-clockwise", "cem"),
        ("rotate-counter-clockwise", "cem-true-physics"),
    ]
    defaults = plan(CompareOptions(pendulum_run))
    assert {trial.agent for trial in defaults} == {"random", "policy", *PLANNERS}


def test_a_policy_for_any_goal_takes_part_where_the_goal_is_a_position(pendulum_run: Path) -> None:
    limit = torch.tensor([7.0])
    policy = MLPPolicy(-limit, limit, torch.zeros(5), torch.ones(5), (4,), "mean", 2)
    save_policy(policy, pendulum_run, {"goal": "any"}, "all")
    planned = plan(CompareOptions(pendulum_run, agents=("policy",), true_physics=False))
    assert [(trial.task, trial.contestant) for trial in planned] == [
        ("swing-up", "policy-all"),
        ("swing-up", "policy"),
        ("rotate-clockwise", "policy-spin"),
    ]
    table = compare(CompareOptions(pendulum_run, tasks=("swing-up",), agents=("policy",), true_physics=False))
    assert [row["agent"] for row in table] == ["policy-all", "policy"]
    with pytest.raises(UserError, match=r"reaches any position, .* is a velocity; learn one for it"):
        evaluate(EvaluateOptions(pendulum_run, policy="all", task="rotate-clockwise", video=False))


def test_the_table_is_written_in_three_forms(pendulum_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = compare(CompareOptions(pendulum_run, agents=AGENTS))
    assert json.loads((pendulum_run / "compare.json").read_text())["rows"] == table and len(table) == 11
    assert len((pendulum_run / "compare.csv").read_text().splitlines()) == 12
    text = (pendulum_run / "compare.md").read_text(encoding="utf-8")
    assert all(f"## {task}" in text for task in tasks_in(PENDULUM))
    assert not list(pendulum_run.rglob("*.partial"))
    printed = capsys.readouterr().out
    goal = "--goal velocity:0.85 --action-limit 30 --name rotate-counter-clockwise"
    command = f"python -m latentrl.learn --run {pendulum_run} {goal}"
    assert command in printed and f"next: {command}" in printed


def test_what_is_finished_is_not_repeated(pendulum_run: Path, ran: list[str]) -> None:
    options = CompareOptions(pendulum_run, tasks=("swing-up",), agents=AGENTS)
    first = compare(options)
    assert ran == ["random", "policy", "cem", "cem-true-physics"]
    assert compare(options) == first and len(ran) == 4
    compare(replace(options, tasks=("swing-up", "rotate-clockwise"), agents=("random",)))
    assert ran[4:] == ["random_rotate-clockwise"]


def test_an_interrupted_comparison_goes_on(
    pendulum_run: Path, ran: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    counted = getattr(module, "judge")  # noqa: B009, the fixture's

    def interrupted(setting: Any, *args: Any) -> Any:
        if setting.trial.agent == "cem":
            raise KeyboardInterrupt
        return counted(setting, *args)

    arguments = ["--run", str(pendulum_run), "--tasks", "swing-up", "--agents", *AGENTS, "--no-true-physics"]
    with monkeypatch.context() as patch:
        patch.setattr(module, "judge", interrupted)
        with pytest.raises(SystemExit) as exit_code:
            main(arguments)
    assert exit_code.value.code == 130 and "to go on" in capsys.readouterr().out
    assert not (pendulum_run / "compare.md").exists()
    main(arguments)
    assert ran == ["random", "policy", "cem"]


def test_a_policy_that_was_learned_anew_and_other_settings_are_run_again(pendulum_run: Path, ran: list[str]) -> None:
    options = CompareOptions(pendulum_run, tasks=("swing-up",), agents=("policy", "random"))
    compare(options)
    limit = torch.tensor([7.0])
    settings = {"goal": "goal.png"}
    save_policy(MLPPolicy(-limit, limit, torch.ones(3), torch.ones(3), (4,)), pendulum_run, settings)
    compare(options)
    assert ran == ["random", "policy", "policy"]
    compare(replace(options, episodes=3))
    assert ran[3:] == ["random", "policy"]


def test_a_missing_policy_is_named_with_the_command_that_learns_it(pendulum_run: Path) -> None:
    assert len(commands_to_learn(CompareOptions(pendulum_run))) == 1
    (pendulum_run / "policy.json").unlink()
    commands = commands_to_learn(CompareOptions(pendulum_run))
    assert len(commands) == 2 and "--action-limit 7" in commands[0] and "--name" not in commands[0]
    assert f"--goal {pendulum_run.parent / 'data' / 'goal.png'}" in commands[0]
    assert commands_to_learn(CompareOptions(pendulum_run, agents=("random",))) == []


@pytest.mark.parametrize(
    "wrong", [{"tasks": ("juggle",)}, {"agents": ("chance",)}, {"agents": ()}, {"episodes": 0}], ids=str
)
def test_bad_options_are_clear_errors(pendulum_run: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=f"--{next(iter(wrong))}"):
        compare(CompareOptions(**{"run": pendulum_run, **wrong}))


def test_another_horizon_is_planned_anew_and_nothing_else_is(
    pendulum_run: Path, ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = CEMOptions(horizon=2, samples=4, iterations=1, elites=2)
    monkeypatch.setitem(PLANNERS, "cem", lambda low, high, options=None: CEM(low, high, options or quick))
    options = CompareOptions(pendulum_run, tasks=("swing-up",), agents=AGENTS, true_physics=False)
    compare(options)
    assert ran == ["random", "policy", "cem"]
    assert "steps ahead" not in (pendulum_run / "compare.md").read_text()
    for horizon, again in ((3, ["cem"]), ("0.3s", []), ("0.4s", ["cem"]), (None, ["cem"])):
        ran.clear()
        compare(replace(options, horizon=horizon))
        assert ran == again
        stored = json.loads((pendulum_run / "compare" / "cem.json").read_text())["trial"].get("horizon")
        told = json.loads((pendulum_run / "compare.json").read_text()).get("horizon")
        text = (pendulum_run / "compare.md").read_text()
        assert stored == told and (f"Planners look {stored} steps ahead." in text) == (stored is not None)


def test_a_horizon_without_a_planner_is_refused(pendulum_run: Path) -> None:
    with pytest.raises(UserError, match="--horizon 30 --agents random policy: only planners look ahead"):
        compare(CompareOptions(pendulum_run, agents=("random", "policy"), horizon=30))
    trials = plan(CompareOptions(pendulum_run, agents=AGENTS, horizon=30))
    assert {trial.agent for trial in trials if trial.horizon == 30} == {"cem"}
    assert {trial.agent for trial in trials if trial.horizon is None} == {"random", "policy"}


def test_planners_are_compared_by_another_distance_and_the_table_says_so(pendulum_run: Path, ran: list[str]) -> None:
    options = CompareOptions(pendulum_run, tasks=("swing-up", "rotate-clockwise"), agents=AGENTS, distance="geodesic")
    trials = plan(options)
    measured = [trial for trial in trials if trial.distance is not None]
    assert [(one.agent, one.task, one.physics) for one in measured] == [("cem", "swing-up", "learned")]
    compare(replace(options, tasks=("swing-up",), true_physics=False))
    assert ran == ["random", "policy", "cem_geodesic"]
    assert "Planners measure geodesic distances" in (pendulum_run / "compare.md").read_text()
    assert json.loads((pendulum_run / "compare.json").read_text())["distance"] == "geodesic"
    ran.clear()
    compare(replace(options, tasks=("swing-up",), true_physics=False, distance="euclid"))
    assert ran == ["cem"]
    with pytest.raises(UserError, match="--distance geodesic --agents random: only planners measure it"):
        plan(replace(options, agents=("random",)))


def test_a_given_goal_is_compared_in_the_task_that_evaluate_takes_for_it(pendulum_run: Path) -> None:
    options = CompareOptions(pendulum_run, agents=("random", "policy", "cem"), true_physics=False)
    # The run has a policy for a position, and one for another velocity.
    for goal, task, learned in (("velocity:0.5", "rotate-counter-clockwise", 0), ("frame:0:3", "swing-up", 1)):
        planned = plan(replace(options, goal=goal))
        assert {trial.task for trial in planned} == {task}
        assert {trial.goal and trial.goal.text for trial in planned} == {goal}
        assert [trial.agent for trial in planned] == ["random", *["policy"] * learned, "cem"]
        missing = commands_to_learn(replace(options, goal=goal))
        assert len(missing) == 1 - learned and all(f"--goal {goal}" in command for command in missing)
    planned = plan(replace(options, goal="velocity:0.5", tasks=("rotate-clockwise",)))
    assert [trial.task for trial in planned] == ["rotate-clockwise"] * 2


@pytest.mark.parametrize(
    ("goal", "tasks", "said"),
    [
        ("frame:0:3", ("swing-up", "rotate-clockwise"), "each of them has a goal of its own; give one task alone"),
        ("velocity:abc", None, "--goal velocity:abc"),
        ("nowhere.png", ("swing-up",), "nowhere.png"),
    ],
)
def test_a_goal_that_nothing_is_compared_by_is_an_error(
    pendulum_run: Path, goal: str, tasks: tuple[str, ...] | None, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        compare(CompareOptions(pendulum_run, goal=goal, tasks=tasks, agents=("random", "cem"), true_physics=False))


def test_a_given_goal_has_no_reference_that_knows_another(pendulum_run: Path) -> None:
    options = CompareOptions(pendulum_run, agents=("cem",))
    for goal, references in (
        ("frame:0:3", 0),
        ("velocity:0.5", 1),
        (str(pendulum_run.parent / "data" / "goal.png"), 1),
    ):
        assert sum(trial.physics == "true" for trial in plan(replace(options, goal=goal))) == references


def test_where_nobody_takes_part_the_policy_is_still_named(pendulum_run: Path) -> None:
    options = CompareOptions(pendulum_run, agents=("policy",), true_physics=False, goal="velocity:0.5")
    assert plan(options) == []
    (command,) = commands_to_learn(options)
    assert command.endswith("--name rotate-counter-clockwise-velocity-0.5"), "another speed has that of the task"


def test_another_picture_in_the_goal_s_place_is_compared_anew(pendulum_run: Path, ran: list[str]) -> None:
    path = pendulum_run.parent / "given.png"
    Image.new("L", (16, 16), 10).save(path)
    options = CompareOptions(pendulum_run, agents=("cem",), true_physics=False, goal=str(path))
    compare(options)
    compare(options)
    assert ran == ["cem"]
    Image.new("L", (16, 16), 200).save(path)
    compare(options)
    assert ran == ["cem", "cem"]
