"""The control suite's tasks: the suite's own environment is the oracle."""

from __future__ import annotations

import subprocess
import sys
import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env, data_equivalence
from numpy.typing import NDArray

from latentrl.data_collection.making import make
from latentrl.envs.control_suite import NAMESPACE, SUITE
from latentrl.envs.coordinates import coordinates_from_json
from latentrl.support.errors import UserError

suite = pytest.importorskip("dm_control.suite")
CARTPOLE = "dm_control/cartpole-swingup"
OF_ALL_KINDS = ("cartpole-swingup", "ball_in_cup-catch", "fish-swim", "quadruped-escape", "swimmer-swimmer6")


@pytest.fixture
def opengl() -> None:
    try:
        env = gymnasium.make(CARTPOLE, render_mode="rgb_array")
        env.reset(seed=0)
        env.render()
        env.close()
    except gymnasium.error.DependencyNotInstalled as error:
        pytest.skip(str(error))


def test_every_task_of_the_suite_has_its_name() -> None:
    assert {(domain, task) for domain, tasks in SUITE.items() for task in tasks} == set(suite.ALL_TASKS)
    known = {spec.id for spec in gymnasium.registry.values() if spec.namespace == NAMESPACE}
    assert {f"dm_control/{domain}-{task}" for domain, task in suite.ALL_TASKS} <= known


def test_the_face_needs_neither_mujoco_nor_the_suite() -> None:
    code = "import sys, latentrl.envs; assert not {'mujoco', 'dm_control'} & {n.split('.')[0] for n in sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", OF_ALL_KINDS)
