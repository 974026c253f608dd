"""The reacher: its physics is the suite's, its pictures show the arm and nothing else, its score is the suite's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import gymnasium
import numpy as np
import pytest

from latentrl.envs import REACHER, opengl
from latentrl.envs.reacher.camera import FINER, SIZE, ReacherCamera
from latentrl.envs.reacher.env import ReacherEnv
from latentrl.envs.reacher.geometry import WRIST_LIMIT, finger_position, poses_at, wrapped
from latentrl.envs.reacher.physics import ReacherPhysics

suite_reacher = pytest.importorskip("dm_control.suite.reacher")


@pytest.fixture
def pixels() -> Iterator[ReacherEnv]:
    env = ReacherEnv("pixels")
    try:
        env.reset(seed=0)
    except gymnasium.error.DependencyNotInstalled as error:
        pytest.skip(str(error))
    yield env
    env.close()


def test_moves_and_scores_as_the_suite_does() -> None:
    reference = suite_reacher.easy(random=3)
    reference.reset()
    env = ReacherEnv(control_step=0.02, noise=0.0)
    target = np.add(finger_position(reference.physics.position()), [0.03, 0.0])
    reference.physics.named.model.geom_pos["target", :2] = target
    env.reset(seed=0, options={"angles": reference.physics.position(), "target": target})
    rng, scored = np.random.default_rng(0), 0.0
    for _ in range(300):
        action = rng.uniform(-1, 1, 2)
        expected = reference.step(action)
        observation, reward, *_, info = env.step(action.astype(np.float32))
        np.testing.assert_allclose(info["angles"], reference.physics.position(), atol=1e-5)
        np.testing.assert_allclose(info["velocities"], reference.physics.velocity(), atol=1e-4)
        np.testing.assert_allclose(observation, info["angles"], atol=1e-5)
        assert reward == expected.reward
        scored += reward
    assert 0 < scored < 300


def test_finger_stands_where_the_angles_say() -> None:
    physics = ReacherPhysics()
    for angles in ([0.0, 0.0], [1.0, -2.0], [-2.5, 0.7]):
        physics.set_state(angles)
        np.testing.assert_allclose(finger_position(angles), physics.data.geom("finger").xpos[:2], atol=1e-12)


def test_a_control_step_is_so_many_physics_steps() -> None:
    fine, coarse = ReacherEnv(control_step=0.02, noise=0.0), ReacherEnv(control_step=0.06, noise=0.0)
    for env in (fine, coarse):
        env.reset(seed=1)
    action = np.array([0.7, -0.4], np.float32)
    for _ in range(3):
        fine_info = fine.step(action)[4]
    np.testing.assert_allclose(coarse.step(action)[4]["angles"], fine_info["angles"], atol=1e-12)


def test_first_states_cover_the_joints_range_and_options_set_them() -> None:
    env = ReacherEnv(noise=0.0)
    angles = np.stack([env.reset(seed=seed)[1]["angles"] for seed in range(300)])
    assert np.abs(angles[:, 0]).max() > 3.0 and 2.6 < np.abs(angles[:, 1]).max() <= WRIST_LIMIT
    _, info = env.reset(seed=0, options={"angles": [4.0, 1.0], "velocities": [0.5, -0.5], "target": [0.1, 0.0]})
    assert info["angles"].tolist() == [4.0, 1.0] and info["velocities"].tolist() == [0.5, -0.5]
    assert info["target"].tolist() == [0.1, 0.0]


def test_sensor_noise_has_the_size_that_was_asked_for() -> None:
    env = ReacherEnv(noise=0.02)
    env.reset(seed=0)
    readings = np.stack([env.photograph([0.3, -1.0]) for _ in range(2000)])
    np.testing.assert_allclose(readings.mean(0), [0.3, -1.0], atol=2e-3)
    np.testing.assert_allclose(readings.std(0), 0.02, rtol=0.1)


def test_pictures_depend_on_the_angles_alone(pixels: ReacherEnv) -> None:
    options = {"angles": [0.4, 1.1], "velocities": [0.0, 0.0], "target": [0.1, 0.1]}
    first = pixels.reset(seed=0, options=options)[0]
    other = pixels.reset(seed=1, options={**options, "velocities": [3.0, -2.0], "target": [-0.1, 0.05]})[0]
    assert np.array_equal(first, other)
    assert np.array_equal(first, pixels.photograph([0.4, 1.1]))
    assert np.abs(first.astype(int) - pixels.photograph([0.5, 1.1])).max() > 30
    # The arm lies right of and above the centre: rows count downwards, x points right and y up.
    bright = np.argwhere(pixels.photograph([0.5, 0.0]).astype(int).sum(-1) > 400)
    assert bright[:, 0].max() <= 33 and bright[:, 1].min() >= 30 and bright[:, 1].max() > 45


def test_pictures_show_the_arm_where_it_is_now(pixels: ReacherEnv) -> None:
    """MuJoCo's step leaves the drawn bodies one step behind the joints."""
    pixels.reset(seed=0, options={"angles": [0.4, 1.1], "velocities": [8.0, -8.0]})
    for _ in range(3):
        seen, _, _, _, info = pixels.step(np.zeros(2, np.float32))
        assert np.array_equal(seen, pixels.photograph(info["angles"]))


