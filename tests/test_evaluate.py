"""The verb: what it writes, under which names, and what it refuses; with a small, untrained model."""

from __future__ import annotations

import json
import shutil
from contextlib import redirect_stdout
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import tyro

from latentrl import evaluate as verb
from latentrl.agents.planners import PLANNERS, CEMOptions
from latentrl.agents.planners.cem import CEM
from latentrl.envs import PENDULUM, TASKS, tasks_in
from latentrl.evaluate import evaluate, main
from latentrl.evaluation.agents_by_name import agents
from latentrl.evaluation.beliefs import believed_picture
from latentrl.evaluation.options import EvaluateOptions
from latentrl.evaluation.sensing import Losses
from latentrl.evaluation.trials import GivenGoal, Trial, task_of
from latentrl.goals.parsing import parse_goal
from latentrl.numerics.statistics import wilson_interval
from latentrl.runs.folder import load_model, load_settings
from latentrl.support.errors import UserError
from latentrl.support.files import write_json
from tests.unread import Unread


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Episodes of six steps, and a planner that hardly plans."""
    for name, task in list(TASKS.items()):
        monkeypatch.setitem(TASKS, name, replace(task, steps=6, seconds=None, episodes=2))
    quick = CEMOptions(horizon=2, samples=4, iterations=1, elites=2)
    monkeypatch.setitem(PLANNERS, "cem", lambda low, high: CEM(low, high, quick))


def given(goal: str) -> GivenGoal:
    return GivenGoal(goal, parse_goal(goal))


@pytest.mark.parametrize("agent", ["policy", "cem", "random"])
def test_evaluate_writes_figures_and_video(pendulum_run: Path, agent: str, capsys: pytest.CaptureFixture[str]) -> None:
    (pendulum_run / "metrics.json").write_text('{"warnings": ["the motion is hardly learned: 3%"]}')
    summary = evaluate(EvaluateOptions(run=pendulum_run, agent=agent))
    assert (summary["episodes"], summary["successes"], summary["success"]) == (2, 0, [False, False])
    assert summary["wilson_95"] == pytest.approx(wilson_interval(0, 2))
    assert summary["measures"]["seconds_to_upright"] == {"median": None, "per_episode": [None, None]}
    assert summary["control_rate"]["hz_median"] >= summary["control_rate"]["hz_p99"] > 0
    assert json.loads((pendulum_run / f"evaluation_{agent}.json").read_text()) == summary
    weights = ["model.safetensors", *(["policy.safetensors"] if agent == "policy" else [])]
    assert summary["evaluated"] == {name: sha256((pendulum_run / name).read_bytes()).hexdigest() for name in weights}
    assert (pendulum_run / f"evaluation_{agent}.gif").read_bytes().startswith(b"GIF89a")
    assert not list(pendulum_run.glob("*.partial")) and not list(pendulum_run.glob("*_belief.png"))
    printed = capsys.readouterr().out
    assert "0 of 2" in printed and printed.splitlines()[-1].startswith("next: ")
    assert ("warned: the motion is hardly learned;" in printed) == (agent != "random"), "of what knows the model alone"


def test_the_next_agent_is_judged_as_this_one_was(pendulum_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    same = ["--episodes", "3", "--seed", "4", "--drop", "0.2", "--blackout", "1/4"]
    for agent, after in (("cem", "ilqr --physics true"), ("mppi", "random")):
        main(["--run", str(pendulum_run), "--agent", agent, *same, "--physics", "true", "--steps", "2", "--no-video"])
        (line,) = [one for one in capsys.readouterr().out.splitlines() if one.startswith("next: ")]
        following, *physics = after.split(maxsplit=1)
        assert " ".join([*same, *physics]) in line and ("--physics" in line) == bool(physics)
        assert line.endswith(f"--no-video --agent {following}")
    main(["--run", str(pendulum_run), "--agent", "random", *same, "--steps", "2", "--no-video"])
    (line,) = [one for one in capsys.readouterr().out.splitlines() if one.startswith("next: ")]
    assert "latentrl.compare" in line and line.endswith("--steps 2 --episodes 3 --seed 4")


def test_figures_are_kept_where_nobody_reads_what_is_printed(pendulum_run: Path) -> None:
    with redirect_stdout(Unread()), pytest.raises(BrokenPipeError):
        evaluate(EvaluateOptions(run=pendulum_run, agent="random", video=False))
    (path,) = pendulum_run.glob("evaluation*.json")
    assert json.loads(path.read_text())["episodes"] == 2


def test_figures_are_said_where_they_cannot_be_written(
    pendulum_run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(verb, "write_json", full)
    with pytest.raises(OSError, match="No space"):
        evaluate(EvaluateOptions(run=pendulum_run, agent="random", video=False))
    assert "success" in capsys.readouterr().out


def test_each_agent_names_the_next_until_the_table(pendulum_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    agent, visited = "policy", ["policy"]
    while True:
        evaluate(EvaluateOptions(run=pendulum_run, agent=agent, goal="frame:0:1", video=False))
        command = capsys.readouterr().out.splitlines()[-1]
        if "latentrl.compare" in command:
            break
        assert "--goal frame:0:1" in command
        agent = command.split()[-1]
        visited.append(agent)
    assert visited == ["policy", *PLANNERS, "random"]


def test_lost_frames_are_counted_and_their_belief_is_drawn(pendulum_run: Path) -> None:
    options = EvaluateOptions(run=pendulum_run, agent="random", drop=0.5, blackout="2/4", video=False)
    summary = evaluate(options)
    arrived = Losses(0.5, 2, 4).arrivals(6, 2, 0)
    assert summary["frames_lost"] == pytest.approx(1 - arrived.mean()) and summary["frames_lost"] > 0
    stem = "evaluation_random_drop-0.5_blackout-2-4"
    assert {path.name for path in pendulum_run.glob("evaluation*")} == {f"{stem}.json", f"{stem}_belief.png"}


def test_a_rotation_is_measured_against_the_top_speed_of_the_data(pendulum_run: Path) -> None:
    summary = evaluate(EvaluateOptions(run=pendulum_run, task="rotate-clockwise", policy="spin", video=False))
    assert summary["target"] == -4.0 and summary["agent"] == "policy-spin"
    measures = summary["measures"]
    ratios = np.array(measures["speed_ratio"]["per_episode"])
    assert ratios == pytest.approx(np.array(measures["mean_speed"]["per_episode"]) / -4.0)
    assert summary["success"] == (np.abs(ratios - 1) <= 0.05).tolist()
    assert (pendulum_run / "evaluation_policy-spin_rotate-clockwise.json").is_file()


def test_the_goal_sets_the_speed_and_the_task(pendulum_run: Path) -> None:
    summary = evaluate(EvaluateOptions(run=pendulum_run, agent="random", goal="velocity:0.25", video=False))
    assert (summary["task"], summary["target"]) == ("rotate-counter-clockwise", 2.0)
    assert (pendulum_run / "evaluation_random_rotate-counter-clockwise_velocity-0.25.json").is_file()
    goals = (None, parse_goal("goal.png"), parse_goal("velocity:-0.1"))
    tasks = {name: TASKS[name] for name in tasks_in(PENDULUM)}
    assert [task_of(goal, tasks) for goal in goals] == ["swing-up", "swing-up", "rotate-clockwise"]


def test_the_torque_reaches_agent_and_environment(pendulum_run: Path) -> None:
    """From hanging, 0.6 s of random torque: the speed that a larger limit allows is larger."""
    speeds = []
    for torque in (0.1, 30.0):
        options = EvaluateOptions(pendulum_run, "random", task="rotate-clockwise", torque=torque, video=False)
        speeds.append(np.abs(evaluate(options)["measures"]["mean_speed"]["per_episode"]).max())
    assert speeds[0] < 0.1 < 1.0 < speeds[1]


def test_a_policy_needs_no_data_but_for_a_rotation(pendulum_run: Path) -> None:
    data = Path(load_settings(pendulum_run)["options"]["data"])
    moved = data.rename(data.with_name("elsewhere"))
    evaluate(EvaluateOptions(run=pendulum_run, video=False))
    spin = EvaluateOptions(run=pendulum_run, task="rotate-clockwise", policy="spin", video=False)
    with pytest.raises(UserError, match="--data"):
        evaluate(spin)
    assert evaluate(replace(spin, data=moved))["target"] == -4.0
    shutil.rmtree(moved)


def test_planners_on_the_true_physics_are_named_as_such(pendulum_run: Path) -> None:
    summary = evaluate(EvaluateOptions(run=pendulum_run, agent="cem", physics="true"))
    assert summary["agent"] == "cem-true-physics"
    assert (pendulum_run / "evaluation_cem-true-physics.gif").is_file()
    rotation = EvaluateOptions(run=pendulum_run, agent="cem", physics="true", task="rotate-clockwise", video=False)
    assert evaluate(rotation)["target"] == -4.0


def test_every_trial_has_a_name_of_its_own() -> None:
    trials = [Trial(agent, task) for agent in agents() for task in TASKS]
    trials += [Trial("cem", "swing-up", losses=Losses(*loss)) for loss in ((0.3,), (0.0, 5, 20), (0.3, 5, 20))]
    trials += [Trial("cem", "swing-up", physics="true"), Trial("policy", "swing-up", policy="sac")]
    trials += [Trial("cem", "rotate-clockwise", goal=given(goal)) for goal in ("velocity:-0.4", "velocity:-0.3")]
    names = [trial.name for trial in trials]
    assert len(set(names)) == len(names)
    assert Trial("cem", "swing-up", goal=given("data/goal.png"), episodes=3, seed=4).name == "cem"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"agent": "chance"}, "random"),
        ({"task": "juggle"}, "swing-up"),
        ({"policy": "other"}, "policy-spin"),
        ({"policy": "spin"}, "velocity:-0.5"),
        ({"task": "rotate-clockwise"}, "goal.png"),
        ({"task": "swing-up", "goal": "velocity:0.5", "agent": "cem"}, "position"),
        ({"task": "rotate-clockwise", "goal": "goal.png", "agent": "cem"}, "FRACTION"),
        ({"task": "rotate-clockwise", "goal": "velocity:0", "agent": "cem"}, "not 0"),
        ({"physics": "true"}, "planners"),
        ({"episodes": 0}, "episodes 0"),
        ({"torque": -1.0}, "action-limit -1"),
        ({"torque": 1e-50}, "action-limit 1e-50"),
        ({"steps": 0}, "steps 0"),
        ({"repeat": 0}, "repeat 0"),
        ({"drop": 1.0}, "drop 1"),
        ({"blackout": "often"}, "5/20"),
    ],
    ids=str,
)
def test_bad_options_are_clear_errors(pendulum_run: Path, wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        evaluate(EvaluateOptions(**{"run": pendulum_run, "video": False, **wrong}))
    assert not list(pendulum_run.glob("evaluation*"))


def test_a_run_of_another_environment_is_a_clear_error(pendulum_run: Path) -> None:
    settings = load_settings(pendulum_run)
    write_json(pendulum_run / "settings.json", settings | {"data": {"env_id": "Pendulum-v1", "env_kwargs": {}}})
    with pytest.raises(UserError, match="Pendulum-v1"):
        evaluate(EvaluateOptions(run=pendulum_run))


def test_a_damaged_policy_is_a_clear_error(pendulum_run: Path) -> None:
    (pendulum_run / "policy.safetensors").write_bytes(b"nothing")
    with pytest.raises(UserError, match="policy"):
        evaluate(EvaluateOptions(run=pendulum_run))


def test_the_belief_is_decoded_to_a_picture(pendulum_run: Path) -> None:
    model = load_model(pendulum_run)
    state = torch.tensor([[0.5, -0.2, 3.0], [9.0, 0.0, 0.0]])
    decoded = believed_picture(model, state)
    expected = model.emission(state[:1]).mean[0].detach().clamp(0, 1).numpy() * 255
    assert decoded.shape == (16, 16, 1) and decoded.dtype == np.uint8
    assert np.abs(decoded - expected).max() <= 0.5 + 1e-4


def test_a_planner_looks_as_far_as_it_is_told_and_the_figures_say_so(
    pendulum_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Seconds are counted in the control step of the pendulum's data, 0.1 s."""
    looked = []

    def planner(low: torch.Tensor, high: torch.Tensor, options: CEMOptions | None = None) -> CEM:
        made = CEM(low, high, options or CEMOptions(horizon=2, samples=4, iterations=1, elites=2))
        looked.append(made.horizon)
        return made

    monkeypatch.setitem(PLANNERS, "cem", planner)
    for horizon, steps in (("0.3s", 3), (5, 5), (None, 2)):
        summary = evaluate(EvaluateOptions(run=pendulum_run, agent="cem", horizon=horizon, video=False))
        assert summary["trial"].get("horizon") == (None if horizon is None else steps)
        assert summary["options"]["horizon"] == horizon
        assert looked[-1] == steps
        assert (f"--horizon {horizon}" in capsys.readouterr().out.splitlines()[-1]) == (horizon is not None)
    evaluate(EvaluateOptions(run=pendulum_run, agent="cem", physics="true", horizon=4, video=False))
    assert looked[-1] == 4


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"agent": "policy", "horizon": 30}, "--horizon 30 --agent policy: only planners look ahead as they act"),
        ({"horizon": "1s"}, "--horizon 1s --agent policy: only planners look ahead as they act"),
        ({"agent": "random", "horizon": 30}, "--horizon 30 --agent random: only planners"),
        ({"agent": "cem", "horizon": 0}, "--horizon 0: give one step or more"),
        ({"agent": "cem", "horizon": "0.05s"}, r"--horizon 0.05s: is less than a step of 0.1 s; give 0.1s or more"),
    ],
)
def test_a_horizon_that_nobody_can_look_is_refused(pendulum_run: Path, given: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        evaluate(EvaluateOptions(run=pendulum_run, **given))


def test_the_command_line_takes_steps_and_seconds(pendulum_run: Path) -> None:
    for text, kept in (("3", 3), ("0.3s", "0.3s")):
        found = tyro.cli(EvaluateOptions, args=["--run", str(pendulum_run), "--horizon", text])
        assert found.horizon == kept


def test_a_planner_measures_as_it_is_told_and_the_figures_say_so(
    pendulum_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = evaluate(EvaluateOptions(pendulum_run, agent="cem", distance="geodesic", video=False))
    assert summary["trial"]["distance"] == "geodesic"
    assert json.loads((pendulum_run / "evaluation_cem_geodesic.json").read_text()) == summary
    assert "--distance geodesic" in capsys.readouterr().out, "the next planner is judged alike"
    straight = evaluate(EvaluateOptions(pendulum_run, agent="cem", video=False))
    assert "distance" not in straight["trial"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"distance": "manhattan"}, "--distance manhattan: choose one of euclid, geodesic"),
        ({"agent": "policy", "distance": "geodesic"}, "--distance geodesic --agent policy: only planners in the model"),
        (
            {"agent": "cem", "physics": "true", "distance": "geodesic"},
            "--distance geodesic --physics true: only planners in the model",
        ),
        (
            {"agent": "cem", "goal": "velocity:0.5", "distance": "geodesic"},
            "--distance geodesic: is a distance of positions, but the goal is a velocity",
        ),
    ],
    ids=["unknown", "policy", "physics", "velocity"],
)
def test_a_distance_that_nobody_measures_is_refused(pendulum_run: Path, given: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        evaluate(EvaluateOptions(pendulum_run, **given))
