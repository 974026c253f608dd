"""The pendulum: its motion against physics, its pictures against their definition, its sensor against statistics."""

from __future__ import annotations

import math
from typing import Any

import gymnasium
import numpy as np
import pytest

import latentrl.envs
from latentrl.envs.pendulum import camera, physics
from latentrl.envs.pendulum.env import PendulumEnv
from latentrl.envs.pendulum.vector import PendulumVectorEnv


def states(count: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.uniform(-np.pi, np.pi, count), rng.uniform(-8, 8, count), rng.uniform(-7, 7, count)


class TestMotion:
    def test_control_step_equals_a_far_finer_integration(self) -> None:
        coarse = physics.advance(*states())
        fine = physics.advance(*states(), substeps=400)
        np.testing.assert_allclose(coarse, fine, atol=2e-6)

    def test_energy_changes_by_the_work_of_torque_and_friction(self) -> None:
        angle, velocity, torque = states(50)
        duration, slices = 0.1, 2000
        before = physics.energy(angle, velocity)
        work = np.zeros_like(angle)
        for _ in range(slices):
            next_angle, next_velocity = physics.advance(angle, velocity, torque, duration / slices, substeps=1)
            middle = (velocity + next_velocity) / 2
            work += (torque - physics.FRICTION * middle) * middle * duration / slices
            angle, velocity = next_angle, next_velocity
        np.testing.assert_allclose(physics.energy(angle, velocity) - before, work, atol=1e-6)

    def test_small_swing_has_the_period_of_the_damped_linear_pendulum(self) -> None:
        omega = math.sqrt(physics.GRAVITY / physics.LENGTH - physics.FRICTION**2 / 4)
        angle, velocity = physics.advance(
            np.array([np.pi + 1e-3]), np.zeros(1), np.zeros(1), duration=2 * np.pi / omega, substeps=400
        )
        decay = math.exp(-physics.FRICTION * np.pi / omega)
        np.testing.assert_allclose(angle - np.pi, 1e-3 * decay, rtol=1e-5)
        np.testing.assert_allclose(velocity, 0.0, atol=1e-8)

    def test_positive_torque_turns_counter_clockwise_and_gravity_pulls_down(self) -> None:
        upright, still = np.zeros(1), np.zeros(1)
        assert physics.acceleration(upright, still, np.ones(1)) == 1.0
        assert physics.acceleration(np.full(1, 0.1), still, still) > 0
        assert physics.acceleration(np.full(1, -0.1), still, still) < 0

    def test_wrap_keeps_the_direction_in_one_turn(self) -> None:
        angle = np.linspace(-20, 20, 1001)
        wrapped = physics.wrap(angle)
        assert np.all((wrapped >= -np.pi) & (wrapped < np.pi))
        np.testing.assert_allclose(np.exp(1j * wrapped), np.exp(1j * angle), atol=1e-12)


class TestCamera:
    @pytest.mark.parametrize("angle", [0.0, 0.7, np.pi / 2, -2.5, np.pi])
    def test_blob_is_its_definition(self, angle: float) -> None:
        column, row = 7.5 - 4 * math.sin(angle), 7.5 - 4 * math.cos(angle)
        expected = [
            [255 * (0.04 + 0.96 * math.exp(-((r - row) ** 2 + (c - column) ** 2) / 8)) for c in range(16)]
            for r in range(16)
        ]
        np.testing.assert_allclose(camera.draw(np.array([angle]), "blob")[0], expected, atol=1e-3)

    @pytest.mark.parametrize("angle", [0.0, 0.7, np.pi / 2, -2.5, np.pi])
    def test_rod_is_its_definition(self, angle: float) -> None:
        segment = [(7.5 - s * math.cos(angle), 7.5 - s * math.sin(angle)) for s in np.linspace(0.0, 6.0, 3001)]
        rows, columns = np.mgrid[:16, :16]
        distance = np.min([np.hypot(rows - r, columns - c) for r, c in segment], axis=0)
        expected = 255 * (0.04 + 0.96 * np.exp(-(distance**2) / (2 * 0.5**2)))
        np.testing.assert_allclose(camera.draw(np.array([angle]), "rod")[0], expected, atol=2e-2)

    def test_upright_is_up_and_counter_clockwise_is_left(self) -> None:
        for picture in camera.PICTURES:
            up, left = camera.draw(np.array([0.0, np.pi / 2]), picture) - 255 * camera.BLACK_LEVEL  # type: ignore[arg-type]
            assert up[:8].sum() > 2 * up[8:].sum()
            assert left[:, :8].sum() > 2 * left[:, 8:].sum()

    def test_noise_has_the_asked_deviation_and_no_memory(self) -> None:
        angle = np.full(2000, 0.3)
        noisy, clean = camera.photograph(angle, "blob", 0.01, np.random.default_rng(0))
        assert (clean == clean[0]).all()
        residual = (noisy.astype(float) - noisy.mean(axis=0)).reshape(2000, -1)
        # Rounding adds the variance 1/12 of a grey level; the brightest pixels may clip.
        expected = math.hypot(2.55, math.sqrt(1 / 12))
        deviation = residual.std(axis=0)
        dim = clean[0].reshape(-1) < 240
        np.testing.assert_allclose(deviation[dim], expected, rtol=0.08)
        np.testing.assert_allclose(deviation[dim].mean(), expected, rtol=0.004)
        correlation = np.corrcoef(residual.T)[~np.eye(256, dtype=bool)]
        assert abs(correlation).max() < 6 / math.sqrt(2000)
        consecutive = (residual[1:] * residual[:-1]).mean() / expected**2
        assert abs(consecutive) < 5 / math.sqrt(residual.size)

    def test_noise_is_normal(self) -> None:
        drawn = camera.gaussian_noise(np.random.default_rng(0), (1_000_000,)).astype(float)
        moments = [(drawn**k).mean() for k in (1, 2, 3, 4)]
        np.testing.assert_allclose(moments, [0, 1, 0, 3], atol=0.02)
        for threshold in (1.0, 2.0, 3.0):
            expected = math.erfc(threshold / math.sqrt(2))
            share = (abs(drawn) > threshold).mean()
            assert abs(share - expected) < 5 * math.sqrt(expected / len(drawn))

    def test_background_is_not_clipped(self) -> None:
        noisy, clean = camera.photograph(np.zeros(500), "blob", 0.01, np.random.default_rng(0))
        background = clean[0] == clean.min()
        assert background.sum() > 50
        np.testing.assert_allclose(noisy[:, background].mean(), 255 * camera.BLACK_LEVEL, atol=0.1)

    @pytest.mark.parametrize("picture", camera.PICTURES)
    @pytest.mark.parametrize("size", [8, 20, 24, 48, 64])
    def test_other_sizes_are_means_over_each_pixels_area(self, size: int, picture: Any) -> None:
        """Against the definition, looked at on a grid of 960 points a side."""
        angle = np.array([0.0, 0.7, -2.5])
        grid = (np.arange(960) + 0.5) / 60 - 8
        x, y = np.meshgrid(grid, grid[::-1])
        for drawn, turned in zip(camera.draw(angle, picture, size), angle, strict=True):
            right, up = -math.sin(turned), math.cos(turned)
            if picture == "blob":
                squared, width = (x - 4 * right) ** 2 + (y - 4 * up) ** 2, 2.0
            else:
                nearest = np.clip(x * right + y * up, 0, 6)
                squared, width = (x - nearest * right) ** 2 + (y - nearest * up) ** 2, 0.5
            scene = 255 * (0.04 + 0.96 * np.exp(-squared / (2 * width**2)))
            rows = np.arange(960) * size // 960
            ones = np.eye(size)[rows] * (size / 960)
            np.testing.assert_allclose(drawn, ones.T @ scene @ ones, atol=3.0 if size < 48 else 0.5)

    @pytest.mark.parametrize("picture", camera.PICTURES)
    def test_a_fine_picture_averaged_down_is_the_coarse_one(self, picture: Any) -> None:
        angle = np.random.default_rng(0).uniform(-np.pi, np.pi, 100)

        def down(size: int, to: int) -> np.ndarray:
            fine = camera.draw(angle, picture, size).reshape(100, to, size // to, to, size // to)
            return np.asarray(fine.mean((2, 4)))

        np.testing.assert_allclose(down(64, 32), camera.draw(angle, picture, 32), atol=1.0)
        # The one of 16 x 16 has the middles of its pixels, where a rod half a pixel wide is brighter than on average.
        mean, middle = down(64, 16), camera.draw(angle, picture)
        assert np.corrcoef(mean.ravel(), middle.ravel())[0, 1] > 0.99
        assert abs(mean - middle).mean() < 1.5
        np.testing.assert_allclose(mean.mean(), middle.mean(), rtol=0.005)

    def test_noise_of_16_pixels_is_drawn_by_128_frames(self) -> None:
        """Data of a seed stays what it was before there were other sizes."""
        angle = np.random.default_rng(0).uniform(-np.pi, np.pi, 300)
        noisy = camera.photograph(angle, "rod", 0.01, np.random.default_rng(5))[0]
        rng, scene = np.random.default_rng(5), camera.draw(angle, "rod")
        for start in (0, 128, 256):
            part = scene[start : start + 128]
            expected = camera.digitise(part + 255.0 * 0.01 * camera.gaussian_noise(rng, part.shape))
            np.testing.assert_array_equal(noisy[start : start + 128], expected)

    @pytest.mark.parametrize("size", [16, 24])
    def test_white_is_black_inverted(self, size: int) -> None:
        angle = np.linspace(-3, 3, 50)
        black, white = (
            camera.photograph(angle, "rod", 0.0, np.random.default_rng(0), size, one)[0].astype(int)
            for one in ("black", "white")
        )
        # Halves are rounded to even, in both.
        assert abs(black + white - 255).max() <= 1
        assert white.mean() > 200

    def test_large_pictures_are_drawn_a_few_at_a_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Memory does not grow with the number of frames: the scene is looked at in no more points than at 16 x 16."""
        drawn: list[int] = []
        plain = camera.draw

        def counting(angle: np.ndarray, picture: Any, size: int = 16) -> Any:
            drawn.append(len(angle))
            return plain(angle, picture, size)

        monkeypatch.setattr(camera, "draw", counting)
        camera.photograph(np.zeros(20), "rod", 0.0, np.random.default_rng(0), 64)
        assert sum(drawn) == 20 and max(drawn) * 128**2 <= 128 * 16**2

    def test_no_noise_means_the_clean_picture(self) -> None:
        noisy, clean = camera.photograph(np.linspace(-3, 3, 300), "rod", 0.0, np.random.default_rng(0))
        np.testing.assert_array_equal(noisy, clean)


class TestEnvironment:
    def test_angle_alone_decides_the_clean_picture(self) -> None:
        env = PendulumEnv()
        slow = env.reset(seed=0, options={"angle": 1.0, "velocity": 0.0})[1]
        fast = env.reset(seed=1, options={"angle": 1.0, "velocity": 4.0})[1]
        np.testing.assert_array_equal(slow["clean"], fast["clean"])
        assert (slow["angle"], slow["velocity"], fast["velocity"]) == (1.0, 0.0, 4.0)

    def test_hanging_at_rest_stays(self) -> None:
        env = PendulumEnv()
        env.reset(seed=0, options={"angle": np.pi, "velocity": 0.0})
        for _ in range(20):
            info = env.step(np.zeros(1, np.float32))[4]
        assert abs(abs(info["angle"]) - np.pi) < 1e-9
        assert abs(info["velocity"]) < 1e-9

    def test_first_states_fill_the_circle_and_the_speed_range(self) -> None:
        env = PendulumVectorEnv(4000, first_velocity=5.0)
        info = env.reset(seed=0)[1]
        counts = np.histogram(info["angle"], bins=8, range=(-np.pi, np.pi))[0]
        np.testing.assert_allclose(counts, 500, atol=120)
        counts = np.histogram(info["velocity"], bins=8, range=(-5, 5))[0]
        np.testing.assert_allclose(counts, 500, atol=120)
        assert counts.sum() == 4000

    def test_angle_stays_within_one_turn(self) -> None:
        env = PendulumEnv()
        env.reset(seed=0, options={"angle": 0.0, "velocity": 20.0})
        angles = [env.step(np.zeros(1, np.float32))[4]["angle"] for _ in range(20)]
        assert -np.pi <= min(angles) < -2
        assert 2 < max(angles) < np.pi

    def test_torque_is_clipped_to_the_limit(self) -> None:
        env = PendulumEnv(torque_limit=1.5)
        after = []
        for torque in (1.5, 40.0):
            env.reset(seed=0, options={"angle": 1.0, "velocity": 0.0})
            after.append(env.step(np.array([torque], np.float32))[4]["velocity"])
        assert after[0] == after[1]
        assert env.settings.action_space.high[0] == 1.5
        assert env.action_space == env.settings.action_space

    def test_reward_is_highest_upright_at_rest(self) -> None:
        env = PendulumEnv()
        rewards = []
        for angle, velocity, torque in [(0, 0, 0), (0.3, 0, 0), (0, 0.3, 0), (0, 0, 0.3)]:
            env.reset(seed=0, options={"angle": angle, "velocity": velocity})
            rewards.append(env.step(np.array([torque], np.float32))[1])
        assert rewards[0] == 0.0
        assert all(reward < 0 for reward in rewards[1:])

    @pytest.mark.parametrize("picture", camera.PICTURES)
    def test_photograph_is_the_observation_at_that_angle(self, picture: str) -> None:
        env = PendulumEnv(picture=picture)
        clean = env.reset(seed=0, options={"angle": 0.0})[1]["clean"].astype(float)
        photographs = np.stack([env.photograph(0.0) for _ in range(200)]).astype(float)
        assert photographs.shape == (200, 16, 16, 1)
        assert photographs.std(axis=0).min() > 0.5
        np.testing.assert_allclose(photographs.mean(axis=0), clean, atol=1.3)

    @pytest.mark.parametrize(
        ("settings", "culprit"),
        [
            ({"torque_limit": 0.0}, "torque_limit"),
            ({"torque_limit": 1e308}, "torque_limit=1e\\+308: give 1e-06 to 1000 N m"),
            ({"first_velocity": 1e308}, "first_velocity"),
            ({"picture": ["rod"]}, "picture"),
            ({"noise": "a"}, "noise='a': give 0 to 1 of full scale"),
            ({"first_velocity": -1.0}, "first_velocity"),
            ({"picture": "disc"}, "picture"),
            ({"noise": float("nan")}, "noise"),
            ({"size": 7}, "size"),
            ({"size": 24.5}, "size"),
            ({"size": "big"}, "size"),
            ({"background": "grey"}, "background"),
            ({"control_step": 0.0}, "control_step"),
            ({"control_step": float("nan")}, "control_step"),
            ({"render_mode": "human"}, "render_mode"),
            ({"render_size": 0}, "render_size"),
        ],
    )
    def test_bad_settings_are_named(self, settings: dict[str, Any], culprit: str) -> None:
        for make in (PendulumEnv, PendulumVectorEnv):
            with pytest.raises(ValueError, match=culprit):
                make(**settings)

    @pytest.mark.parametrize(
        "options", [{"angel": 0.0}, {"angle": "up"}, {"angle": np.nan}, {"velocity": [1.0, 2.0]}, {"velocity": 1e308}]
    )
    def test_bad_reset_options_are_named(self, options: dict[str, object]) -> None:
        with pytest.raises(ValueError, match="option"):
            PendulumEnv().reset(seed=0, options=options)

    def test_nan_torque_is_refused(self) -> None:
        env = PendulumEnv()
        env.reset(seed=0)
        with pytest.raises(ValueError, match="NaN"):
            env.step(np.array([np.nan], np.float32))

    def test_render_shows_the_pendulum_where_it_is(self) -> None:
        env = PendulumEnv(render_mode="rgb_array", render_size=120)
        frames = []
        for angle in (0.0, np.pi):
            env.reset(seed=0, options={"angle": angle, "velocity": 0.0})
            frame = env.render()
            assert frame is not None
            frames.append(frame)
        up, down = frames
        assert up.shape == (120, 120, 3)
        assert up.dtype == np.uint8
        darkness = 255.0 - up.mean(axis=2)
        assert darkness[:60].sum() > 2 * darkness[60:].sum()
        assert abs(up[::-1].astype(int) - down).mean() < 3
        assert PendulumEnv().render() is None

    @pytest.mark.parametrize("make", [PendulumEnv, PendulumVectorEnv])
    def test_settings_of_the_camera_are_seen_everywhere(self, make: Any) -> None:
        env = make(picture="rod", size=24, background="white", control_step=0.02)
        observation, info = env.reset(seed=0)
        assert observation.shape == env.observation_space.shape and observation.shape[-3:] == (24, 24, 1)
        assert info["clean"].shape == observation.shape and env.observation_space.contains(observation)
        assert env.photograph(np.zeros(1)).shape[-3:] == (24, 24, 1)
        assert (env.metadata["control_step"], env.metadata["render_fps"]) == (0.02, 50)
        assert make().metadata["control_step"] == 0.1, "another one's is its own"

    def test_short_control_steps_are_the_same_motion(self) -> None:
        """Ten steps of 0.01 s under one torque end where one of 0.1 s does."""
        ends = []
        for step, count in ((0.1, 1), (0.01, 10)):
            env = PendulumEnv(control_step=step)
            env.reset(seed=0, options={"angle": 1.0, "velocity": -3.0})
            for _ in range(count):
                info = env.step(np.array([1.5], np.float32))[4]
            ends.append((info["angle"], info["velocity"]))
        np.testing.assert_allclose(ends[0], ends[1], atol=1e-6)


class TestVectorised:
    def test_one_pendulum_equals_the_single_environment_exactly(self) -> None:
        single, vector = PendulumEnv(), PendulumVectorEnv(1)
        rng = np.random.default_rng(0)
        for seed in (3, None):
            one, info = single.reset(seed=seed)
            many, infos = vector.reset(seed=seed)
            for _ in range(30):
                np.testing.assert_array_equal(one, many[0])
                np.testing.assert_array_equal(info["clean"], infos["clean"][0])
                assert info["angle"] == infos["angle"][0]
                action = rng.uniform(-2, 2, 1).astype(np.float32)
                one, reward, *_, info = single.step(action)
                many, rewards, *_, infos = vector.step(action[None])
                assert reward == rewards[0]

    @pytest.mark.parametrize("picture", camera.PICTURES)
    def test_many_agree_with_the_single_environment(self, picture: str) -> None:
        angle, velocity, _ = states(150)
        vector = PendulumVectorEnv(150, picture=picture, torque_limit=7.0)
        single = PendulumEnv(picture=picture, torque_limit=7.0)
        actions = np.random.default_rng(1).uniform(-7, 7, (5, 150, 1)).astype(np.float32)
        infos = vector.reset(seed=0, options={"angle": angle, "velocity": velocity})[1]
        for action in actions:
            infos = vector.step(action)[4]
        for n in (0, 77, 127, 128, 149):
            single.reset(seed=0, options={"angle": angle[n], "velocity": velocity[n]})
            for action in actions[:, n]:
                info = single.step(action)[4]
            np.testing.assert_allclose([info["angle"], info["velocity"]], [infos["angle"][n], infos["velocity"][n]])
            np.testing.assert_array_equal(info["clean"], infos["clean"][n])

    def test_seeds_repeat_and_differ(self) -> None:
        def play(seed: int) -> np.ndarray:
            env = PendulumVectorEnv(5)
            frames = [env.reset(seed=seed)[0]]
            frames += [env.step(np.ones((5, 1), np.float32))[0] for _ in range(4)]
            return np.stack(frames)

        np.testing.assert_array_equal(play(4), play(4))
        assert (play(4) != play(5)).any()

    def test_truncated_pendulums_start_again_on_the_next_step(self) -> None:
        env = gymnasium.make_vec(latentrl.envs.PENDULUM, num_envs=3, max_episode_steps=4, first_velocity=0.0)
        env.reset(seed=0, options={"angle": np.pi, "velocity": 0.0})
        push = np.full((3, 1), 2.0, np.float32)
        for _ in range(3):
            *_, truncated, _ = env.step(push)
            assert not truncated.any()
        *_, truncated, info = env.step(push)
        assert truncated.all()
        assert (info["velocity"] > 0.1).all()
        _, reward, _, truncated, info = env.step(push)
        assert not truncated.any()
        assert (reward == 0).all()
        assert (info["velocity"] == 0).all()
        assert len(set(info["angle"])) == 3

    def test_infos_follow_the_vector_convention(self) -> None:
        env = gymnasium.wrappers.vector.DictInfoToList(PendulumVectorEnv(2))
        infos = env.reset(seed=0)[1]
        assert [set(info) for info in infos] == [{"angle", "velocity", "clean"}] * 2

    def test_infos_are_not_overwritten_by_later_steps(self) -> None:
        env = PendulumVectorEnv(3)
        observation, info = env.reset(seed=0)
        kept = (observation.copy(), {key: value.copy() for key, value in info.items()})
        env.step(np.ones((3, 1), np.float32))
        np.testing.assert_array_equal(observation, kept[0])
        for key, value in info.items():
            np.testing.assert_array_equal(value, kept[1][key])

    def test_infos_are_no_way_into_the_state(self) -> None:
        env = PendulumVectorEnv(3)
        info = env.reset(seed=0, options={"angle": np.pi, "velocity": 0.0})[1]
        info["angle"][:] = 0.0
        info["velocity"][:] = 9.0
        info = env.step(np.zeros((3, 1), np.float32))[4]
        np.testing.assert_allclose(abs(info["angle"]), np.pi)
        np.testing.assert_allclose(info["velocity"], 0.0, atol=1e-9)

    def test_goal_photographs_of_any_number(self) -> None:
        env = PendulumVectorEnv(3)
        env.reset(seed=0)
        assert env.photograph(np.zeros(7)).shape == (7, 16, 16, 1)

    def test_renders_one_frame_each(self) -> None:
        env = PendulumVectorEnv(2, render_mode="rgb_array", render_size=32)
        env.reset(seed=0)
        frames = env.render()
        assert frames is not None
        assert [frame.shape for frame in frames] == [(32, 32, 3)] * 2
        assert PendulumVectorEnv(2).render() is None