def test_pixels_are_means_of_finer_ones(pixels: ReacherEnv) -> None:
    finer = ReacherCamera(ReacherPhysics().model, size=FINER * SIZE)
    physics = ReacherPhysics(finer.model)
    physics.set_state([0.4, 1.1])
    whole = finer.photograph(physics.data).astype(float)
    finer.close()
    means = whole.reshape(SIZE, FINER, SIZE, FINER, 3).mean((1, 3))
    # The finer one's pixels are means in turn: of points that lie closer, but around the same centres.
    off = np.abs(pixels.photograph([0.4, 1.1]) - means)[means.sum(-1) > 250]  # on the arm
    assert len(off) > 40 and off.mean() < 10  # 35 without the means


def test_photographing_leaves_the_state_alone(pixels: ReacherEnv) -> None:
    pixels.reset(seed=0)
    before = pixels.step(np.array([1.0, 1.0], np.float32))[4]
    pixels.photograph([0.0, 0.0])
    after = pixels.step(np.array([0.0, 0.0], np.float32))[4]
    assert np.abs(after["velocities"]).max() > 0.1 and np.abs(after["angles"] - before["angles"]).max() > 0


def test_pictures_are_no_ground_truth_of_themselves(pixels: ReacherEnv) -> None:
    observation, info = pixels.reset(seed=0)
    assert pixels.metadata["ground_truth"] == ("angles", "velocities")
    assert (
        ReacherEnv.metadata["ground_truth"]
        == ReacherEnv().metadata["ground_truth"]
        == ("angles", "velocities", "clean")
    )
    assert np.array_equal(info["clean"], observation)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"control_step": 0.03}, "control_step=0.03: give a multiple"),
        ({"observation": "smell"}, "observation='smell'"),
        ({"target": "huge"}, "target='huge'"),
        ({"noise": -1.0}, "noise=-1.0"),
        ({"noise": "a"}, "noise='a': give 0 to 3.14159 radians"),
        ({"control_step": 1e308}, "control_step"),
        ({"control_step": "a"}, "control_step='a'"),
        ({"target": ["hard"]}, "target"),
        ({"render_mode": "human"}, "render_mode='human'"),
    ],
)
def test_bad_settings_name_themselves(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ReacherEnv(**settings)  # type: ignore[arg-type]


def test_bad_actions_and_options_are_refused() -> None:
    env = ReacherEnv()
    env.reset(seed=0)
    with pytest.raises(ValueError, match="NaN"):
        env.step(np.array([np.nan, 0.0], np.float32))
    with pytest.raises(ValueError, match="only angles"):
        env.reset(options={"angle": 1.0})
    with pytest.raises(ValueError, match="two numbers"):
        env.reset(options={"angles": [1.0, 2.0, 3.0]})
    with pytest.raises(ValueError, match=r"'velocities'.*100 rad/s"):
        env.reset(options={"velocities": [1e308, 0.0]})


def test_without_opengl_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opengl, "BACKENDS", {})
    monkeypatch.setenv("MUJOCO_GL", "glfw")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(gymnasium.error.DependencyNotInstalled, match=r"apt-get install .*or observe sensors"):
        opengl.make_context(8, 8)


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )


@pytest.mark.parametrize(("module", "words"), [("mujoco", "needs MuJoCo"), ("dm_control", "comes with dm_control")])
def test_without_mujoco_the_error_says_what_to_install(module: str, words: str) -> None:
    code = f"""
import importlib.util, sys
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == {module!r} else found(name, *rest)
import gymnasium, latentrl.envs
try:
    gymnasium.make("latentrl/Reacher-v0")
except gymnasium.error.DependencyNotInstalled as error:
    print(error)
assert "dm_control" not in sys.modules
"""
    said = run(code).stdout
    assert words in said and "pip install 'latentrl[reacher]'" in said and said.count("\n") == 1


