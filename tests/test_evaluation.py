"""The protocol, and the two verbs around it, with small stand-ins for a trained model."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from latentrl import evaluate as evaluate_verb
from latentrl import learn as learn_verb
from latentrl.agents.policies import POLICIES, load_policy
from latentrl.distributions import DiagonalGaussian
from latentrl.errors import UserError
from latentrl.evaluation import TASKS, Task, control_rate, demonstrate, run_episodes, stays_upright, wilson_interval
from latentrl.goals import read_goal
from latentrl.models.base import WorldModel
from latentrl.types import Belief
from latentrl.video import side_by_side, write_gif


@pytest.mark.parametrize(
    ("successes", "episodes", "low", "high"),
    [(50, 50, 0.92865, 1.0), (5, 10, 0.23659, 0.76341), (0, 10, 0.0, 0.27753)],
)
def test_wilson_interval_against_published_values(successes: int, episodes: int, low: float, high: float) -> None:
    assert wilson_interval(successes, episodes) == pytest.approx((low, high), abs=2e-5)


@pytest.mark.parametrize(("successes", "episodes"), [(49, 50), (10, 50), (1, 3)])
def test_wilson_bounds_are_where_the_score_test_turns(successes: int, episodes: int) -> None:
    """By definition they are the rates p with (successes / n - p)^2 = z^2 p (1 - p) / n."""
    rate, spread = successes / episodes, 1.959963984540054**2 / episodes
    roots = sorted(np.roots([1 + spread, -(2 * rate + spread), rate**2]))
    assert wilson_interval(successes, episodes) == pytest.approx(roots, abs=1e-9)


@pytest.mark.parametrize(("successes", "episodes"), [(-1, 5), (6, 5), (0, 0)])
def test_wilson_interval_refuses_what_cannot_be(successes: int, episodes: int) -> None:
    with pytest.raises(ValueError, match="successes"):
        wilson_interval(successes, episodes)


def test_upright_means_all_of_the_last_fifty_steps_on_any_turn() -> None:
    angle = np.zeros((200, 6))
    angle[:150] = 3.0
    angle[:, 1] += 2 * np.pi
    angle[150, 2] = 0.21
    angle[199, 3] = -0.21
    angle[150:, 4] = np.linspace(-0.199, 0.199, 50) - 4 * np.pi
    angle[150:, 5] = np.pi
    assert stays_upright({"angle": angle}).tolist() == [True, True, False, False, True, False]


def test_control_rate() -> None:
    rate = control_rate(np.array([0.01] * 99 + [0.5]))
    assert rate["hz_median"] == pytest.approx(100)
    assert 2 <= rate["hz_p99"] < 100


class Scripted:
    """An agent that pushes with a fixed torque and keeps what it was shown."""

    def __init__(self, torque: float) -> None:
        self.torque, self.seen, self.resets = torque, cast(list[np.ndarray], []), cast(list[int | None], [])

    def reset(self, seed: int | None = None) -> None:
        self.resets.append(seed)

    def act(self, observation: np.ndarray, seen: NDArray[np.bool_] | None = None) -> np.ndarray:
        self.seen.append(observation.copy())
        return np.full((len(observation), 1), self.torque, dtype=np.float32)


def short(steps: int = 30, **kwargs: Any) -> Task:
    task = TASKS["swing-up"]
    return Task(task.env_id, task.truth, task.success, steps, {**task.env_kwargs, **kwargs}, task.reset_options)


def test_episodes_start_hanging_at_rest_and_differ_in_their_noise_alone() -> None:
    agent = Scripted(0.0)
    result = run_episodes(agent, short(), episodes=3, seed=1)
    assert agent.resets == [1]
    assert result.truth["angle"].shape == (30, 3) and result.seconds.shape == (30,)
    assert np.allclose(np.abs(result.truth["angle"]), math.pi, atol=1e-6)
    assert agent.seen[0].shape == (3, 16, 16, 1) and agent.seen[0].dtype == np.uint8
    assert not np.array_equal(agent.seen[0][0], agent.seen[0][1])
    assert not result.success.any()


def test_the_torque_limit_is_the_tasks() -> None:
    """A constant torque of 7 holds the pendulum far from hanging; the environment's own limit, 2, would not."""
    angle = run_episodes(Scripted(50.0), short(steps=8), episodes=1).truth["angle"]
    assert np.abs(angle).min() < 2.2


def test_the_same_seed_repeats_an_evaluation() -> None:
    agents = [Scripted(1.0) for _ in range(3)]
    for agent, seed in zip(agents, (5, 5, 6), strict=True):
        run_episodes(agent, short(steps=3), episodes=2, seed=seed)
    assert np.array_equal(agents[0].seen, agents[1].seen)
    assert not np.array_equal(agents[0].seen, agents[2].seen)


