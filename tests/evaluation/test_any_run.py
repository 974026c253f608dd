"""Runs of environments that nobody has described: evaluated, compared and learned for, in the environment itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from latentrl.agents.options import LearnOptions
from latentrl.agents.planners import PLANNERS, CEMOptions
from latentrl.agents.planners.cem import CEM
from latentrl.collect import CollectOptions, collect
from latentrl.compare import compare
from latentrl.data_collection.storage import load_ground_truth, load_metadata, load_sequences, write
from latentrl.evaluate import evaluate, main
from latentrl.evaluation.loading import load_agent
from latentrl.evaluation.options import CompareOptions, EvaluateOptions
from latentrl.evaluation.run import Run
from latentrl.evaluation.setting import Setting
from latentrl.evaluation.trials import Trial
from latentrl.goals.doubts import DOUBTS
from latentrl.learn import learn
from latentrl.models.ekvae import EKVAE, EKVAESettings
from latentrl.models.spec import DataSpec
from latentrl.runs.folder import MODEL, SETTINGS, model_settings
from latentrl.runs.tensors import write_tensors
from latentrl.runs.velocity_range import VelocityRange, save_range
from latentrl.support.errors import UserError
from latentrl.support.files import write_json
from latentrl.types import Trajectory
from tests.ball import HIGH, ID, LOW, NAMED, STEP, Ball

DECLARED = """
[[coordinates]]
name = "x"
kind = "line"
key = "place"
index = 0
unit = "m"
[[coordinates]]
name = "vx"
kind = "velocity"
key = "speed"
index = 0
unit = "m/s"
[tasks.stay]
goal = "goal.json"
pose = { x = 0.0 }
tolerance = { x = 0.3 }
hold = 3
steps = 4
episodes = 3
reset_options = { place = [0.0, 0.0] }
[tasks.roll]
goal = "velocity:0.5,0.0"
measure = "steady_speed"
velocity = "vx"
target = 0.2
tolerance = 0.5
steps = 6
episodes = 2
action_limit = 0.25
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planner that hardly plans."""
    options = CEMOptions(horizon=2, samples=4, iterations=1, elites=2)
    monkeypatch.setitem(PLANNERS, "cem", lambda low, high: CEM(low, high, options))


def untrained(run: Path, data: Path, **changes: Any) -> Path:
    """The run folder of a small EKVAE with random weights on a data folder; ``changes`` to what it says of the data."""
    run.mkdir()
    torch.manual_seed(0)
    spec = DataSpec.of(load_sequences(data, "train"))
    settings = EKVAESettings(state_size=4, base_matrices=2, hidden=(8,), gate_hidden=(4,), prior_hidden=(4,))
    model = EKVAE(spec, settings)
    described = {"model": model_settings("ekvae", model), "options": {"data": str(data)}}
    write_json(run / SETTINGS, described | {"data": {**load_metadata(data), **changes}})
    write_tensors(run / MODEL, model.state_dict())
    save_range(VelocityRange(torch.tensor([0.25, 0.0]), torch.tensor([2.0, 1.0])), run)
    return run


def collected(folder: Path, **options: Any) -> Path:
    sizes = {"sequences": 3, "test_sequences": 1, "length": 3, "num_envs": 2}
    return collect(CollectOptions(**{"env": NAMED, "out": folder, **sizes, **options}))


@pytest.fixture
def ball_run(tmp_path: Path) -> Path:
    """A run on the ball's sensors, whose goal came with its data."""
    data = collected(tmp_path / "data")
    (data / "goal.json").write_text("[0.5, 0.5]\n")
    return untrained(tmp_path / "run", data)


def options(run: Path, **changes: Any) -> EvaluateOptions:
    return EvaluateOptions(**{"run": run, "agent": "random", "episodes": 3, "steps": 5, "video": False, **changes})


def values(summary: dict[str, Any], name: str) -> list[float]:
    found: list[float] = summary["measures"][name]["per_episode"]
    return found