@pytest.mark.parametrize("backend", ["osmesa", "nonsense"])
def test_angles_need_no_opengl(backend: str) -> None:
    code = """
import os, gymnasium, latentrl.envs
before = dict(os.environ)
env = gymnasium.make("latentrl/Reacher-v0")
env.reset(seed=0)
env.step(env.action_space.sample())
env.close()
assert os.environ == before
"""
    assert run(code, MUJOCO_GL=backend).stderr == ""


def test_a_backend_that_was_asked_for_and_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "cgl" if sys.platform == "linux" else "egl")
    with pytest.raises(gymnasium.error.DependencyNotInstalled, match=r"unset MUJOCO_GL=.*apt-get install"):
        opengl.make_context(8, 8)


@pytest.mark.parametrize("ending", ["", "del env", "env.close()", "raise SystemExit(0)"])
def test_ends_without_noise_closed_or_not(pixels: ReacherEnv, ending: str) -> None:
    code = """
import gymnasium
env = gymnasium.make("latentrl.envs:latentrl/Reacher-v0", observation="pixels", render_mode="rgb_array")
env.reset(seed=0)
env.render()
"""
    assert run(code + ending).stderr == ""


def test_many_arms_are_so_many_single_ones() -> None:
    arms = gymnasium.make_vec(REACHER, num_envs=3)
    rng = np.random.default_rng(0)
    starts, targets = rng.uniform(-2.0, 2.0, (3, 2)), rng.uniform(-0.1, 0.1, (3, 2))
    given: dict[str, np.ndarray] = {"angles": starts, "target": targets, "velocities": np.array([0.5, -0.5])}
    for options in ({}, given):
        seen, info = arms.reset(seed=4, options=options)
        assert seen.shape == (3, 2) and seen.dtype == np.float32 and info["_angles"].all()
        actions = rng.uniform(-1.0, 1.0, (5, 3, 2)).astype(np.float32)
        together = [(seen, np.zeros(3), info)] + [(seen, reward, i) for seen, reward, *_, i in map(arms.step, actions)]
        for index in range(3):
            own = {name: np.broadcast_to(value, (3, 2))[index] for name, value in options.items()}
            arm = ReacherEnv()
            alone = [(arm.reset(seed=4 + index, options=own), 0.0)]
            alone += [((step[0], step[4]), step[1]) for step in (arm.step(action[index]) for action in actions)]
            for (seen, reward, info), ((observation, truth), own_reward) in zip(together, alone, strict=True):
                assert np.array_equal(seen[index], observation) and reward[index] == own_reward
                assert all(np.array_equal(info[name][index], truth[name]) for name in truth)
    with pytest.raises(ValueError, match="3 arms"):
        arms.reset(options={"angles": np.zeros((2, 2))})


def test_many_arms_are_truncated_together_and_start_again() -> None:
    arms = gymnasium.make_vec(REACHER, num_envs=2, max_episode_steps=2)
    arms.reset(seed=0)
    still = np.zeros((2, 2), np.float32)
    ends = [arms.step(still)[3].tolist() for _ in range(4)]
    assert ends == [[False] * 2, [True] * 2, [False] * 2, [False] * 2]


def test_many_cameras_are_one(pixels: ReacherEnv) -> None:
    arms = gymnasium.make_vec(REACHER, num_envs=2, observation="pixels")
    poses = np.array([[0.4, 1.1], [-2.0, 0.3]])
    seen, _ = arms.reset(seed=0, options={"angles": poses})
    for index in range(2):
        assert np.array_equal(seen[index], pixels.photograph(poses[index]))
    arms.close()


def test_the_finger_is_where_its_poses_put_it() -> None:
    rng = np.random.default_rng(0)
    finger = finger_position(rng.uniform((-9.0, -WRIST_LIMIT), (9.0, WRIST_LIMIT), (50, 2)))
    poses = poses_at(finger)
    assert poses.shape == (2, 50, 2) and np.array_equal(poses[0, :, 1], -poses[1, :, 1])
    np.testing.assert_allclose(finger_position(poses), np.stack([finger, finger]), atol=1e-12)
    assert (np.abs(poses[..., 0]) <= np.pi).all() and (np.abs(poses[..., 1]) <= WRIST_LIMIT + 1e-9).all()
    assert wrapped([4.0, -np.pi]).tolist() == [4.0 - 2 * np.pi, -np.pi]
    with pytest.raises(ValueError, match="out of reach"):
        poses_at([0.2, 0.2])
