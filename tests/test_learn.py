"""The verb: what it writes, what it refuses, and that Ctrl-C keeps what there is."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from latentrl import learn as verb
from latentrl.agents.goal_conditioning import attach_goal
from latentrl.agents.learning import how_it_ended
from latentrl.agents.options import LearnOptions
from latentrl.agents.policies import AnalyticGradient, AnalyticGradientOptions, load_policy, policy_kind
from latentrl.numerics.distributions import DiagonalGaussian
from latentrl.support.errors import UserError
from latentrl.support.files import write_json
from latentrl.types import Belief
from tests.unread import Unread


class ToyModel(nn.Module):
    """An integrator whose position is the picture's brightness."""

    spec = SimpleNamespace(observation_shape=(16, 16, 1), observation_dtype="uint8", action_size=1)
    position_size, state_size, largest_actions = 1, 2, None

    def initial_states(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        return torch.randn(count, 2, generator=generator)

    def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
        return DiagonalGaussian(0.9 * state + 0.1 * action, torch.full((2,), 1e-4))

    def frozen(self) -> ToyModel:
        return self

    def emission(self, state: Tensor) -> DiagonalGaussian:
        return DiagonalGaussian(state, torch.full((2,), 0.01))

    def initial_belief(self, observation: Tensor) -> Belief:
        return Belief(observation, 0.01 * torch.eye(2).expand(len(observation), 2, 2))

    def filter(self, belief: Belief, action: Tensor, observation: Tensor | None) -> Belief:
        mean = belief.mean if observation is None else observation
        return Belief(mean, (0.02 if observation is None else 0.01) * torch.eye(2).expand(len(mean), 2, 2))

    def encode_goal(self, observations: Tensor) -> Tensor:
        return observations.float().mean()[None] / 255


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run folder whose model is the toy, with a goal image in it."""
    monkeypatch.setattr(verb, "load_model", lambda folder: ToyModel())
    Image.fromarray(np.full((16, 16), 51, dtype=np.uint8)).save(tmp_path / "goal.png")
    data = {"env_id": "robots/Toy-v0", "action_low": [-0.5], "action_high": [1.5], "action_limit": None}
    write_json(tmp_path / "settings.json", {"data": data})
    return tmp_path


def options(run: Path, **changes: Any) -> LearnOptions:
    gradients = changes.get("policy", "analytic-gradient") == "analytic-gradient"
    short: dict[str, Any] = {"updates": 3} if gradients else {}
    return LearnOptions(run=run, **{"goal": str(run / "goal.png"), "horizon": 4, **short, **changes})


def notes(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())["settings"]
    return found


def test_policies_of_several_kinds_and_names_live_in_one_folder(run: Path) -> None:
    paths = [
        verb.learn(options(run)),
        verb.learn(options(run, policy="ppo", steps=4096)),
        verb.learn(options(run, policy="DDPG", steps=64)),
        verb.learn(options(run, name="wide", bootstrap=True, input="belief", drop=0.3)),
    ]
    stems = ["policy", "policy-ppo", "policy-ddpg", "policy-wide"]
    assert paths == [run / f"{stem}.safetensors" for stem in stems]
    belief = Belief(torch.randn(5, 2), 0.1 * torch.eye(2).expand(5, 2, 2))
    for name in ("policy", "ppo", "ddpg", "wide"):
        assert load_policy(run, name)(belief).shape == (5, 1)
    assert notes(paths[3])["learner"]["drop"] == 0.3 and load_policy(run, "wide").input == "belief"
    assert notes(paths[1])["learner"]["algorithm"] == "PPO" and notes(paths[1])["updates_done"] == 4096
    for stem in stems:
        with (run / f"{stem}_history.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert int(rows[-1]["done"]) == notes(run / f"{stem}.json")["updates_done"]
        assert list((run / f"{stem}_log").glob("events*"))
    assert not list(run.glob("*.partial"))


def test_what_another_way_of_learning_counts_is_refused_with_the_cure_and_the_horizon_is_everybody_s(run: Path) -> None:
    for changes, cure in (
        ({"policy": "sac", "updates": 5}, "--updates 5: sac counts --steps"),
        ({"policy": "sac", "bootstrap": True}, "--bootstrap: sac learns values of its own"),
        ({"steps": 5}, "--steps 5: analytic-gradient counts --updates"),
    ):
        with pytest.raises(UserError, match=re.escape(cure)):
            verb.learn(options(run, **changes))
    assert notes(verb.learn(options(run, policy="DDPG", steps=64, horizon=7)))["learner"]["length"] == 7


def test_for_any_goal_an_algorithm_takes_twice_its_steps_unless_told(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    budgets: list[int] = []
    monkeypatch.setattr(verb, "learn_into", lambda folder, learner, *rest: budgets.append(learner.budget))
    for changes in ({}, {"goal": "any"}, {"goal": "any", "steps": 640}):
        verb.learn(options(run, policy="sac", **changes))
    assert budgets == [policy_kind("sac").options.steps, 2 * policy_kind("sac").options.steps, 640]


def test_the_bar_is_left_out_where_it_is_not_wanted(run: Path) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for progress in (True, False):
        with redirect_stderr(Terminal()) as shown:
            verb.learn(options(run, progress=progress))
        assert ("learn:" in shown.getvalue()) == progress


def test_a_policy_is_kept_where_nobody_reads_what_is_printed(run: Path) -> None:
    with redirect_stdout(Unread()), pytest.raises(BrokenPipeError):
        verb.learn(options(run))
    assert notes(run / "policy.json")["updates_done"] == 3 and (run / "policy_history.csv").is_file()
    assert load_policy(run)(torch.zeros(1, 2)).isfinite().all()


def test_a_horizon_in_seconds_is_counted_in_the_control_step_of_the_run(run: Path) -> None:
    with pytest.raises(UserError, match="--horizon 1s: nobody says how many seconds a step"):
        verb.learn(options(run, horizon="1s"))
    settings = json.loads((run / "settings.json").read_text())
    write_json(run / "settings.json", {"data": {**settings["data"], "control_step": 0.2}})
    assert notes(verb.learn(options(run, horizon="1s")))["learner"]["horizon"] == 5
    with pytest.raises(UserError, match=r"--horizon 0.1s: is less than a step of 0.2 s"):
        verb.learn(options(run, horizon="0.1s"))


@pytest.mark.parametrize(
    ("returns", "said"),
    [
        ((), "learned for 40 of 80 updates"),
        ((-3.0, -1.0, -1.0), "the imagined return rose from -3 to -1 a step in 40 updates, of 80 at most, for more"),
        ((-3.0, -3.5), "warning: the imagined return did not rise in 40 updates (from -3 to -3.5 a step)"),
        ((-3.0, math.nan), "warning: the imagined return did not rise"),
    ],
)
def test_the_end_is_said_and_a_return_that_never_rose_is_a_warning(returns: tuple[float, ...], said: str) -> None:
    assert how_it_ended(40, 80, returns).startswith(said)


def test_the_goal_is_written_down_and_the_next_command_names_the_policy(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_json(run / "metrics.json", {"warnings": ["the motion is hardly learned: 3%"]})
    path = verb.learn(options(run, name="mine"))
    assert notes(path)["goal"] == str(run / "goal.png") and notes(path)["target"] == [pytest.approx(0.2)]
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"warning: the training of {run} warned: the motion is hardly learned;")
    assert said[-1] == f"next: python -m latentrl.evaluate --run {run} --goal {run / 'goal.png'} --policy policy-mine"


def test_a_policy_for_any_goal_is_told_it_when_it_acts(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    belief = Belief(torch.randn(5, 2), 0.1 * torch.eye(2).expand(5, 2, 2))
    paths = [
        verb.learn(options(run, goal="any")),
        verb.learn(options(run, goal="any", name="wide", bootstrap=True, input="belief", drop=0.3)),
        verb.learn(options(run, goal="any", policy="ppo", steps=4096)),
    ]
    for path in paths:
        assert notes(path)["goal"] == "any" and notes(path)["target"] is None
        assert json.loads(path.with_suffix(".json").read_text())["goal_size"] == 1
        policy = load_policy(run, path.stem)
        near, far = (policy(attach_goal(belief, torch.full((5, 1), goal))) for goal in (0.0, 100.0))
        assert policy.goal_size == 1 and near.shape == (5, 1) and not torch.equal(near, far)
    assert f"next: python -m latentrl.evaluate --run {run} --agent policy --policy policy-wide" in (
        capsys.readouterr().out
    )


def test_an_interrupt_saves_what_there_is(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = AnalyticGradient.step
    done: list[int] = []

    def interrupted(self: AnalyticGradient) -> tuple[Tensor, Tensor]:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(1)
        return original(self)

    monkeypatch.setattr(AnalyticGradient, "step", interrupted)
    with pytest.raises(SystemExit) as stopped:
        verb.learn(options(run, updates=50))
    assert stopped.value.code == 130
    assert not (run / "policy.safetensors").exists() and not (run / "policy.json").exists()
    assert notes(run / "policy-interrupted.safetensors")["updates_done"] == 2
    assert load_policy(run, "interrupted")(torch.zeros(1, 2)).isfinite().all()


def test_a_policy_that_is_learned_to_its_end_leaves_nothing_of_an_interrupted_one(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is what it had been without the interrupt; another policy's interrupted part stays."""
    verb.learn(options(run))
    expected = {path.name for path in run.iterdir()}
    original, done = AnalyticGradient.step, []

    def interrupted(self: AnalyticGradient) -> tuple[Tensor, Tensor]:
        done.append(1)
        if len(done) % 2 == 0:
            raise KeyboardInterrupt
        return original(self)

    with monkeypatch.context() as patched:
        patched.setattr(AnalyticGradient, "step", interrupted)
        for name in (None, "other"):
            with pytest.raises(SystemExit):
                verb.learn(options(run, name=name))
    # As a process leaves it that is killed while it writes.
    (run / "policy-interrupted_history.csv.partial").touch()
    assert (run / "policy-interrupted.json").exists() and (run / "policy-other-interrupted.json").exists()
    verb.learn(options(run))
    left = {path.name for path in run.iterdir() if "other" not in path.name}
    assert left == expected and (run / "policy-other-interrupted.json").exists()


def test_a_policy_is_not_replaced_in_silence(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = str(run / "goal.png")
    path = verb.learn(options(run))
    verb.learn(options(run, goal="any", name="other"))
    assert "replaces" not in capsys.readouterr().out
    for name in ("evaluation_policy.json", "evaluation_policy_drop-0.2.json", "evaluation_policy-other.json"):
        (run / name).write_text("{}")
    verb.learn(options(run))
    old = f"{run / 'evaluation_policy.json'}, {run / 'evaluation_policy_drop-0.2.json'}: of the policy that is replaced"
    said = capsys.readouterr().out
    assert f"{path}: replaces the policy that is there; --name NAME keeps both\n{old}" in said
    verb.learn(options(run, goal="any"))
    assert f"{path}: replaces the policy that was learned for --goal {first}; --name NAME" in capsys.readouterr().out
    path.with_suffix(".json").write_text("{")
    verb.learn(options(run))


def test_an_interrupt_leaves_the_policy_that_is_there(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = verb.learn(options(run))
    before = {one: one.read_bytes() for one in (path, path.with_suffix(".json"), run / "policy_history.csv")}

    def interrupted(self: AnalyticGradient) -> tuple[Tensor, Tensor]:
        raise KeyboardInterrupt

    monkeypatch.setattr(AnalyticGradient, "step", interrupted)
    with pytest.raises(SystemExit) as stopped:
        verb.learn(options(run))
    assert stopped.value.code == 130 and "is as it was" in capsys.readouterr().out
    assert all(one.read_bytes() == content for one, content in before.items())


def test_a_policy_for_any_goal_is_larger_and_learns_longer(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert verb.FOR_ANY_GOAL["updates"] > AnalyticGradientOptions().updates
    monkeypatch.setitem(verb.FOR_ANY_GOAL, "updates", 2)
    for updates, done in ((None, 2), (1, 1)):
        found = notes(verb.learn(options(run, goal="any", updates=updates)))
        assert found["updates_done"] == done and found["learner"]["hidden"] == [128, 128]
    one = notes(verb.learn(options(run, updates=1)))
    assert one["learner"]["hidden"] == list(AnalyticGradientOptions().hidden)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"torque": 0.0}, "--action-limit 0.0"),
        ({"updates": 0}, "updates"),
        ({"horizon": -1}, "horizon"),
        ({"steps": 5}, "--steps 5: analytic-gradient counts --updates"),
        ({"policy": "ppo", "steps": 0}, "steps must be at least 1"),
        ({"drop": 0.3}, "--input belief"),
        ({"input": "belief", "drop": 1.5}, r"\[0, 1\)"),
        ({"policy": "sacc"}, "no algorithm 'sacc'"),
        ({"policy": "far", "updates": 60}, "--policy far: is none of analytic-gradient, sac, .* no algorithm 'far'"),
        ({"policy": "DQN"}, "DQN cannot be used here"),
        ({"name": "../elsewhere"}, "--name"),
        ({"name": ""}, "--name"),
        ({"name": "a-interrupted"}, "--name a-interrupted: Ctrl-C keeps policies under names that end in -interrupted"),
        ({"name": "interrupted"}, "--name interrupted: Ctrl-C keeps"),
        ({"torque": 1e-50}, "--action-limit 1e-50"),
        ({"goal": "velocity:fast"}, "--goal velocity:fast"),
        ({"distance": "manhattan"}, "--distance manhattan: choose one of euclid, geodesic"),
        ({"distance": "geodesic", "goal": "any"}, "--distance geodesic: is measured to one goal, but --goal any"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_and_nothing_is_written(run: Path, wrong: dict[str, Any], message: str) -> None:
    before = set(run.iterdir())
    with pytest.raises(UserError, match=message):
        verb.learn(options(run, **wrong))
    assert set(run.iterdir()) == before


def test_the_goal_that_came_with_the_data_is_the_default(pendulum_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verb.learn(LearnOptions(pendulum_run, updates=1, horizon=2))
    data = pendulum_run.parent / "data"
    assert json.loads((pendulum_run / "policy.json").read_text())["settings"]["goal"] == str(data / "goal.png")
    (data / "goal.png").unlink()
    with pytest.raises(UserError, match=r"--goal: .*data holds no goal\.png"):
        verb.learn(LearnOptions(pendulum_run, updates=1, horizon=2))
    data.rename(data.with_name("moved"))
    with pytest.raises(UserError, match=r"--goal: .*data, the run's data, is not there"):
        verb.learn(LearnOptions(pendulum_run, updates=1, horizon=2))


def test_a_policy_is_learned_by_the_distance_that_is_asked_for(pendulum_run: Path) -> None:
    """Which is noted with it; the field is kept in the run folder, and without it nothing is."""
    weights = []
    for distance in ("euclid", "geodesic"):
        path = verb.learn(LearnOptions(pendulum_run, updates=2, horizon=3, distance=distance))
        assert notes(path).get("distance") == (None if distance == "euclid" else distance)
        assert (pendulum_run / "geodesics.safetensors").exists() == (distance == "geodesic")
        weights.append(path.read_bytes())
    assert weights[0] != weights[1]
    with pytest.raises(UserError, match="--distance geodesic: is a distance of positions, but the goal is a velocity"):
        verb.learn(LearnOptions(pendulum_run, goal="velocity:0.5", updates=1, horizon=2, distance="geodesic"))


def test_the_bound_on_a_state_s_gradient_reaches_the_learner(run: Path) -> None:
    for given, bound in ((None, 10.0), (3.0, 3.0)):
        learner = notes(verb.learn(options(run, state_gradient=given)))["learner"]
        assert learner["state_gradient"] == bound
    with pytest.raises(UserError, match="--state-gradient 0"):
        verb.learn(options(run, state_gradient=0.0))
    with pytest.raises(UserError, match=r"--state-gradient 1e\+308.*at most 1e\+09"):
        verb.learn(options(run, state_gradient=1e308))
