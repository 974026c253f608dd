"""Random controls, rollouts and the verb that records them."""

from __future__ import annotations

import errno
import filecmp
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pyarrow.ipc
import pytest
from gymnasium.spaces import Box, Dict, Discrete, Graph
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from PIL import Image

import latentrl.collect
import latentrl.data_collection.recording
from latentrl.collect import CollectOptions
from latentrl.data_collection import storage
from latentrl.data_collection.behaviour import held_uniform, uniform
from latentrl.data_collection.folders import resumable_folder
from latentrl.data_collection.making import make, make_as_recorded
from latentrl.data_collection.recording import Recording
from latentrl.data_collection.rollout import collect, gather, player, rollout
from latentrl.envs import PENDULUM, REACHER, coordinates_of
from latentrl.envs.coordinates import Coordinate
from latentrl.envs.pendulum.env import PendulumEnv
from latentrl.support.errors import UserError

BAR = "test/Bar-v0"
LOW, HIGH = np.array([-2.0, 0.0], np.float32), np.array([2.0, 0.5], np.float32)


class BarEnv(gymnasium.Env[Any, Any]):
    """Counts its episodes and steps, lives for one of ``lifetimes`` drawn at reset, and renders its step as a bar."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10, "ground_truth": ("step",)}  # noqa: RUF012
    observation_space = Box(-np.inf, np.inf, (3,), np.float64)

    def __init__(
        self, lifetimes: tuple[int, ...] = (10**6,), render_mode: str | None = None, action_space: Any = None
    ) -> None:
        self.lifetimes, self.render_mode = lifetimes, render_mode
        self.action_space = Box(-1, 1, (1,), np.float64) if action_space is None else action_space
        self.episode = -1
        self.count = self.lifetime = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.episode, self.count = self.episode + 1, 0
        self.lifetime = int(self.np_random.choice(self.lifetimes))
        return self._observe()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action)
        self.count += 1
        observation, info = self._observe()
        return observation, 0.0, self.count >= self.lifetime, False, info

    def render(self) -> Any:
        frame = np.zeros((40, 40, 3), np.uint8)
        frame[:, : 4 * self.count] = 255
        return frame

    def _observe(self) -> tuple[Any, dict[str, Any]]:
        return np.array([self.episode, self.count, self.lifetime], np.float64), {"step": self.count, "noise": "text"}


@pytest.fixture(autouse=True)
def _bar_is_registered() -> Iterator[None]:
    gymnasium.register(BAR, entry_point=f"{__name__}:BarEnv")
    yield
    del gymnasium.registry[BAR]


class TestBehaviour:
    def test_uniform_fills_the_bounds_and_is_white(self) -> None:
        drawn = uniform(np.random.default_rng(0), LOW, HIGH, 400, 50)
        assert drawn.shape == (400, 50, 2)
        assert drawn.dtype == np.float32
        assert ((drawn >= LOW) & (drawn <= HIGH)).all()
        np.testing.assert_allclose(drawn.mean(axis=(0, 1)), (LOW + HIGH) / 2, atol=0.03)
        np.testing.assert_allclose(drawn.std(axis=(0, 1)), (HIGH - LOW) / np.sqrt(12), rtol=0.02)
        first, second = drawn[:, :-1, 0].ravel(), drawn[:, 1:, 0].ravel()
        assert abs(np.corrcoef(first, second)[0, 1]) < 0.03

    def test_held_controls_change_as_often_as_asked(self) -> None:
        drawn = held_uniform(np.random.default_rng(0), LOW, HIGH, 400, 50, hold=0.7)
        held = (drawn[:, 1:] == drawn[:, :-1]).all(axis=2)
        assert abs(held.mean() - 0.7) < 0.02
        np.testing.assert_allclose(drawn.std(axis=(0, 1)), (HIGH - LOW) / np.sqrt(12), rtol=0.05)

    def test_gentle_controls_stay_around_the_middle(self) -> None:
        drawn = held_uniform(np.random.default_rng(0), LOW, HIGH, 400, 50, hold=0.5, amplitude=0.5)
        assert ((drawn >= [-1.0, 0.125]) & (drawn <= [1.0, 0.375])).all()
        np.testing.assert_allclose(drawn.std(axis=(0, 1)), (HIGH - LOW) / 2 / np.sqrt(12), rtol=0.05)

    def test_no_hold_is_uniform(self) -> None:
        white = uniform(np.random.default_rng(3), LOW, HIGH, 4, 6)
        held = held_uniform(np.random.default_rng(3), LOW, HIGH, 4, 6, hold=0.0)
        np.testing.assert_array_equal(held, white)


class TestRollout:
    def test_sequences_have_the_asked_number_and_shapes(self) -> None:
        frames: list[int] = []
        recorded = list(collect(PENDULUM, {}, 7, 6, seed=0, num_envs=3, progress=frames.append))
        assert len(recorded) == 7
        assert sum(frames) == 7 * 6
        for trajectory in recorded:
            assert trajectory.observations.shape == (6, 16, 16, 1)
            assert trajectory.observations.dtype == np.uint8
            assert trajectory.actions.shape == (5, 1)
            assert trajectory.actions.dtype == np.float32
            assert {key: value.shape for key, value in trajectory.infos.items()} == {
                "angle": (6,),
                "velocity": (6,),
                "clean": (6, 16, 16, 1),
            }

    def test_each_action_acts_between_its_observation_and_the_next(self) -> None:
        env = PendulumEnv(torque_limit=5.0)
        for trajectory in collect(PENDULUM, {"torque_limit": 5.0}, 3, 8, seed=1, num_envs=3):
            truth = trajectory.infos
            env.reset(seed=0, options={key: truth[key][0] for key in ("angle", "velocity")})
            for t, action in enumerate(trajectory.actions):
                info = env.step(action)[4]
                np.testing.assert_allclose(info["velocity"], truth["velocity"][t + 1])
                np.testing.assert_array_equal(info["clean"], truth["clean"][t + 1])

    def test_the_observations_are_the_noisy_ones(self) -> None:
        (trajectory,) = collect(PENDULUM, {"noise": 0.01}, 1, 10, seed=0, num_envs=1)
        residual = trajectory.observations.astype(float) - trajectory.infos["clean"]
        assert 2.3 < residual.std() < 2.8

    def test_the_pendulum_starts_and_is_pushed_as_documented(self) -> None:
        recorded = list(collect(PENDULUM, {}, 1000, 5, seed=0))
        actions = np.stack([t.actions for t in recorded])
        velocity = np.array([t.infos["velocity"][0] for t in recorded])
        np.testing.assert_allclose(actions.std(), 2 / np.sqrt(3), rtol=0.03)
        assert abs(actions).max() <= 2
        np.testing.assert_allclose(velocity.std(), 5 / np.sqrt(3), rtol=0.05)
        assert abs(velocity).max() <= 5

    def test_seeds_repeat_and_differ(self) -> None:
        def frames(seed: int) -> np.ndarray:
            return np.stack([t.observations for t in collect(PENDULUM, {}, 5, 4, seed=seed, num_envs=2)])

        np.testing.assert_array_equal(frames(3), frames(3))
        assert (frames(3) != frames(4)).any()

    def test_no_two_sequences_are_alike(self) -> None:
        recorded = list(collect(PENDULUM, {}, 30, 4, seed=0, num_envs=4))
        assert len({t.infos["angle"][0] for t in recorded}) == 30
        assert len({float(t.actions[0, 0]) for t in recorded}) == 30

    def test_the_noted_seed_repeats_the_first_observations(self) -> None:
        recorded = list(collect(PENDULUM, {}, 6, 4, seed=0, num_envs=3))
        envs = make(PENDULUM, {}, num_envs=3)
        for start in (0, 3):
            again = envs.reset(seed=recorded[start].seed)[0]
            np.testing.assert_array_equal(again, [t.observations[0] for t in recorded[start : start + 3]])

    def test_sequences_never_cross_an_end(self) -> None:
        # Of these lifetimes 4 ends with the fifth observation, which still belongs to it; 2 and 3 are too short.
        recorded = list(collect(BAR, {"lifetimes": (2, 4, 3, 9)}, 30, 5, seed=0, num_envs=2))
        assert len(recorded) == 30
        for trajectory in recorded:
            episodes, steps, lifetimes = trajectory.observations.T
            assert len(set(episodes)) == 1
            assert lifetimes[0] in (4, 9)
            np.testing.assert_array_equal(steps, range(5))
            np.testing.assert_array_equal(trajectory.infos["step"], range(5))
            assert trajectory.observations.dtype == np.float32

    @pytest.mark.parametrize(("mode", "kept"), [(AutoresetMode.NEXT_STEP, {4, 9}), (AutoresetMode.SAME_STEP, {9})])
    def test_an_end_with_the_last_observation(self, mode: AutoresetMode, kept: set[int]) -> None:
        envs = SyncVectorEnv([lambda: BarEnv(lifetimes=(4, 9))], autoreset_mode=mode)
        recorded = np.stack([trajectory.observations for trajectory in rollout(envs, 20, 5, seed=0)])
        assert (recorded[:, :, 1] == np.arange(5)).all()
        assert set(recorded[:, 0, 2]) == kept

    def test_episodes_that_never_last_are_an_error(self) -> None:
        with pytest.raises(UserError, match="--length 5"):
            list(collect(BAR, {"lifetimes": (2,)}, 1, 5, seed=0))

    def test_bad_numbers_are_an_error(self) -> None:
        with pytest.raises(UserError, match="length=1"):
            list(collect(PENDULUM, {}, 1, 1, seed=0))

    def test_pixels_are_the_rendered_picture_and_keep_the_state_as_truth(self) -> None:
        (trajectory,) = collect(BAR, {}, 1, 5, seed=0, num_envs=1, pixels=20)
        assert trajectory.observations.shape == (5, 20, 20, 3)
        assert trajectory.observations.dtype == np.uint8
        np.testing.assert_array_equal(trajectory.infos["state"][:, 1], range(5))
        np.testing.assert_array_equal(trajectory.infos["step"], range(5))
        for t, image in enumerate(trajectory.observations):
            bright = image.mean() / 255
            assert abs(bright - 4 * t / 40) < 0.01

    def test_environments_may_use_their_arrays_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(BarEnv.metadata, "ground_truth", ("state",))

        class Thrifty(SyncVectorEnv):
            """Always returns the same arrays."""

            def reset(self, **arguments: Any) -> Any:
                self.seen = super().reset(**arguments)[0]
                return self.seen, {"state": self.seen}

            def step(self, actions: Any) -> Any:
                self.seen[:], *rest, _ = super().step(actions)
                return self.seen, *rest, {"state": self.seen}

        (trajectory,) = rollout(Thrifty([BarEnv]), 1, 5, seed=0)
        np.testing.assert_array_equal(trajectory.observations[:, 1], range(5))
        np.testing.assert_array_equal(trajectory.infos["state"][:, 1], range(5))

    def test_grey_pixels_are_the_brightness_of_the_picture(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def render(self: BarEnv) -> Any:
            return np.full((40, 40, 3), (10 * self.count, 200, 50), np.uint8)

        monkeypatch.setattr(BarEnv, "render", render)
        (trajectory,) = collect(BAR, {}, 1, 5, seed=0, num_envs=1, pixels=8, grey=True)
        assert trajectory.observations.shape == (5, 8, 8, 1)
        assert trajectory.observations.dtype == np.uint8
        # The luma of ITU-R 601, which Pillow computes.
        expected = 0.299 * 10 * np.arange(5) + 0.587 * 200 + 0.114 * 50
        np.testing.assert_allclose(trajectory.observations.mean(axis=(1, 2, 3)), expected, atol=1)

    def test_reset_options_reach_every_episode(self) -> None:
        recorded = list(collect(PENDULUM, {}, 7, 4, seed=0, num_envs=3, reset_options={"angle": 1.0, "velocity": 0.0}))
        assert {float(t.infos["angle"][0]) for t in recorded} == {1.0}
        assert {float(t.infos["velocity"][0]) for t in recorded} == {0.0}

    def test_refused_reset_options_are_named(self) -> None:
        with pytest.raises(UserError, match=r"--reset-options .*angel"):
            list(collect(PENDULUM, {}, 1, 4, seed=0, num_envs=1, reset_options={"angel": 1.0}))

    def test_thin_lines_fade_when_pixels_shrink(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def render(self: BarEnv) -> Any:
            frame = np.zeros((40, 40, 3), np.uint8)
            frame[:, self.count] = 255
            return frame

        monkeypatch.setattr(BarEnv, "render", render)
        (trajectory,) = collect(BAR, {}, 1, 30, seed=0, num_envs=1, pixels=10)
        brightness = trajectory.observations[5:].mean(axis=(1, 2, 3)) / 255
        np.testing.assert_allclose(brightness, 1 / 40, rtol=0.1)

    @pytest.mark.parametrize(
        ("env_id", "kwargs", "complaint"),
        [
            ("NoSuchThing-v0", {}, "NoSuchThing"),
            ("no_such_module:Thing-v0", {}, "no_such_module"),
            ("latentrl/Pendulum-v9", {}, "v9"),
            ("CartPole-v1", {}, "Discrete"),
            (BAR, {"action_space": Box(-np.inf, np.inf, (1,))}, "unbounded"),
            (BAR, {"observe_graph": True}, "Graph"),
            (BAR, {"action_space": Box(0, 9, (1,), np.int64)}, "whole numbers.*TransformAction"),
            ("pendulum-v1", {}, "did you mean Pendulum-v1"),
            ("NoSuchThing-v0", {}, "--env module:id"),
        ],
    )
    def test_unsuitable_environments_are_named(
        self, env_id: str, kwargs: dict[str, Any], complaint: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if kwargs.pop("observe_graph", False):
            monkeypatch.setattr(BarEnv, "observation_space", Graph(Box(0, 1, (1,)), None))
        with pytest.raises(UserError, match=complaint) as caught:
            make(env_id, kwargs, num_envs=1)
        assert "\n" not in str(caught.value)

    def test_dictionaries_of_observations_are_flattened_by_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        parts = {"b": Box(0, 99, (), np.float64), "a": Dict({"y": Box(0, 99, (2,)), "x": Discrete(2)})}
        monkeypatch.setattr(BarEnv, "observation_space", Dict(parts))
        seen = {"a": {"x": 1, "y": np.array([5, 6], np.float32)}, "b": np.array(7.0)}
        monkeypatch.setattr(BarEnv, "_observe", lambda self: (seen, {"step": self.count}))
        (trajectory,) = collect(BAR, {}, 1, 3, seed=0, num_envs=1)
        np.testing.assert_array_equal(trajectory.observations, [[0, 1, 5, 6, 7]] * 3)
        assert trajectory.observations.dtype == np.float32

    def test_unsuitable_environments_are_closed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        closed: list[BarEnv] = []
        monkeypatch.setattr(BarEnv, "close", lambda self: closed.append(self))
        with pytest.raises(UserError):
            make(BAR, {"action_space": Discrete(2)}, num_envs=2)
        assert len(closed) == 2

    def test_missing_ground_truth_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(BarEnv.metadata, "ground_truth", ("depth",))
        with pytest.raises(UserError, match="depth"):
            list(collect(BAR, {}, 1, 3, seed=0))

    def test_a_missing_renderer_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def render(self: BarEnv) -> Any:
            raise gymnasium.error.DependencyNotInstalled('pygame is not installed, run\n `pip install "pygame"`')

        monkeypatch.setattr(BarEnv, "render", render)
        with pytest.raises(UserError, match="pip install"):
            list(collect(BAR, {}, 1, 3, seed=0, pixels=8))

    @pytest.mark.parametrize(
        ("call", "value", "problem"),
        [
            ("step", KeyError("torque"), r"its step raised KeyError: 'torque' .*test_collection"),
            (
                "reset",
                OSError("no\ncamera"),
                r"its reset raised OSError: no camera .*test_collection",
            ),
            ("step", SystemExit(0), r"its step raised SystemExit: 0 .*test_collection"),
            ("reset", SystemExit("no licence"), r"its reset raised SystemExit: no licence .*test_collection"),
            ("step", np.zeros(4), r"its step raised ValueError"),
            ("step", np.array([0.0, np.nan, 0.0]), r"number 1 of the observation is nan at step 1 "),
            (
                "reset",
                np.array([0.0, 0.0, np.inf]),
                r"number 2 of the observation is inf at step 0 ",
            ),
        ],
    )
    @pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
    def test_an_environment_that_fails_is_named(
        self, call: str, value: Any, problem: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        works = getattr(BarEnv, call)

        def fails(self: BarEnv, *arguments: Any, **named: Any) -> Any:
            if isinstance(value, BaseException):
                raise value
            return value, *works(self, *arguments, **named)[1:]

        monkeypatch.setattr(BarEnv, call, fails)
        with pytest.raises(UserError, match=f"^--env {BAR}: {problem}") as caught:
            list(collect(BAR, {}, 1, 3, seed=0, num_envs=2))
        assert "\n" not in str(caught.value)

    @pytest.mark.filterwarnings("ignore::UserWarning")
    def test_a_renderer_that_makes_no_picture_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(BarEnv, "render", lambda self: None)
        with pytest.raises(UserError, match=r"--env test/Bar-v0: render\(\) returned None; give"):
            list(collect(BAR, {}, 1, 3, seed=0, num_envs=1, pixels=8, reset_options={"any": 1}))

    @pytest.mark.filterwarnings("ignore::UserWarning")
    def test_pictures_of_two_sizes_are_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        sides = iter([(20, 30), (20, 30), (10, 30)] + [(20, 30)] * 9)
        monkeypatch.setattr(BarEnv, "render", lambda self: np.zeros((*next(sides), 3), np.uint8))
        with pytest.raises(UserError, match=r"pictures of \(20, 30, 3\) and then of \(10, 30, 3\)"):
            list(collect(BAR, {}, 1, 4, seed=0, num_envs=1, pixels=8))

    def test_an_environment_that_cannot_be_made_is_named(self) -> None:
        with pytest.raises(
            UserError, match=rf'^--env {BAR} --env-kwargs {{"nope": 1}}: making it raised TypeError: .*nope'
        ):
            make(BAR, {"nope": 1}, num_envs=1)

    def test_dropped_episodes_are_counted(self) -> None:
        envs = make(BAR, {"lifetimes": (3, 100)}, num_envs=10)
        *_, (_, tally) = gather(player(envs), envs, 12, 6, seed=0)
        lived = 10 * tally.rounds - tally.dropped
        assert tally.sequences == 12 <= lived < 12 + 10
        assert 0.2 < tally.dropped / (10 * tally.rounds) < 0.8


class OfTheVerb:
    SMALL = ("--sequences", "6", "--test-sequences", "4", "--length", "5", "--num-envs", "4")

    def fails(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
        """Run the verb, which must exit with code 2 and one line on stderr."""
        with pytest.raises(SystemExit) as caught:
            latentrl.collect.main(arguments)
        assert caught.value.code == 2
        message = capsys.readouterr().err
        assert message.startswith("error: ")
        assert message.count("\n") == 1
        return message


class TestVerb(OfTheVerb):
    def test_writes_both_splits_a_goal_and_the_settings(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = tmp_path / "rod"
        latentrl.collect.main([*self.SMALL, "--out", str(folder), "--picture", "rod", "--torque", "3", "--seed", "5"])
        printed = capsys.readouterr().out
        assert f"python -m latentrl.train --data {folder}" in printed
        assert "50 frames" in printed

        train, test = (storage.load_sequences(folder, split) for split in ("train", "test"))
        assert (len(train), len(test), train.length) == (6, 4, 5)
        assert not set(storage.load_ground_truth(folder, "train")["angle"][:, 0]) & set(
            storage.load_ground_truth(folder, "test")["angle"][:, 0]
        )
        assert abs(train.actions).max() > 2

        goal = Image.open(folder / "goal.png")
        assert (goal.mode, goal.size) == ("L", (16, 16))
        upright = PendulumEnv(picture="rod").reset(seed=0, options={"angle": 0.0})[1]["clean"]
        np.testing.assert_allclose(np.asarray(goal, dtype=float), upright[..., 0], atol=13)

        metadata = storage.load_metadata(folder)
        assert metadata["env_id"] == PENDULUM
        assert metadata["env_kwargs"] == {"torque_limit": 3.0, "picture": "rod"}
        assert (metadata["action_low"], metadata["action_high"]) == ([-3.0], [3.0])
        assert metadata["collection"]["seed"] == 5

    def test_the_same_seed_gives_the_same_data(self, tmp_path: Path) -> None:
        options = [
            CollectOptions(out=tmp_path / name, sequences=3, test_sequences=1, length=4, seed=seed)
            for name, seed in (("a", 1), ("b", 1), ("c", 2))
        ]
        a, b, c = (storage.load_sequences(latentrl.collect.collect(o), "train").observations for o in options)
        np.testing.assert_array_equal(a, b)
        assert (a != c).any()

    def test_holds_controls(self, tmp_path: Path) -> None:
        latentrl.collect.main([*self.SMALL, "--hold", "0.99", "--out", str(tmp_path / "held")])
        actions = storage.load_sequences(tmp_path / "held", "train").actions
        assert (actions[:, 1:] == actions[:, :-1]).float().mean() > 0.8

    def test_coordinates_are_stored_as_the_environment_describes_or_declares_them(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        latentrl.collect.main([*self.SMALL, "--out", str(tmp_path / "known")])
        stored = storage.load_metadata(tmp_path / "known")["coordinates"]
        assert [(one["name"], one["key"], one["unit"]) for one in stored] == [
            ("angle", "angle", "rad"),
            ("velocity", "velocity", "rad/s"),
        ]
        latentrl.collect.main([*self.SMALL, "--env", BAR, "--out", str(tmp_path / "silent")])
        assert storage.load_metadata(tmp_path / "silent")["coordinates"] == []
        declared = [{"name": "progress", "kind": "line", "key": "step", "unit": "steps"}]
        monkeypatch.setattr(BarEnv, "metadata", {**BarEnv.metadata, "coordinates": declared})
        for pixels in ((), ("--pixels", "8")):
            folder = tmp_path / f"declared{len(pixels)}"
            latentrl.collect.main([*self.SMALL, "--env", BAR, *pixels, "--out", str(folder)])
            (one,) = coordinates_of(storage.load_metadata(folder))
            assert one == Coordinate("progress", "line", "step", unit="steps")
            assert one.values(storage.load_ground_truth(folder, "test")).tolist() == [[0, 1, 2, 3, 4]] * 4

    def test_wrappers_with_metadata_of_their_own_do_not_hide_the_coordinates(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Own(gymnasium.Wrapper[Any, Any, Any, Any]):
            def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
                super().__init__(env)
                self.metadata = {"render_modes": [], "ground_truth": ("step",)}

        declared = [{"name": "progress", "kind": "line", "key": "step", "unit": "steps"}]
        monkeypatch.setattr(BarEnv, "metadata", {**BarEnv.metadata, "coordinates": declared})
        wrapped = replace(gymnasium.spec(BAR), entry_point=lambda **settings: Own(BarEnv(**settings)))
        monkeypatch.setitem(gymnasium.registry, BAR, wrapped)
        latentrl.collect.main([*self.SMALL, "--env", BAR, "--out", str(tmp_path / "bar")])
        assert [one.name for one in coordinates_of(storage.load_metadata(tmp_path / "bar"))] == ["progress"]

    @pytest.mark.parametrize(
        ("declared", "complaint"),
        [
            ("step", "no list"),
            ([{"name": "progress"}], 'metadata["coordinates"]: coordinates[0]: kind is None'),
            ([{"name": "x", "kind": "bent", "key": "step"}], "'bent' is none of angle, line, velocity"),
            (
                [{"name": "x", "kind": "line", "key": "noise"}],
                "metadata[\"coordinates\"][0] is about 'noise', but metadata[\"ground_truth\"] announces 'step'",
            ),
            (
                [{"name": "x", "kind": "line", "key": "step", "index": 0}],
                "'x': info['step'] has the shape ()",
            ),
        ],
    )
    def test_a_wrong_declaration_is_one_clear_line(
        self,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
        declared: Any,
        complaint: str,
    ) -> None:
        monkeypatch.setattr(BarEnv, "metadata", {**BarEnv.metadata, "coordinates": declared})
        assert complaint in self.fails(capsys, "--env", BAR, *self.SMALL, "--out", str(tmp_path / "data"))
        assert list(tmp_path.iterdir()) == []

    def test_takes_any_environment(self, tmp_path: Path) -> None:
        latentrl.collect.main([*self.SMALL, "--env", BAR, "--pixels", "8", "--out", str(tmp_path / "bar")])
        assert storage.load_sequences(tmp_path / "bar", "train").observations.shape == (6, 5, 8, 8, 3)
        assert storage.load_ground_truth(tmp_path / "bar", "train")["state"].shape == (6, 5, 3)
        assert storage.load_metadata(tmp_path / "bar")["action_high"] == [1.0]
        assert not (tmp_path / "bar" / "goal.png").exists()

    def test_reset_options_and_grey_pixels_are_recorded(self, tmp_path: Path) -> None:
        arguments = ("--env", BAR, "--pixels", "8", "--grey", "--reset-options", '{"place": [1, "left"]}')
        latentrl.collect.main([*self.SMALL, *arguments, "--out", str(tmp_path / "bar")])
        assert storage.load_sequences(tmp_path / "bar", "train").observations.shape == (6, 5, 8, 8, 1)
        metadata = storage.load_metadata(tmp_path / "bar")
        assert metadata["grey"] is True
        assert metadata["collection"]["reset_options"] == {"place": [1, "left"]}

    def test_gymnasiums_own_pendulum_gives_sensors(self, tmp_path: Path) -> None:
        latentrl.collect.main([*self.SMALL, "--env", "Pendulum-v1", "--out", str(tmp_path / "p")])
        assert storage.load_sequences(tmp_path / "p", "train").observations.shape == (6, 5, 3)

    def test_default_folder_is_named_after_the_environment(self) -> None:
        assert CollectOptions().folder == Path("data/pendulum")
        assert CollectOptions(env=PENDULUM).folder == Path("data/latentrl-Pendulum-v0")
        assert CollectOptions(env="some.module:ns/Thing-v1").folder == Path("data/ns-Thing-v1")

    def test_works_with_the_default_folder_and_a_module_of_ones_own(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "bar_module.py").write_text(
            "import gymnasium\n"
            "from gymnasium.envs.classic_control import PendulumEnv\n"
            "gymnasium.register('mine/Bar-v0', entry_point=PendulumEnv)\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(gymnasium.envs.registration, "registry", dict(gymnasium.registry))
        latentrl.collect.main([*self.SMALL, "--env", "bar_module:mine/Bar-v0"])
        assert storage.load_sequences(Path("data/mine-Bar-v0"), "train").observations.shape == (6, 5, 3)

    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            (("--env", "NoSuchThing-v0"), "NoSuchThing"),
            (("--env", "CartPole-v1"), "Discrete"),
            (("--env", "Pendulum-v1", "--picture", "rod"), "--picture"),
            (("--torque", "-1"), "torque_limit"),
            (("--noise", "nan"), "noise"),
            (
                ("--env", "maze", "--env-kwargs", '{"noise": "a"}'),
                '--env-kwargs {"noise": "a"}: noise=\'a\': give 0 to 1 of full scale',
            ),
            (
                ("--env", "maze", "--reset-options", '{"low": [0.5, 0], "high": [0, 1]}'),
                '--reset-options {"low": [0.5, 0], "high": [0, 1]}: refused',
            ),
            (("--length", "1"), "--length"),
            (("--sequences", "0"), "--sequences"),
            (("--hold", "1"), "--hold"),
            (("--amplitude", "0"), "--amplitude"),
            (("--amplitude", "1.5"), "--amplitude"),
            (("--processes", "0"), "--processes"),
            (("--observation", "pixels"), "--observation belongs to latentrl/Reacher-v0"),
            (("--env", "reacher", "--picture", "rod"), "--picture belongs to latentrl/Pendulum-v0"),
            (("--resume",), "no interrupted collection"),
            (("--num-envs", "0"), "--num-envs"),
            (("--pixels", "0"), "--pixels"),
            (("--grey",), "--grey"),
            (("--reset-options", '{"angel": 0}'), "--reset-options"),
            (("--seed", "-1"), "--seed -1: give a whole number from 0 to 4294967295"),
            (("--seed", str(2**70)), f"--seed {2**70}: give a whole number from 0 to 4294967295"),
        ],
    )
    def test_bad_input_is_one_clear_line(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], complaint: str
    ) -> None:
        assert complaint in self.fails(capsys, "--out", str(tmp_path / "data"), *arguments)
        assert list(tmp_path.iterdir()) == []

    def test_existing_data_is_kept_unless_told(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        arguments = (*self.SMALL, "--out", str(tmp_path / "data"))
        latentrl.collect.main(arguments)
        capsys.readouterr()
        message = self.fails(capsys, *arguments, "--seed", "1")
        assert str(tmp_path / "data") in message
        assert "--overwrite" in message
        assert storage.load_metadata(tmp_path / "data")["collection"]["seed"] == 0
        latentrl.collect.main([*arguments, "--seed", "1", "--overwrite"])
        assert storage.load_metadata(tmp_path / "data")["collection"]["seed"] == 1

    def test_overwrite_spares_a_folder_that_holds_no_data(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "thesis.tex").write_text("years of work")
        assert "no data folder" in self.fails(capsys, "--out", str(tmp_path), "--overwrite")
        assert (tmp_path / "thesis.tex").exists()

    def test_a_full_disk_leaves_nothing(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: Any, **__: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(pyarrow.ipc, "new_file", full)
        message = self.fails(capsys, *self.SMALL, "--out", str(tmp_path / "data"))
        assert f"{tmp_path / 'data'}: the disk is full" in message
        assert list(tmp_path.iterdir()) == []


def alike(one: Path, other: Path) -> bool:
    """Whether two folders hold the same files with the same bytes."""
    files = [sorted(path.relative_to(folder) for path in folder.rglob("*")) for folder in (one, other)]
    plain = [str(path) for path in files[0] if (one / path).is_file()]
    return files[0] == files[1] and filecmp.cmpfiles(one, other, plain, shallow=False)[0] == plain


class TestAnyEnvironment(OfTheVerb):
    """Flags that make something of an environment which nobody here has written."""

    @pytest.fixture
    def bar(self) -> tuple[str, ...]:
        return ("--env", BAR, *self.SMALL)

    def test_how_it_was_recorded_is_stored(self, tmp_path: Path, bar: tuple[str, ...]) -> None:
        flags = ("--pixels", "6x8", "--grey", "--crop", "0,0,20,40", "--repeat", "3", "--out", str(tmp_path / "data"))
        latentrl.collect.main([*bar, *flags])
        metadata = storage.load_metadata(tmp_path / "data")
        assert metadata["pixels"] == [6, 8] and metadata["crop"] == [0, 0, 20, 40] and metadata["repeat"] == 3
        recorded = storage.load_sequences(tmp_path / "data", "train").observations
        assert recorded.shape == (6, 5, 6, 8, 1)
        truth = storage.load_ground_truth(tmp_path / "data", "train")
        np.testing.assert_array_equal(truth["step"], [[0, 3, 6, 9, 12]] * 6)
        envs = make_as_recorded(metadata, 2)
        np.testing.assert_array_equal(envs.reset(seed=0)[0][0], recorded[0, 0])
        envs.close()

    def test_arguments_reach_it(self, tmp_path: Path, bar: tuple[str, ...], capsys: Any) -> None:
        out = ("--out", str(tmp_path / "data"))
        latentrl.collect.main([*bar, "--env-kwargs", '{"lifetimes": [3, 90]}', *out])
        assert storage.load_metadata(tmp_path / "data")["env_kwargs"] == {"lifetimes": [3, 90]}
        said = re.search(r"(\d+) of (\d+) episodes .* dropped: .*--length 5", capsys.readouterr().out)
        assert said is not None and 0 < int(said[1]) < int(said[2])
        told = self.fails(capsys, *bar, "--env-kwargs", '{"colour": 1}', "--out", str(tmp_path / "other"))
        assert '--env-kwargs {"colour": 1}' in told and "colour" in told and not (tmp_path / "other").exists()

    @pytest.mark.parametrize("pixels", [(), ("--pixels", "16")])
    def test_a_reset_is_photographed_as_the_goal(self, tmp_path: Path, pixels: tuple[str, ...]) -> None:
        data = tmp_path / "data"
        options = ("--goal-options", '{"angle": 0.5, "velocity": 0}', "--noise", "0", *self.SMALL, *pixels)
        latentrl.collect.main([*options, "--out", str(data)])
        metadata = storage.load_metadata(data)
        assert metadata["goal"] == "goal.png"
        assert metadata["goal_truth"]["angle"] == pytest.approx(0.5)
        envs = make_as_recorded(metadata, 1)
        expected = envs.reset(seed=9, options={"angle": 0.5, "velocity": 0})[0][0]
        np.testing.assert_array_equal(np.array(Image.open(data / "goal.png")).reshape(expected.shape), expected)

    def test_readings_of_a_reset_are_a_goal_too(self, tmp_path: Path) -> None:
        options = ("--env", "Pendulum-v1", "--goal-options", '{"x_init": 0, "y_init": 0}', *self.SMALL)
        latentrl.collect.main([*options, "--out", str(tmp_path / "data")])
        np.testing.assert_allclose(json.loads((tmp_path / "data" / "goal.json").read_text()), [1, 0, 0])

    def test_a_goal_that_is_refused_costs_no_recording(self, tmp_path: Path, capsys: Any) -> None:
        out = ("--out", str(tmp_path / "data"))
        told = self.fails(capsys, "--goal-options", '{"angel": 0}', *self.SMALL, *out)
        assert '--goal-options {"angel": 0}: refused' in told and "angel" in told
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("flags", "problem"),
        [
            (("--crop", "0,0,9,9"), "--crop belongs to --pixels"),
            (("--pixels", "0x4"), "--pixels 0x4: give 1 or more"),
            (("--pixels", "4", "--crop", "0,0,0,9"), "--crop 0,0,0,9: give"),
            (("--pixels", "4", "--crop", "0,0,99,9"), "--crop 0,0,99,9 goes beyond"),
            (("--repeat", "0"), "--repeat 0: give 1"),
        ],
    )
    def test_wrong_numbers_are_named(
        self, flags: tuple[str, ...], problem: str, bar: tuple[str, ...], tmp_path: Path, capsys: Any
    ) -> None:
        assert problem in self.fails(capsys, *bar, *flags, "--out", str(tmp_path / "data"))
        assert not (tmp_path / "data").exists()

    @pytest.mark.parametrize(
        ("flags", "problem"),
        [
            (("--pixels", "4by4"), "4by4 is not a size such as 64"),
            (("--crop", "1,2,3"), "1,2,3 is not TOP,LEFT,HEIGHT,WIDTH"),
            (("--goal-options", "[1]"), "[1] is no JSON object"),
            (("--noise", "loud"), "loud"),
        ],
    )
    def test_words_that_are_no_values_are_shown(self, flags: tuple[str, ...], problem: str, capsys: Any) -> None:
        with pytest.raises(SystemExit):
            latentrl.collect.main(flags)
        told = re.sub(r"[\s│|]+", " ", "".join(capsys.readouterr()))
        assert problem in told and flags[0] in told


class TestInterruption:
    OPTIONS = CollectOptions(sequences=12, test_sequences=6, length=4, num_envs=2, seed=3)

    @pytest.fixture
    def interrupt(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
        """Ctrl-C when so many pieces, of four sequences each, have been recorded as the list says."""
        monkeypatch.setattr(latentrl.data_collection.recording, "PIECE", 4)
        after = [10**9]
        save = Recording.save

        def saved(recording: Recording, folder: Path) -> None:
            save(recording, folder)
            after[0] -= 1
            if after[0] == 0:
                raise KeyboardInterrupt

        monkeypatch.setattr(Recording, "save", saved)
        yield after

    def stopped(self, options: CollectOptions, capsys: pytest.CaptureFixture[str]) -> str:
        with pytest.raises(SystemExit) as caught:
            latentrl.collect.collect(options)
        assert caught.value.code == 130
        return capsys.readouterr().out

    @pytest.mark.parametrize("pieces", [1, 3, 4])
    def test_goes_on_to_the_same_data(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], interrupt: list[int], pieces: int
    ) -> None:
        whole = latentrl.collect.collect(replace(self.OPTIONS, out=tmp_path / "whole"))
        capsys.readouterr()
        interrupt[0] = pieces
        printed = self.stopped(replace(self.OPTIONS, out=tmp_path / "broken"), capsys)
        recorded = {1: 4, 3: 12, 4: 16}[pieces]
        assert f"{recorded} sequences are recorded" in printed
        assert f"next: python -m latentrl.collect --out {tmp_path / 'broken'} --resume" in printed
        assert not (tmp_path / "broken").exists()
        if pieces == 1:
            # What a process that died while it wrote has left behind.
            torn = tmp_path / ".broken.partial" / "train-v0" / "data" / "4"
            torn.mkdir()
            (torn / "part-0.arrow").write_bytes(b"torn")
        latentrl.collect.main(["--out", str(tmp_path / "broken"), "--resume"])
        assert "72 frames" in capsys.readouterr().out
        assert alike(whole, tmp_path / "broken")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["broken", "whole"]
        latentrl.collect.main(["--out", str(tmp_path / "broken"), "--resume"])
        assert "finished already" in capsys.readouterr().out

    def test_the_same_command_goes_on_and_another_asks(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], interrupt: list[int]
    ) -> None:
        options = replace(self.OPTIONS, out=tmp_path / "data")
        interrupt[0] = 1
        self.stopped(options, capsys)
        with pytest.raises(UserError, match=r"\.data\.partial holds .* other settings.*--resume.*--overwrite"):
            latentrl.collect.collect(replace(options, seed=4))
        interrupt[0] = 1
        assert "8 sequences are recorded" in self.stopped(options, capsys)
        latentrl.collect.collect(replace(options, seed=4, overwrite=True))
        assert storage.load_metadata(tmp_path / "data")["collection"]["seed"] == 4
        assert [path.name for path in tmp_path.iterdir()] == ["data"]

    def test_a_folder_to_be_replaced_stays_until_the_end(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], interrupt: list[int]
    ) -> None:
        options = replace(self.OPTIONS, out=tmp_path / "data")
        latentrl.collect.collect(options)
        interrupt[0] = 1
        self.stopped(replace(options, seed=4, overwrite=True), capsys)
        assert storage.load_metadata(tmp_path / "data")["collection"]["seed"] == 3
        latentrl.collect.collect(replace(options, resume=True))
        assert storage.load_metadata(tmp_path / "data")["collection"]["seed"] == 4

    def test_two_at_once_are_refused(self, tmp_path: Path) -> None:
        with (
            resumable_folder(tmp_path / "data", "marker"),
            pytest.raises(UserError, match=r"/data: another process is filling it"),
        ):
            latentrl.collect.collect(replace(self.OPTIONS, out=tmp_path / "data"))
        latentrl.collect.collect(replace(self.OPTIONS, out=tmp_path / "other"))

    def test_before_anything_is_recorded_nothing_stays(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(*_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(latentrl.collect, "make", interrupted)
        assert "0 sequences" in self.stopped(replace(self.OPTIONS, out=tmp_path / "data"), capsys)
        assert list(tmp_path.iterdir()) == []

    def test_a_disk_that_fills_up_keeps_what_is_recorded(
        self, tmp_path: Path, interrupt: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        options, write = replace(self.OPTIONS, out=tmp_path / "data"), pyarrow.ipc.new_file
        written: list[Any] = []

        def filling(*arguments: Any, **named: Any) -> Any:
            written.append(arguments)
            if len(written) == 6:
                raise OSError(errno.ENOSPC, "No space left on device")
            return write(*arguments, **named)

        with monkeypatch.context() as patched:
            patched.setattr(pyarrow.ipc, "new_file", filling)
            with pytest.raises(UserError, match=r"disk is full; what is done is kept in .*\.data\.partial.*--resume"):
                latentrl.collect.collect(options)
        latentrl.collect.collect(replace(options, resume=True))
        assert alike(latentrl.collect.collect(replace(options, out=tmp_path / "whole")), tmp_path / "data")

    @pytest.mark.parametrize("content", ["{", "[]", '{"settings": {}}', '{"tallies": {"a": {"b": 1}}, "layouts": {}}'])
    def test_a_damaged_note_is_named(self, tmp_path: Path, content: str) -> None:
        (tmp_path / ".data.partial").mkdir()
        (tmp_path / ".data.partial" / "unfinished.json").write_text(content)
        with pytest.raises(UserError, match=r"unfinished\.json is damaged.*--overwrite"):
            latentrl.collect.collect(replace(self.OPTIONS, out=tmp_path / "data"))
        latentrl.collect.collect(replace(self.OPTIONS, out=tmp_path / "data", overwrite=True))


class TestReacher:
    SMALL = ("--env", "reacher", "--sequences", "3", "--test-sequences", "2", "--length", "5")

    @pytest.fixture(autouse=True)
    def _needs_mujoco(self) -> None:
        pytest.importorskip("mujoco")
        pytest.importorskip("dm_control")

    def test_has_defaults_of_its_own_which_flags_overrule(self) -> None:
        own = CollectOptions(env="reacher", length=7).complete()
        assert (own.sequences, own.test_sequences, own.length) == (2000, 500, 7)
        assert (own.hold, own.amplitude, own.num_envs) == (0.8, 0.5, 1)
        assert CollectOptions(env=REACHER, hold=0.0).complete().hold == 0.0
        assert CollectOptions(env=f"latentrl.envs:{REACHER}").complete().sequences == 2000
        plain = CollectOptions().complete()
        assert (plain.sequences, plain.test_sequences, plain.length) == (500, 500, 15)
        assert (plain.hold, plain.amplitude, plain.num_envs) == (0.0, 1.0, None)

    def test_pixels_have_a_folder_and_workers_of_their_own(self) -> None:
        assert CollectOptions(env="reacher").folder == Path("data/reacher")
        assert CollectOptions(env="reacher").worker_count == 1
        pixels = CollectOptions(env="reacher", env_kwargs={"observation": "pixels"})
        assert pixels.folder == Path("data/reacher-pixels")
        assert pixels.worker_count >= 1
        assert replace(pixels, processes=3).worker_count == 3

    def test_angles_come_with_a_goal_of_numbers(self, tmp_path: Path) -> None:
        latentrl.collect.main([*self.SMALL, "--noise", "0.002", "--out", str(tmp_path / "data")])
        sequences = storage.load_sequences(tmp_path / "data", "train")
        assert sequences.observations.shape == (3, 5, 2)
        assert abs(sequences.actions).max() <= 0.5
        truth = storage.load_ground_truth(tmp_path / "data", "train")
        assert set(truth) == {"angles", "velocities", "clean"}
        np.testing.assert_allclose(sequences.observations, truth["angles"], atol=0.02)
        goal = json.loads((tmp_path / "data" / "goal.json").read_text())
        np.testing.assert_allclose(goal, [1.0, 1.2], atol=0.02)
        assert storage.load_metadata(tmp_path / "data")["env_kwargs"] == {"noise": 0.002}

    def test_pixels_come_with_a_picture_from_any_number_of_processes(self, tmp_path: Path) -> None:
        for processes in ("1", "2"):
            try:
                arguments = ("--observation", "pixels", "--processes", processes, "--out", str(tmp_path / processes))
                latentrl.collect.main([*self.SMALL, *arguments])
            except SystemExit:
                pytest.skip("no OpenGL")
        assert alike(tmp_path / "1", tmp_path / "2")
        assert storage.load_sequences(tmp_path / "1", "train").observations.shape == (3, 5, 64, 64, 3)
        # Pictures without noise are not stored a second time.
        assert set(storage.load_ground_truth(tmp_path / "1", "train")) == {"angles", "velocities"}
        goal = Image.open(tmp_path / "1" / "goal.png")
        env = gymnasium.make(REACHER, observation="pixels")
        env.reset(seed=0)
        np.testing.assert_array_equal(goal, env.unwrapped.photograph([1.0, 1.2]))  # type: ignore[attr-defined]
        env.close()

    def test_settings_of_the_environment_are_recorded(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        latentrl.collect.main([*self.SMALL, "--control-step", "0.06", "--out", str(tmp_path / "data")])
        assert storage.load_metadata(tmp_path / "data")["env_kwargs"] == {"control_step": 0.06}
        with pytest.raises(SystemExit):
            latentrl.collect.main([*self.SMALL, "--control-step", "0.03", "--out", str(tmp_path / "bad")])
        assert "control_step=0.03: give a multiple" in capsys.readouterr().err
