"""One contract for every environment of the package: a new one is tested by being registered."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.vector import AutoresetMode, VectorEnv

import latentrl.envs

IDS = [spec.id for spec in gymnasium.registry.values() if spec.namespace == "latentrl"]
VECTORISED = [env_id for env_id in IDS if gymnasium.spec(env_id).vector_entry_point is not None]


@pytest.fixture(params=IDS)
def env(request: pytest.FixtureRequest) -> Iterator[gymnasium.Env[Any, Any]]:
    env = gymnasium.make(request.param, render_mode="rgb_array")
    yield env
    env.close()


@pytest.fixture(params=VECTORISED)
def vector_env(request: pytest.FixtureRequest) -> Iterator[VectorEnv]:
    envs = gymnasium.make_vec(request.param, num_envs=3, vectorization_mode="vector_entry_point")
    yield envs
    envs.close()


def play(env: gymnasium.Env[Any, Any] | VectorEnv, seed: int, steps: int = 6, render: bool = False) -> list[Any]:
    """Everything that an environment says in one short seeded run."""
    env.action_space.seed(0)
    said: list[Any] = [env.reset(seed=seed)]
    for _ in range(steps):
        if render:
            env.render()
        said.append(env.step(env.action_space.sample()))
    return said


def test_there_are_environments() -> None:
    assert latentrl.envs.PENDULUM in IDS
    assert latentrl.envs.PENDULUM in VECTORISED


def test_passes_the_checker_of_gymnasium(env: gymnasium.Env[Any, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Actions are in physical units here; models scale them.
        warnings.filterwarnings("ignore", message=".*symmetric and normalized space")
        check_env(env.unwrapped)


def test_registering_again_changes_nothing() -> None:
    before = dict(gymnasium.registry)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        latentrl.envs.register()
    assert gymnasium.registry == before


@pytest.mark.parametrize("env_id", IDS)
def test_can_be_made_without_an_import(env_id: str) -> None:
    code = f"import gymnasium; gymnasium.make('latentrl.envs:{env_id}').reset(seed=0)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_needs_no_torch() -> None:
    code = "import sys, latentrl.envs.pendulum.env, latentrl.envs.pendulum.vector; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_single_seeded_runs_repeat_exactly(env: gymnasium.Env[Any, Any]) -> None:
    assert data_equivalence(play(env, seed=5), play(env, seed=5), exact=True)
    assert not data_equivalence(play(env, seed=5), play(env, seed=6), exact=True)


def test_vectorised_seeded_runs_repeat_exactly(vector_env: VectorEnv) -> None:
    assert data_equivalence(play(vector_env, seed=5), play(vector_env, seed=5), exact=True)
    assert not data_equivalence(play(vector_env, seed=5), play(vector_env, seed=6), exact=True)


def test_rendering_changes_nothing(env: gymnasium.Env[Any, Any]) -> None:
    assert data_equivalence(play(env, seed=5), play(env, seed=5, render=True), exact=True)


def test_renders_colour_pictures(env: gymnasium.Env[Any, Any]) -> None:
    env.reset(seed=0)
    frame = np.asarray(env.render())
    assert frame.dtype == np.uint8
    assert frame.ndim == 3
    assert frame.shape[2] == 3
    assert frame.std() > 0


def test_actions_are_continuous_and_bounded(env: gymnasium.Env[Any, Any]) -> None:
    assert isinstance(env.action_space, Box)
    assert env.action_space.is_bounded()
    assert env.action_space.dtype == np.float32


def test_observations_are_images_or_sensors(env: gymnasium.Env[Any, Any]) -> None:
    assert isinstance(env.observation_space, Box)
    assert env.observation_space.dtype in (np.uint8, np.float32)
    for observation, *_ in play(env, seed=0):
        assert env.observation_space.contains(observation)


def test_ground_truth_is_announced_and_complete(env: gymnasium.Env[Any, Any]) -> None:
    keys = env.metadata["ground_truth"]
    assert keys
    for *_, info in play(env, seed=0):
        assert set(keys) <= set(info)
        assert all(np.isfinite(info[key]).all() for key in keys)


def test_vectorised_ground_truth_has_one_entry_for_each(vector_env: VectorEnv) -> None:
    single = gymnasium.make(vector_env.spec.id)  # type: ignore[union-attr]
    info = single.reset(seed=0)[1]
    assert vector_env.metadata["ground_truth"] == single.metadata["ground_truth"]
    for *_, infos in play(vector_env, seed=0):
        for key in vector_env.metadata["ground_truth"]:
            assert infos[key].shape == (3, *np.shape(info[key]))
            assert infos[f"_{key}"].all()


def test_vectorised_spaces_are_the_single_ones(vector_env: VectorEnv) -> None:
    single = gymnasium.make(vector_env.spec.id)  # type: ignore[union-attr]
    assert vector_env.single_observation_space == single.observation_space
    assert vector_env.single_action_space == single.action_space
    assert vector_env.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    for observations, *_ in play(vector_env, seed=0):
        assert vector_env.observation_space.contains(observations)


def test_description_survives_json(env: gymnasium.Env[Any, Any]) -> None:
    assert env.spec is not None
    again = gymnasium.make(gymnasium.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    assert again.observation_space == env.observation_space
    assert again.render_mode == "rgb_array"


def test_closes_as_often_as_asked(env: gymnasium.Env[Any, Any]) -> None:
    env.reset(seed=0)
    env.close()
    env.close()