def test_what_is_measured_is_the_environments_return_and_the_distance_to_the_goal(ball_run: Path) -> None:
    """From one place, pushed by the forces that the seed draws: where the ball goes is worked out beside it."""
    summary = evaluate(options(ball_run, reset_options={"place": [0.0, 0.0]}, seed=4))
    bounds = np.array([LOW, HIGH])
    draws = torch.Generator().manual_seed(4)
    actions = [torch.rand(3, 2, generator=draws).numpy() * (bounds[1] - bounds[0]) + bounds[0] for _ in range(5)]
    speed = 0.1 * np.cumsum(actions, 0)
    place = 0.1 * np.cumsum(speed, 0)
    distance = np.linalg.norm(place - 0.5, axis=-1)
    np.testing.assert_allclose(values(summary, "return"), -distance.sum(0), rtol=1e-5)
    np.testing.assert_allclose(values(summary, "observed_closest"), distance.min(0) / np.sqrt(2), rtol=1e-5)
    np.testing.assert_allclose(values(summary, "observed_at_end"), distance[-1] / np.sqrt(2), rtol=1e-5)
    assert values(summary, "seconds_to_observed_closest") == pytest.approx((distance.argmin(0) + 1) * 0.1)
    overall = summary["overall"]
    assert overall["return_low"] <= overall["return_mean"] <= overall["return_high"] and summary["successes"] is None
    assert summary["action_low"] == pytest.approx(LOW) and summary["action_high"] == pytest.approx(HIGH)
    assert (summary["task"], summary["goal"]) == ("reach", str(ball_run.parent / "data" / "goal.json"))
    assert json.loads((ball_run / "evaluation_random_reach.json").read_text()) == summary


def test_readings_are_a_goal_as_they_are_written(ball_run: Path) -> None:
    """The same as the file that holds them, for whoever evaluates and whoever makes an agent."""
    (ball_run / "other.json").write_text("[0.25, -0.5]")
    by_file, written = (
        evaluate(options(ball_run, agent="cem", goal=goal)) for goal in (str(ball_run / "other.json"), "[0.25, -0.5]")
    )
    assert written["goal"] == "[0.25, -0.5]"
    assert values(written, "observed_at_end") == values(by_file, "observed_at_end")
    path = learn(LearnOptions(ball_run, goal="[0.25, -0.5]", updates=1, horizon=2))
    assert json.loads(path.with_suffix(".json").read_text())["settings"]["goal"] == "[0.25, -0.5]"
    assert evaluate(options(ball_run, agent="policy", goal="[0.25, -0.5]"))["goal"] == "[0.25, -0.5]"
    assert evaluate(options(ball_run, agent="policy"))["goal"] == "[0.25, -0.5]", "what it has learned to reach"


def test_a_number_is_the_goal_of_who_sees_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    made = [
        Trajectory(rng.normal(size=(4, 1)).astype(np.float32), rng.normal(size=(3, 1)).astype(np.float32), {})
        for _ in range(3)
    ]
    for split in ("train", "test"):
        write(tmp_path / "data", split, made, {"env_id": None, "action_low": [-9.0], "action_high": [9.0]})
    run = untrained(tmp_path / "run", tmp_path / "data")
    seen = np.zeros(1, np.float32)
    acted = [load_agent(run, goal, seed=1).act(seen).tolist() for goal in (90.0, 90, "[90.0]", np.array([90.0]))]
    assert all(one == acted[0] for one in acted[1:])
    with pytest.raises(UserError, match=r"goal: has the shape \(\)"):
        load_agent(untrained(tmp_path / "ball", collected(tmp_path / "two")), 90.0)


def test_encoded_distances_are_those_of_the_models_own_filter(ball_run: Path) -> None:
    """At the goal's own observation, at rest, nothing is far from it; the filter has no other information."""
    still = options(ball_run, torque=1e-6, reset_options={"place": [0.5, 0.5]}, steps=2)
    summary = evaluate(still)
    away = evaluate(options(ball_run, torque=1e-6, reset_options={"place": [-0.5, -0.5]}, steps=2))
    assert max(values(summary, "encoded_at_end")) < min(values(away, "encoded_at_end"))
    assert max(values(summary, "observed_at_end")) < 1e-6 and min(values(away, "observed_at_end")) > 0.9


def test_every_agent_acts_within_bounds_that_are_not_the_same_to_both_sides(ball_run: Path) -> None:
    """The ball refuses what is outside; a policy that was learned with more is cut."""
    for policy in ("analytic-gradient", "sac"):
        budget: dict[str, Any] = {"updates": 1} if policy == "analytic-gradient" else {"steps": 8}
        learn(LearnOptions(ball_run, policy=policy, horizon=2, **budget))
    notes = json.loads((ball_run / "policy.json").read_text())["settings"]
    assert notes["action_low"] == pytest.approx(LOW) and notes["action_high"] == pytest.approx(HIGH)
    for changes in ({"agent": "policy"}, {"agent": "policy", "policy": "sac"}, {"agent": "cem"}, {"torque": 1.25}):
        assert len(evaluate(options(ball_run, **changes))["measures"]) == 7
    bounds = Setting.of(Trial("random", "reach", torque=1.25), Run.open(ball_run)).bounds(2)
    assert bounds.low.tolist() == [-0.5, -1.0] and bounds.high.tolist() == [1.25, 1.0]
    learn(LearnOptions(ball_run, torque=5.0, updates=1, horizon=2, name="strong"))
    evaluate(options(ball_run, agent="policy", policy="strong"))