def test_success_is_counted_in_the_real_environment() -> None:
    task = short(steps=60)
    upright = Task(task.env_id, task.truth, task.success, 60, task.env_kwargs, {"angle": 0.0, "velocity": 0.0})
    assert run_episodes(Scripted(0.0), upright, episodes=2).success.all(), "exactly upright it stays, undisturbed"
    assert not run_episodes(Scripted(1.0), upright, episodes=2).success.any()


def test_an_episode_that_the_environment_ends_early_is_an_error() -> None:
    with pytest.raises(ValueError, match="ended an episode after 5"):
        run_episodes(Scripted(0.0), short(steps=10, max_episode_steps=5), episodes=1)


def test_a_demonstration_shows_every_step() -> None:
    believed = np.zeros((16, 16, 1), dtype=np.uint8)
    _, frames = demonstrate(Scripted(3.0), short(steps=4), lambda: believed)
    assert len(frames) == 4
    assert np.asarray(frames[0]).tobytes() != np.asarray(frames[-1]).tobytes()


def test_frames_and_gif(tmp_path: Path) -> None:
    colours = [np.full((4, 4, 3), (value, 0, 255 - value), dtype=np.uint8) for value in (0, 100, 255)]
    frames = [side_by_side({"a": c, "b": np.full((2, 2, 1), 7, np.uint8)}, size=32) for c in colours]
    path = write_gif(tmp_path / "x.gif", frames, 10)
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.gif"]
    with Image.open(path) as gif:
        assert (gif.size, gif.info["duration"], gif.info["loop"]) == (frames[0].size, 100, 0)
        assert getattr(gif, "n_frames") == 3  # noqa: B009


def picture(path: Path, mode: str = "L", size: tuple[int, int] = (16, 16)) -> Path:
    Image.new(mode, size, 99 if mode == "L" else None).save(path)
    return path


def test_a_goal_image_comes_back_raw(tmp_path: Path) -> None:
    goal = read_goal(picture(tmp_path / "g.png"), (16, 16, 1))
    assert goal.shape == (16, 16, 1) and goal.dtype == np.uint8 and (goal == 99).all()
    assert read_goal(picture(tmp_path / "g.jpg", "RGB", (8, 6)), (6, 8, 3)).shape == (6, 8, 3)