def test_moves_as_the_suite_does(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the same state, the same actions give the same observations, rewards and end."""
    env = gymnasium.make(f"dm_control/{name}", time_limit=0.2)
    domain, task = name.split("-", 1)
    kwargs = {"random": 1, "time_limit": 0.2}
    oracle = suite.load(domain, task, kwargs, environment_kwargs={"flat_observation": True})
    # At every reset terrain goes to the suite's renderer too, which not every machine has.
    monkeypatch.setattr(type(oracle.physics), "contexts", None)
    env.reset(seed=0)
    for random in (oracle.task.random, env.unwrapped._suite.task.random):  # type: ignore[attr-defined]
        random.seed(7)
    said, (observation, info) = oracle.reset(), env.reset()
    rng = np.random.default_rng(0)
    while True:
        np.testing.assert_array_equal(observation, said.observation["observations"].astype(np.float32))
        np.testing.assert_array_equal(info["qpos"], oracle.physics.data.qpos)
        np.testing.assert_array_equal(info["qvel"], oracle.physics.data.qvel)
        if said.last():
            break
        action = rng.uniform(env.action_space.low, env.action_space.high).astype(np.float32)  # type: ignore[attr-defined]
        said, (observation, reward, terminated, truncated, info) = oracle.step(action), env.step(action)
        assert reward == said.reward
        assert (terminated or truncated) == said.last()
    assert truncated and not terminated


@pytest.mark.parametrize("name", OF_ALL_KINDS)
def test_seeded_runs_repeat_exactly(name: str) -> None:
    env = gymnasium.make(f"dm_control/{name}")

    def play(seed: int) -> list[Any]:
        env.action_space.seed(0)
        return [env.reset(seed=seed), *(env.step(env.action_space.sample()) for _ in range(3))]

    first = play(5)
    assert not data_equivalence(first, play(6), exact=True)
    assert data_equivalence(first, play(5), exact=True)


def test_passes_the_checker_of_gymnasium(opengl: None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # As the suite has them: observations without bounds.
        warnings.filterwarnings("ignore", message=".*Box observation space .*infinity")
        check_env(gymnasium.make(CARTPOLE).unwrapped)


def test_coordinates_are_read_off_the_joints() -> None:
    def of(name: str) -> dict[str, tuple[str, str, Any]]:
        env = gymnasium.make(f"dm_control/{name}").unwrapped
        found = coordinates_from_json(env.metadata["coordinates"], name)
        assert {one.key for one in found} <= set(env.metadata["ground_truth"])
        truth = env.reset(seed=0)[1]
        assert all(np.ndim(one.values(truth)) == 0 for one in found)
        return {one.name: (one.kind, one.unit, one.limits) for one in found}

    assert of("cartpole-swingup") == {
        "slider": ("line", "m", (-1.8, 1.8)),
        "hinge_1": ("angle", "rad", None),
        "slider_velocity": ("velocity", "m/s", None),
        "hinge_1_velocity": ("velocity", "rad/s", None),
    }
    arm = of("reacher-easy")
    assert arm["shoulder"][0] == "angle" and arm["wrist"][0] == "line"
    fish = of("fish-swim")
    assert fish["root_x"][:2] == ("line", "m") and fish["root_z_velocity"][:2] == ("velocity", "m/s")
    # Of a body that turns freely no number is a coordinate.
    assert not any(
        name.startswith("root") for name in fish.keys() - {f"root_{x}{v}" for x in "xyz" for v in ("", "_velocity")}
    )


@pytest.mark.parametrize("options", [{"qpos": [0.3, 3.0], "qvel": [0.0, -1.0]}, {"qpos": {"hinge_1": 3.0}}])
def test_reset_options_set_the_state(options: dict[str, Any]) -> None:
    env = gymnasium.make(CARTPOLE)
    observation, info = env.reset(seed=0, options=options)
    plain = env.reset(seed=0)[1]
    np.testing.assert_allclose(info["qpos"], [options["qpos"][0] if "qvel" in options else plain["qpos"][0], 3.0])
    np.testing.assert_allclose(info["qvel"], options.get("qvel", plain["qvel"]))
    # The suite observes the cart's place, the pole's cosine and sine, and the velocities.
    np.testing.assert_allclose(observation[1:3], [np.cos(3.0), np.sin(3.0)], rtol=1e-6)


def test_a_range_is_drawn_from_anew_in_every_episode() -> None:
    env, ranges = gymnasium.make(CARTPOLE), {"qpos": {"hinge_1": [2.0, 3.0]}, "qvel": {"slider": [-1.0, 1.0]}}
    starts = [env.reset(seed=0 if episode in (0, 20) else None, options=ranges)[1] for episode in range(40)]
    angles, speeds = np.array([[start["qpos"][1], start["qvel"][0]] for start in starts]).T
    assert 2.0 <= angles.min() < 2.2 and 2.8 < angles.max() <= 3.0
    assert -1.0 <= speeds.min() < -0.5 and 0.5 < speeds.max() <= 1.0
    np.testing.assert_array_equal(angles[:20], angles[20:])
    assert len(set(angles)) == 20


def test_what_a_task_draws_can_be_the_same_in_every_episode() -> None:
    """The finger's target lies elsewhere in every episode; it stays, and the joints are still drawn from ranges."""

    def starts(task_seed: int | None = None, **options: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        env = gymnasium.make("dm_control/finger-turn_easy", task_seed=task_seed)
        resets = [env.reset(seed=7 if episode == 0 else None, options=options or None) for episode in range(8)]
        return np.array([seen[9:11] for seen, _ in resets]), np.array([info["qpos"][2] for _, info in resets])

    target, hinge = starts()
    assert np.ptp(target, axis=0).min() > 0.1 and np.ptp(hinge) > 1
    target, hinge = starts(0)
    assert np.ptp(target, axis=0).max() == np.ptp(hinge) == 0
    there, hinge = starts(0, qpos={"hinge": [-3.0, 3.0]})
    np.testing.assert_allclose(there, target)
    assert np.ptp(hinge) > 1
    assert np.abs(starts(1)[0] - target).max() > 0.01


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"angle": 1.0}, "'qpos' and 'qvel'"),
        ({"qpos": [0.0]}, "2 finite numbers"),
        ({"qpos": [0.0, float("nan")]}, "2 finite numbers"),
        ({"qpos": "up"}, "2 finite numbers"),
        ({"qpos": [0.0, 1e308]}, r"MuJoCo takes numbers from -1e\+10 to 1e\+10$"),
        ({"qvel": {"slider": [0.0, -1e11]}}, r"'slider' is .*MuJoCo takes"),
        ({"qvel": {"elbow": 1.0}}, "no joint 'elbow', but slider, hinge_1"),
        ({"qpos": {"slider": [2, 1]}}, "'slider' is .*lower end of a range first$"),
        ({"qpos": {"slider": [1, 2, 3]}}, r"'slider' is .*1 finite number or a range \[LOW, HIGH\]$"),
        ({"qvel": {"slider": [0.0, float("inf")]}}, "'slider' is .*2 finite numbers$"),
    ],
)
def test_reset_options_that_do_not_fit_are_named(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        gymnasium.make(CARTPOLE).reset(seed=0, options=options)


def test_pictures_have_any_size_and_change_nothing(opengl: None) -> None:
    env = gymnasium.make(CARTPOLE, render_mode="rgb_array", height=48, width=64, camera=1)
    blind = gymnasium.make(CARTPOLE)
    action = np.ones(1, np.float32)
    frames: list[Any] = []
    for _ in range(2):
        env.reset(seed=1)
        blind.reset(seed=1)
        for _ in range(5):
            frames.append(env.render())
            np.testing.assert_array_equal(env.step(action)[0], blind.step(action)[0])
    assert {frame.shape for frame in frames} == {(48, 64, 3)}
    np.testing.assert_array_equal(frames[:5], frames[5:])
    assert np.std(frames) > 5
    env.close()
    env.close()


def test_a_picture_shows_the_state_it_was_set_to(opengl: None) -> None:
    envs = make(CARTPOLE, {"camera": "fixed"}, 2, pixels=(24, 32), grey=True)
    up = envs.reset(seed=0, options={"qpos": [0.0, 0.0], "qvel": [0.0, 0.0]})[0]
    down = envs.reset(seed=0, options={"qpos": [0.0, np.pi], "qvel": [0.0, 0.0]})[0]
    np.testing.assert_array_equal(up[0], up[1])
    change = np.abs(up[0].astype(int) - down[0])[..., 0]
    rows = np.flatnonzero(change.max(axis=1) > 20)
    # The pole leaves one side of the cart, in the picture's middle, for the other.
    assert rows.min() < 12 < rows.max()
    envs.close()


@pytest.mark.parametrize(
    ("kwargs", "problem"),
    [
        ({"camera": 7}, r"camera=7: choose one of -1 \(free\), 0 \(fixed\)"),
        ({"camera": "no"}, "camera='no'"),
        ({"height": 0}, "height=0"),
        ({"time_limit": 0}, "time_limit=0"),
        ({"time_limit": "a"}, "time_limit='a'"),
        ({"task_seed": -1}, "task_seed=-1"),
        ({"task_seed": 0.5}, "task_seed=0.5: give 0 to 4294967295"),
        ({"width": 10**9}, "width=1000000000"),
        ({"task": "fly"}, "domain='cartpole', task='fly'"),
    ],
)
def test_arguments_that_do_not_fit_are_named(kwargs: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        gymnasium.make(CARTPOLE, render_mode="rgb_array", **kwargs)


def test_a_missing_suite_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentrl.envs.control_suite.env.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"--env dm_control/cartpole-swingup: .*latentrl\[dm-control\]"):
        make(CARTPOLE, {}, 1)


def test_wrong_tasks_are_told_the_right_ones() -> None:
    with pytest.raises(UserError, match="did you mean dm_control/cartpole-swingup"):
        make("dm_control/cartpole_swingup", {}, 1)