def test_episodes_that_end_early_are_judged_up_to_their_end(ball_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From the edge every push to the right ends an episode; others go on, and after it nothing counts."""
    summary = evaluate(options(ball_run, reset_options={"place": [0.98, 0.0]}, steps=30, episodes=6, video=True))
    steps, share = summary["mean_length"], summary["ended_early"]
    assert 0 < share <= 1 and 1 <= steps < 30
    # Each step costs at most the distance from an end of the table, 1.5 * sqrt(2), and a little.
    assert min(values(summary, "return")) > -30 * 2.3
    assert "of the episodes ended early, after" in capsys.readouterr().out
    with Image.open(ball_run / "evaluation_random_reach.gif") as film:
        assert len(list(ImageSequence.Iterator(film))) <= 30 and film.size == (256, 210), (
            "a picture of 36 x 48 keeps its shape"
        )


def test_the_ends_of_other_episodes_do_not_change_what_an_episode_comes_to(ball_run: Path) -> None:
    """Ended at once, beside itself alone: the rewards before the end are the same, and none comes after."""
    short = evaluate(options(ball_run, reset_options={"place": [0.999, 0.999]}, steps=20, episodes=1, torque=1.0))
    end = round(short["mean_length"])
    cut = evaluate(options(ball_run, reset_options={"place": [0.999, 0.999]}, steps=end, episodes=1, torque=1.0))
    assert end < 20 and values(cut, "return") == pytest.approx(values(short, "return"))
    assert values(cut, "observed_at_end") == pytest.approx(values(short, "observed_at_end"))


def test_goals_of_every_kind(ball_run: Path) -> None:
    for goal, figure in (
        ("frame:1:2", "observed_at_end"),
        ("sequence:0", "latent_speed_error"),
        ("velocity:0.5,0.1", "latent_speed_ratio"),
    ):
        summary = evaluate(options(ball_run, goal=goal, agent="cem"))
        assert len(values(summary, figure)) == 3 and summary["goal"].startswith(goal.split(":")[0])
        assert (ball_run / f"evaluation_cem_reach_{goal.replace(':', '-')}.json").is_file()
    (ball_run.parent / "data" / "goal.json").unlink()
    with pytest.raises(UserError, match=r"--goal: .*data holds no goal\.png or goal\.json"):
        evaluate(options(ball_run))
    learn(LearnOptions(ball_run, goal="frame:0:0", updates=1, horizon=2))
    summary = evaluate(options(ball_run, agent=None))
    assert (summary["agent"], summary["goal"]) == ("policy", "frame:0:0"), "what the policy has learned"


def test_held_actions_are_as_recorded_unless_said_otherwise(tmp_path: Path) -> None:
    """Held twice as long, an episode of as many actions takes twice the time, and the environment ends it in half."""
    data = collected(tmp_path / "data")
    (data / "goal.json").write_text("[0.5, 0.5]\n")
    run = untrained(tmp_path / "run", data, repeat=2, control_step=None)
    assert Run.open(run).tasks["reach"].control_step == pytest.approx(0.2)
    assert Run.open(run).tasks["reach"].steps == 20 and Run.open(run, repeat=1).tasks["reach"].steps == 40
    place = {"place": [0.5, 0.5]}
    once, twice, four = (
        values(evaluate(options(run, repeat=repeat, episodes=1, steps=1, reset_options=place)), "observed_at_end")[0]
        for repeat in (1, None, 4)
    )
    # 1, 3 and 10 steps of speed, for a constant push.
    assert twice / once == pytest.approx(3, rel=1e-3) and four / once == pytest.approx(10, rel=1e-3)


def test_the_pendulums_camera_is_made_again_as_it_recorded(tmp_path: Path) -> None:
    kwargs = {"picture": "rod", "size": 24, "background": "white", "noise": 0.0, "control_step": 0.05}
    data = collected(tmp_path / "data", env="pendulum", env_kwargs=kwargs, repeat=2)
    stored = load_metadata(data)
    assert stored["env_kwargs"] == kwargs and stored["control_step"] == pytest.approx(0.1)
    assert load_sequences(data, "train").observations.shape[2:] == (24, 24, 1)
    run = untrained(tmp_path / "run", data)
    task = Setting.of(Trial("random", "swing-up"), Run.open(run)).task
    assert (task.steps, task.control_step, task.env_kwargs) == (200, pytest.approx(0.1), {**kwargs, "torque_limit": 7})
    seen = evaluate(EvaluateOptions(run, task="swing-up", agent="cem", episodes=2, steps=2, video=False))
    assert seen["episodes"] == 2, "the model takes pictures of no other size"


def test_rendered_pictures_are_seen_again(tmp_path: Path) -> None:
    data = collected(tmp_path / "data", pixels=12)
    picture = load_sequences(data, "train").observations[0, 0].numpy()
    Image.fromarray(picture).save(data / "goal.png")
    run = untrained(tmp_path / "run", data)
    summary = evaluate(options(run, agent="cem", video=True, episodes=2))
    assert 0 <= values(summary, "observed_closest")[0] <= 1
    with Image.open(run / "evaluation_cem_reach.gif") as film:
        assert film.size == (256 + 3 * 192 + 3 * 6, 210), "real, seen, believed and goal"


def test_declared_tasks_are_judged_by_their_coordinates(
    ball_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ball.toml").write_text(DECLARED)
    described = {"describe": tmp_path / "ball.toml", "episodes": None, "steps": None}
    summary = evaluate(options(ball_run, **described))
    assert (summary["task"], summary["episodes"], summary["steps"]) == ("stay", 3, 4)
    # In 0.4 s a force of 1.5 N moves 1 kg by 0.15 m.
    assert summary["successes"] == 3 and max(values(summary, "x_error")) < 0.16 and "return_mean" in summary["overall"]
    rolled = evaluate(options(ball_run, task="roll", **described))
    assert rolled["target"] == 0.2 and rolled["action_high"] == [0.25, 0.25] and rolled["action_low"] == [-0.25, -0.25]
    assert len(rolled["success"]) == 2 and "latent_speed_ratio" in rolled["measures"]
    other = evaluate(options(ball_run, goal="frame:0:1", **described))
    assert other["task"] == "reach" and other["successes"] is None, "nobody has declared where that is"
    capsys.readouterr()
    table = compare(
        CompareOptions(ball_run, agents=("random", "cem"), steps=3, episodes=2, describe=tmp_path / "ball.toml")
    )
    assert [(row["task"], row["agent"]) for row in table] == [
        (task, agent) for task in ("stay", "roll") for agent in ("random", "cem")
    ]
    assert "stay" in capsys.readouterr().out and "x_error" in (ball_run / "compare.csv").read_text()
    assert "x error, m" in (ball_run / "compare.md").read_text()


def test_a_task_that_is_declared_anew_is_compared_anew(ball_run: Path, tmp_path: Path) -> None:
    file = tmp_path / "ball.toml"
    given = CompareOptions(ball_run, tasks=("stay",), agents=("random",), steps=3, episodes=2, describe=file)
    file.write_text(DECLARED)
    (near,) = compare(given)
    assert near["successes"] == 2
    file.write_text("# only a word about it\n" + DECLARED)
    assert compare(given) == [near]
    file.write_text(DECLARED.replace("x = 0.3", "x = 1e-9"))
    (nearer,) = compare(given)
    assert nearer["successes"] == 0


def test_declarations_travel_with_the_data(tmp_path: Path) -> None:
    (tmp_path / "ball.toml").write_text(DECLARED)
    data = collected(tmp_path / "data", describe=str(tmp_path / "ball.toml"))
    (data / "goal.json").write_text("[0.0, 0.0]\n")
    run = Run.open(untrained(tmp_path / "run", data))
    assert list(run.tasks) == ["stay", "roll", "reach"] and [one.name for one in run.coordinates] == ["x", "vx"]
    assert run.own_goal(run.tasks["stay"]) == run.own_goal(run.tasks["reach"])
    learn(LearnOptions(run.folder, updates=1, horizon=2))
    notes = json.loads((run.folder / "policy.json").read_text())["settings"]
    assert notes["action_high"] == [0.25, 0.25], "the first limit that is declared"


def test_where_the_truth_at_the_goal_was_recorded_its_coordinates_are_compared(tmp_path: Path) -> None:
    """A photographed reset and a recorded frame tell their pose; a picture from elsewhere does not."""
    (tmp_path / "ball.toml").write_text(DECLARED)
    data = collected(
        tmp_path / "data", describe=str(tmp_path / "ball.toml"), goal_options={"place": [0.5, 0.25]}, length=4, seed=1
    )
    run = untrained(tmp_path / "run", data)
    still: dict[str, Any] = {"torque": 1e-6, "reset_options": {"place": [0.0, 0.0]}, "steps": 2, "task": "reach"}
    summary = evaluate(options(run, **still))
    assert values(summary, "x_at_end") == pytest.approx([0.5] * 3, abs=1e-4) and summary["successes"] is None
    x = load_ground_truth(data, "train", load_metadata(data))["place"][1, 2, 0]
    assert values(evaluate(options(run, goal="frame:1:2", **still)), "x_at_end") == pytest.approx(
        [abs(x)] * 3, abs=1e-4
    )
    (tmp_path / "elsewhere.json").write_text("[0.5, 0.25]")
    assert "x_at_end" not in evaluate(options(run, goal=str(tmp_path / "elsewhere.json"), **still))["measures"]
    # A declared task's own measure holds for the recorded pose: within 0.3 m of it or not.
    summary = evaluate(options(run, goal="frame:1:2", **{**still, "task": "stay", "steps": 4}))
    assert summary["successes"] == (3 if abs(x) <= 0.3 else 0)
    with pytest.raises(UserError, match="its steps are 0 to 3"):
        evaluate(options(run, goal="frame:1:9", **still))


def test_an_environment_may_declare_its_tasks_itself(ball_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.ball import Ball

    coordinate = {"name": "x", "kind": "line", "key": "place", "index": 0, "unit": "m"}
    task = {"pose": {"x": 0.0}, "tolerance": 9.0, "hold": 1}
    said = {**Ball.metadata, "coordinates": [coordinate], "tasks": {"middle": task}}
    monkeypatch.setattr(Ball, "metadata", said)
    settings = json.loads((ball_run / SETTINGS).read_text())
    del settings["data"]["coordinates"]
    write_json(ball_run / SETTINGS, settings)
    summary = evaluate(options(ball_run))
    assert (summary["task"], summary["successes"]) == ("middle", 3)
    monkeypatch.setattr(Ball, "metadata", {**said, "tasks": {"middle": {**task, "tolerance": -1}}})
    with pytest.raises(UserError, match=r"its metadata: tasks\.middle: tolerance -1: give a positive number"):
        evaluate(options(ball_run))


def test_rewards_that_are_no_numbers_are_counted_and_said(
    ball_run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    works, calls = Ball.step, iter(range(99))

    def step(self: Ball, action: Any) -> Any:
        observation, reward, *rest = works(self, action)
        return observation, (np.nan if next(calls) % 2 else reward), *rest

    place = {"place": [0.0, 0.0]}
    assert "rewards_not_finite" not in evaluate(options(ball_run, reset_options=place))
    capsys.readouterr()
    monkeypatch.setattr(Ball, "step", step)
    summary = evaluate(options(ball_run, reset_options=place))
    # 15 calls of the three episodes, every other of them; the film's episode does not count.
    assert summary["rewards_not_finite"] == 7
    assert "warning: 7 of the environment's rewards are not finite" in capsys.readouterr().out
    stored = json.loads((ball_run / "evaluation_random_reach.json").read_text())
    assert stored["overall"]["return_mean"] is None
    compare(CompareOptions(ball_run, agents=("random",), steps=5, episodes=3, reset_options=place))
    assert re.search("warning: random, reach: [78] of the environment's rewards", capsys.readouterr().out)


def test_recordings_are_judged_in_an_environment_that_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pictures of 12 x 16 that somebody has recorded elsewhere, without an environment's name."""
    rng, data = np.random.default_rng(0), tmp_path / "data"
    bounds = {"action_low": [-0.5, -0.25], "action_high": [0.5, 2.0], "env_id": None, "origin": {"format": "npz"}}
    clock = {"control_step": 2 * STEP}
    trajectory = Trajectory(
        rng.integers(0, 256, (4, 12, 16, 3), dtype=np.uint8), rng.uniform(-0.25, 0.5, (3, 2)).astype(np.float32)
    )
    for split in ("train", "test"):
        write(data, split, [trajectory], {**bounds, **clock})
    run = untrained(tmp_path / "run", data)
    with pytest.raises(UserError, match="--env: the run was trained on recordings"):
        evaluate(options(run, goal="frame:0:0"))
    summary = evaluate(options(run, goal="frame:0:0", env=NAMED))
    assert summary["action_low"] == [-0.5, -0.25] and summary["action_high"] == [0.5, 1.0]
    assert summary["environment"]["pixels"] == [12, 16]
    # Its clock is another: said, and kept with the figures.
    assert "give --repeat 2" in capsys.readouterr().out.replace("\n", " ") and "--repeat 2" in summary[DOUBTS][0]
    assert DOUBTS not in evaluate(options(run, goal="frame:0:0", env=NAMED, repeat=2))
    with pytest.raises(UserError, match=r"takes 1 actions, but the run's model has 2|observes"):
        evaluate(options(run, goal="frame:0:0", env="Pendulum-v1"))
    table = compare(CompareOptions(run, agents=("random",), goal="frame:0:1", env=NAMED, steps=2, episodes=2))
    assert [row["task"] for row in table] == ["reach"] and table[0]["return_mean"] is not None


def test_classic_control_from_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pygame")
    data = collected(tmp_path / "data", env="Pendulum-v1", pixels=8, grey=True)
    run = untrained(tmp_path / "run", data)
    capsys.readouterr()
    main(["--run", str(run), "--goal", "frame:0:1", "--agent", "ilqr", "--steps", "2", "--episodes", "2"])
    printed = capsys.readouterr().out.splitlines()[-1]
    words = "--goal frame:0:1 --steps 2 --episodes 2 --agent mppi"
    assert printed == f"next: python -m latentrl.evaluate --run {run} {words}"
    main(printed.split()[4:])
    summary = json.loads((run / "evaluation_mppi_reach_frame-0-1.json").read_text())
    assert summary["control_step"] == 0.05 and summary["action_high"] == [2.0]


def test_a_comparison_knows_another_goal_from_the_last(ball_run: Path) -> None:
    def rows() -> list[dict[str, Any]]:
        return compare(CompareOptions(ball_run, agents=("random",), steps=2, episodes=2))

    first, goal = rows(), ball_run.parent / "data" / "goal.json"
    assert rows() == first
    goal.write_text("[-5.0, 0.0]\n")
    assert rows()[0]["observed_at_end_mean"] > 3 > first[0]["observed_at_end_mean"]


def _idle(run: Path, folder: Path) -> dict[str, Any]:
    """A coordinate that no task needs, of what nobody tells, or of a number that is not there."""
    task = '[tasks.rest]\ngoal = "goal.json"\nsteps = 2\n'
    (folder / "idle.toml").write_text(
        '[[coordinates]]\nname = "x"\nkind = "line"\nkey = "place"\nindex = 0\n'
        f'[[coordinates]]\nname = "y"\nkind = "line"\nkey = "place"\nindex = 7\n{task}'
    )
    return {"describe": folder / "idle.toml", "task": "rest"}


def _without_place(run: Path, folder: Path) -> dict[str, Any]:
    text = DECLARED.replace('key = "place"', 'key = "nowhere"')
    (folder / "wrong.toml").write_text(text)
    return {"describe": folder / "wrong.toml"}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda run, folder: {"task": "juggle"}, "--task juggle: choose one of reach"),
        (lambda run, folder: {"task": "swing-up"}, "was trained on .*Ball-v0, but --task swing-up"),
        (lambda run, folder: {"torque": 2.0}, r"--action-limit 2: .* takes at most 1\.5"),
        (lambda run, folder: {"reset_options": {"place": "left"}}, "refuses the options .*--reset-options"),
        (lambda run, folder: {"agent": "oracle"}, "oracle"),
        (lambda run, folder: {"agent": "cem", "physics": "true"}, "not known"),
        (lambda run, folder: {"describe": folder / "missing.toml"}, r"missing\.toml: cannot be read"),
        (lambda run, folder: {"env": "robots/None-v0"}, "--env robots/None-v0"),
        (
            _without_place,
            "'x' is of the key 'nowhere', which .* does not tell; its info has 'place', 'speed': correct",
        ),
        (_idle, r"coordinate 'y': info\['place'\] has the shape \(2,\) and the coordinate the index 7"),
    ],
    ids=["task", "elsewhere", "limit", "reset", "oracle", "physics", "describe", "env", "key", "index"],
)
def test_what_cannot_be_judged_is_a_clear_error(
    ball_run: Path, tmp_path: Path, wrong: Callable[[Path, Path], dict[str, Any]], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        evaluate(options(ball_run, **wrong(ball_run, tmp_path)))
    assert not list(ball_run.glob("evaluation*")) and ID in gymnasium.registry