def test_unsuitable_goal_images_name_file_and_cure(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    cases = [
        (tmp_path / "none.png", (16, 16, 1), "no such file"),
        (tmp_path / "text.png", (16, 16, 1), "PNG or JPEG"),
        (picture(tmp_path / "big.png", size=(32, 16)), (16, 16, 1), "32 x 16"),
        (picture(tmp_path / "rgb.png", "RGB"), (16, 16, 1), "convert"),
        (picture(tmp_path / "ok.png"), (3,), "shape"),
    ]
    for path, shape, words in cases:
        with pytest.raises(UserError, match=words) as caught:
            read_goal(path, shape)
        assert str(path) in str(caught.value)


class ToyModel(torch.nn.Module):
    """A model with the outside of a trained one: the position is the mean brightness, the velocity drifts."""

    def __init__(self) -> None:
        super().__init__()
        self.spec = SimpleNamespace(observation_shape=(16, 16, 1), action_size=1)
        self.initial_distribution = SimpleNamespace(
            sample=lambda n, generator=None: torch.randn(n, 2, generator=generator)
        )

    def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
        velocity = state[..., 1:] + 0.1 * action
        return DiagonalGaussian(torch.cat([state[..., :1] + 0.1 * velocity, velocity], -1), torch.full((2,), 1e-4))

    def initial_belief(self, observation: Tensor) -> Belief:
        position = observation.flatten(1).double().mean(1, keepdim=True) / 255
        return Belief(torch.cat([position, 0 * position], 1), torch.eye(2).expand(len(position), 2, 2))

    def filter(self, belief: Belief, action: Tensor, observation: Tensor | None) -> Belief:
        assert observation is not None
        return self.initial_belief(observation)

    def emission(self, state: Tensor) -> DiagonalGaussian:
        mean = state[..., :1, None, None].expand(*state.shape[:-1], 16, 16, 1)
        return DiagonalGaussian(mean, torch.ones(1))

    def encode_goal(self, observations: Tensor) -> Tensor:
        return observations.float().mean()[None] / 255


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run folder whose model is the toy, with a goal image in it."""
    for verb in (learn_verb, evaluate_verb):
        monkeypatch.setattr(verb, "load_model", lambda folder: ToyModel())
    recorded = {"env_id": TASKS["swing-up"].env_id, "env_kwargs": {"picture": "rod"}}
    monkeypatch.setattr(evaluate_verb, "load_settings", lambda folder: {"data": recorded})
    picture(tmp_path / "goal.png")
    return tmp_path


def learn_options(run: Path, **changes: Any) -> learn_verb.LearnOptions:
    return learn_verb.LearnOptions(run=run, goal=run / "goal.png", **{"updates": 3, "horizon": 4, **changes})


def test_learn_writes_a_policy_a_history_and_a_log(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = learn_verb.learn(learn_options(run))
    assert path == run / "policy.safetensors"
    assert load_policy(run)(torch.zeros(5, 2)).shape == (5, 1)
    settings = json.loads((run / "policy.json").read_text())["settings"]
    assert settings["updates_done"] == 3 and settings["learner"]["horizon"] == 4
    assert len((run / "policy_history.csv").read_text().splitlines()) == 4
    assert list((run / "policy_log").glob("events*"))
    assert not list(run.glob("*.partial"))
    assert "next: python -m latentrl.evaluate" in capsys.readouterr().out


def test_learn_interrupted_saves_what_there_is(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = POLICIES["analytic-gradient"]
    original = learner.update

    def interrupted(self: Any) -> Any:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(1)
        return original(self)

    done: list[int] = []
    monkeypatch.setattr(learner, "update", interrupted)
    learn_verb.learn(learn_options(run, updates=50))
    assert json.loads((run / "policy.json").read_text())["settings"]["updates_done"] == 2


@pytest.mark.parametrize("wrong", [{"torque": 0.0}, {"updates": 0}, {"horizon": -1}], ids=str)
def test_learn_refuses_bad_numbers(run: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        learn_verb.learn(learn_options(run, **wrong))


@pytest.mark.parametrize("agent", ["policy", "cem", "random"])
def test_evaluate_writes_figures_and_video(
    run: Path, agent: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TASKS, "swing-up", short(steps=4))
    learn_verb.learn(learn_options(run))
    options = evaluate_verb.EvaluateOptions(run=run, agent=agent, goal=run / "goal.png", episodes=2)
    summary = evaluate_verb.evaluate(options)
    assert (summary["episodes"], summary["successes"], summary["success"]) == (2, 0, [False, False])
    assert summary["wilson_95"] == pytest.approx(wilson_interval(0, 2))
    assert json.loads((run / f"evaluation_{agent}.json").read_text()) == summary
    assert (run / f"evaluation_{agent}.gif").read_bytes().startswith(b"GIF89a")
    assert not list(run.glob("*.partial"))
    printed = capsys.readouterr().out
    assert "0 of 2" in printed and "next: " in printed


def test_evaluate_without_a_policy_or_on_other_data_is_a_clear_error(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="holds no policy"):
        evaluate_verb.evaluate(evaluate_verb.EvaluateOptions(run=run))
    elsewhere = {"data": {"env_id": "Pendulum-v1", "env_kwargs": {}}}
    monkeypatch.setattr(evaluate_verb, "load_settings", lambda folder: elsewhere)
    with pytest.raises(UserError, match="Pendulum-v1"):
        evaluate_verb.evaluate(evaluate_verb.EvaluateOptions(run=run))


def test_the_belief_is_decoded_to_a_picture() -> None:
    decoded = evaluate_verb.believed_picture(cast(WorldModel, ToyModel()), torch.tensor([[0.5, 0.0], [9.0, 0.0]]))
    assert decoded.shape == (16, 16, 1) and decoded.dtype == np.uint8 and (decoded == 128).all()


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
from latentrl.distributions import DiagonalGaussian
from latentrl.rewards import PositionReward
from latentrl.types import Belief

class Toy(torch.nn.Module):
    spec = SimpleNamespace(observation_shape=(16, 16, 1), action_size=1)
    initial_distribution = SimpleNamespace(sample=lambda n, generator=None: torch.randn(n, 1, generator=generator))
    def transition(self, state, action):
        return DiagonalGaussian(state + action, torch.full((1,), 1e-4))
    def encode_goal(self, observations):
        return observations.float().mean()[None] / 255

learn.load_model = lambda folder: Toy()
run = Path(sys.argv[1])
learn.learn(learn.LearnOptions(run=run, goal=run / "goal.png", updates=2, horizon=3))
planner = CEM(-torch.ones(1), torch.ones(1), CEMOptions(horizon=3, samples=8, elites=2))
PlannerController(planner, Toy(), PositionReward(torch.zeros(1)))(Belief(torch.ones(2, 1), torch.ones(2, 1, 1)))
print("no environment")
"""


def test_neither_learning_nor_planning_can_touch_an_environment(tmp_path: Path) -> None:
    """In a fresh interpreter, importing Gymnasium, Minari, the environments or the data room is an error."""
    picture(tmp_path / "goal.png")
    command = [sys.executable, "-c", NO_ENVIRONMENT, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "no environment" in done.stdout
    assert (tmp_path / "policy.safetensors").is_file()


def test_the_barrier_of_that_test_holds(tmp_path: Path) -> None:
    picture(tmp_path / "goal.png")
    for module in ("gymnasium", "latentrl.envs"):
        script = NO_ENVIRONMENT.split("from pathlib")[0] + f"import {module}"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
        assert done.returncode != 0 and "was imported" in done.stderr
