"""One contract for every environment of the package: a new one is tested by being registered."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
import typing
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
import tyro
from gymnasium.spaces import Box
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv

import latentrl.collect
import latentrl.envs
from latentrl.data_collection import storage
from latentrl.data_collection.options import CollectOptions, parse
from latentrl.envs import ENVIRONMENTS, TASKS, coordinates_of, environment_named, tasks_in
from latentrl.envs.coordinates import Coordinate, coordinates_from_json
from latentrl.envs.description import Collection, Environment, Flag, TruthAgent
from latentrl.envs.episodes import Episodes, Recorded
from latentrl.envs.measures import GOAL, REWARD, Floats, Held, Measure, Spread, SteadySpeed
from latentrl.envs.tasks import Task
from latentrl.goals.distances import EUCLID, check_distance
from latentrl.numerics.distributions import DiagonalGaussian
from latentrl.support.errors import UserError
from latentrl.support.suggestion import SUGGESTED, Suggestion
from latentrl.training.options import TrainOptions, check_options
from latentrl.types import Dynamics

latentrl.envs.register()  # also what was put into the dictionary from elsewhere
IDS = [one.env_id for one in ENVIRONMENTS.values()]
OURS = [one.env_id for one in ENVIRONMENTS.values() if one.entry_point.startswith("latentrl.")]
VECTORISED = [one.env_id for one in ENVIRONMENTS.values() if one.vector_entry_point is not None]


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
    assert {spec.id for spec in gymnasium.registry.values() if spec.namespace == "latentrl"} <= set(IDS)


def test_passes_the_checker_of_gymnasium(env: gymnasium.Env[Any, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Actions are in physical units here; models scale them.
        warnings.filterwarnings("ignore", message=".*symmetric and normalized space")
        check_env(env.unwrapped)


@pytest.mark.parametrize("mode", AutoresetMode, ids=lambda mode: mode.value)
@pytest.mark.parametrize("env_id", IDS)
def test_works_in_vector_environments_of_gymnasium(env_id: str, mode: AutoresetMode) -> None:
    """In one process and in several it is the same, and episodes begin anew as the mode says."""
    made = [partial(gymnasium.make, env_id, max_episode_steps=2)] * 2
    several = SyncVectorEnv(made, autoreset_mode=mode), AsyncVectorEnv(made, autoreset_mode=mode)
    told: list[list[Any]] = []
    for envs in several:
        envs.action_space.seed(0)
        told.append([envs.reset(seed=4), *(envs.step(envs.action_space.sample()) for _ in range(2))])
        if mode is AutoresetMode.DISABLED:
            told[-1].append(envs.reset(options={"reset_mask": np.ones(2, bool)}))
        told[-1] += [envs.step(envs.action_space.sample()) for _ in range(2)]
        envs.close()
    assert data_equivalence(told[0], told[1], exact=True)
    _, first, last, *_, third, fourth = told[0]
    assert not first[3].any() and last[3].all() and not third[3].any()
    assert fourth[3].any() == fourth[3].all() == (mode is not AutoresetMode.NEXT_STEP), (
        "there the third begins episodes"
    )
    assert ("final_obs" in last[4]) == (mode is AutoresetMode.SAME_STEP)


def test_registering_again_changes_nothing() -> None:
    before = dict(gymnasium.registry)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        latentrl.envs.register()
    assert gymnasium.registry == before


@pytest.mark.parametrize("env_id", OURS)
def test_can_be_made_without_an_import(env_id: str) -> None:
    code = f"import gymnasium; gymnasium.make('latentrl.envs:{env_id}').reset(seed=0)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_faces_need_neither_torch_nor_a_simulator_and_an_environment_of_numpy_no_torch() -> None:
    """What all environments say of themselves can be read by anybody, at the cost of NumPy and Gymnasium."""
    code = """
import sys
from latentrl.envs import ENVIRONMENTS
assert ENVIRONMENTS
for one in ENVIRONMENTS.values():
    one.coordinates({}), list(one.tasks), one.collection
heavy = {"torch", "mujoco", "dm_control", "OpenGL"} & {name.partition(".")[0] for name in sys.modules}
assert not heavy, heavy
import latentrl.envs.pendulum.env, latentrl.envs.pendulum.vector
assert "torch" not in sys.modules
"""
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


@pytest.mark.parametrize("env_id", VECTORISED)
@pytest.mark.parametrize(
    "given",
    [{"num_envs": count} for count in (0, -1, 2.0, True, "2", None)]
    + [{"max_episode_steps": steps} for steps in (0, -3, 2.5, "a", True)],
    ids=str,
)
def test_a_vectorised_one_refuses_what_is_no_number_of_systems_or_steps(env_id: str, given: dict[str, Any]) -> None:
    (name, value), whole = next(iter(given.items())), {"num_envs": 2}
    with pytest.raises(ValueError, match=re.escape(f"{name}={value!r}: give a whole number, one or more")):
        gymnasium.make_vec(env_id, vectorization_mode="vector_entry_point", **{**whole, **given})
    exact = {"num_envs": np.int64(2), "max_episode_steps": np.int32(3)}
    gymnasium.make_vec(env_id, vectorization_mode="vector_entry_point", **exact).close()


def test_a_vectorised_step_takes_as_long(vector_env: VectorEnv) -> None:
    single = gymnasium.make(vector_env.spec.id)  # type: ignore[union-attr]
    step = single.unwrapped.metadata["control_step"]
    assert vector_env.metadata["control_step"] == step > 0
    assert all(task.control_step == step for task in TASKS.values() if task.env_id == vector_env.spec.id)  # type: ignore[union-attr]


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


# What an environment says of itself. Each check takes a description, so that one made in a test passes through it too.


def single(environment: Environment, **kwargs: Any) -> gymnasium.Env[Any, Any]:
    """The environment by itself; skips where what it needs is not installed."""
    try:
        env = gymnasium.make(environment.env_id, **kwargs)
        env.reset(seed=0)
        return env
    except gymnasium.error.DependencyNotInstalled as error:
        pytest.skip(str(error))


def several(environment: Environment, count: int = 3, **kwargs: Any) -> VectorEnv:
    """Many of them, vectorised as the environment has it."""
    single(environment).close()
    mode = "sync" if environment.vector_entry_point is None else "vector_entry_point"
    return gymnasium.make_vec(environment.env_id, num_envs=count, vectorization_mode=mode, **kwargs)


def sampled(env: gymnasium.Env[Any, Any], share: float = 0.5) -> Any:
    """A random action, within a share of the action space."""
    return (share * env.action_space.sample()).astype(np.float32)


def of_one(truth: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Floats]:
    """The entries of one environment's info as those of a batch of one."""
    return {name: np.asarray(truth[name], np.float64)[None] for name in names if name != REWARD}


def check_description(environment: Environment) -> None:
    single(environment).close()
    spec = gymnasium.spec(environment.env_id)
    assert spec.entry_point == environment.entry_point
    assert spec.vector_entry_point == environment.vector_entry_point
    for entry_point in filter(None, (environment.entry_point, environment.vector_entry_point)):
        module, _, name = entry_point.partition(":")
        assert hasattr(importlib.import_module(module), name)
    assert environment.alias.isidentifier() and ENVIRONMENTS[environment.alias] is environment
    assert environment_named(environment.env_id) is environment
    assert environment_named(f"some.package:{environment.env_id}") is environment
    taken = {field.name for field in fields(CollectOptions)} & {flag.name for flag in environment.flags}
    assert not taken, f"flags {taken} are collect's own: give them other names"
    for flag in environment.flags:
        assert flag.name.isidentifier() and flag.help and flag.default
        kinds = {other.kind for one in ENVIRONMENTS.values() for other in one.flags if other.name == flag.name}
        assert kinds == {flag.kind}, f"environments have a flag {flag.name} of several kinds"
        word = str(typing.get_args(flag.kind)[0]) if typing.get_args(flag.kind) else flag.default
        given = parse(["--env", environment.alias, f"--{flag.name.replace('_', '-')}", word])
        assert given.env_kwargs[flag.key] == (word if typing.get_args(flag.kind) else flag.kind(word))
        single(environment, **given.env_kwargs).close()
    options = CollectOptions(env=environment.alias).complete()
    assert options.env_id == environment.env_id
    collection = environment.collection
    assert (options.sequences, options.length, options.hold) == (
        collection.sequences,
        collection.length,
        collection.hold,
    )
    assert min(collection.sequences, collection.test_sequences) >= 1 and collection.length >= 2
    assert 0.0 <= collection.hold < 1.0 and 0.0 < collection.amplitude <= 1.0
    suggested = environment.suggestion({})
    check_options(tyro.cli(TrainOptions, args=list(suggested.train)))
    check_distance(suggested.distance or EUCLID)
    assert Suggestion.of({SUGGESTED: suggested.as_json()}) == suggested


def check_coordinates(environment: Environment) -> None:
    coordinates = environment.coordinates({})
    assert coordinates and len({one.name for one in coordinates}) == len(coordinates)
    assert coordinates_of({"env_id": environment.env_id, "env_kwargs": {}}) == coordinates
    stored = json.loads(json.dumps([one.as_json() for one in coordinates]))
    assert coordinates_from_json(stored, "here") == coordinates
    env, envs = single(environment), several(environment)
    announced = env.metadata["ground_truth"]
    assert {one.key for one in coordinates} <= set(announced)
    for *_, info in play(env, seed=3):
        for one in coordinates:
            value = one.values(info)
            assert np.shape(value) == () and np.isfinite(value), one
    for *_, infos in play(envs, seed=3):
        for one in coordinates:
            assert one.values(infos).shape == (3,), one
    check_limits(coordinates, env)
    env.close()
    envs.close()


def check_limits(coordinates: tuple[Coordinate, ...], env: gymnasium.Env[Any, Any]) -> None:
    """Episodes begin within the limits; a stop may give way by a tenth of the range."""
    for seed in range(20):
        begun, *after = play(env, seed=seed)
        for slack, told in ((0.0, [begun]), (0.1, after)):
            for *_, info in told:
                for one in coordinates:
                    low, high = one.limits or (-np.inf, np.inf)
                    width = slack * (high - low) if one.limits else 0.0
                    assert low - width <= one.values(info) <= high + width, one


def check_task(environment: Environment, task: Task) -> None:
    assert task.env_id == environment.env_id and task.description
    assert set(task.state) <= set(task.truth) and task.pose in (None, *task.state)
    env = single(environment, **task.env_kwargs)
    info = env.reset(seed=0, options=dict(task.reset_options))[1]
    assert {name for name in task.truth if name != REWARD} <= set(info)
    if task.torque_limit is None:
        assert isinstance(env.action_space, Box) and task.torque <= env.action_space.high.min()
    else:
        single(environment, **{task.torque_limit: task.torque}).close()
    if task.state:
        check_state(environment, task, env)
    for measure in filter(None, (task.measure, task.measure_unknown)):
        check_measure_of_zeros(measure, task, info)
    env.reset(seed=0, options=dict(task.unknown_goal))
    if task.draw is not None:
        check_draw(task, env, info)
    env.close()


def check_state(environment: Environment, task: Task, env: gymnasium.Env[Any, Any]) -> None:
    """An episode that is begun where another one is goes on as that one does."""
    env.reset(seed=1)
    env.action_space.seed(1)
    for _ in range(3):
        info = env.step(sampled(env))[4]
    other = single(environment, **task.env_kwargs)
    other.reset(seed=2, options={name: info[name] for name in task.state})
    for _ in range(3):
        action = sampled(env)
        told, same = env.step(action)[4], other.step(action)[4]
        for one in environment.coordinates({}):
            if one.key in task.state:
                assert one.distance(one.values(told), one.values(same)) < 1e-6, one
    other.close()


def check_draw(task: Task, env: gymnasium.Env[Any, Any], info: Mapping[str, Any]) -> None:
    assert task.draw is not None and task.pose is not None
    rng = np.random.default_rng(0)
    shown = np.zeros((4, 60, 2), np.float32)
    recorded = Recorded(shown, {name: np.zeros((4, 60, *np.shape(info[name]))) for name in task.state})
    drawn = task.draw(rng, 4, recorded)
    assert drawn.goals.shape == (4, np.size(info[task.pose]))
    assert (drawn.observations is not None) == task.held_out
    for index in range(4):
        start = drawn.only(index).starts
        begun = env.reset(seed=0, options={name: value[0] for name, value in start.items()})[1]
        for name in set(start) & set(task.state):
            np.testing.assert_allclose(begun[name], start[name][0], atol=1e-9)


def check_measure_of_zeros(measure: Measure, task: Task, info: Mapping[str, Any]) -> None:
    episodes = 4
    truth = {
        name: np.zeros((task.steps, episodes, *(() if name == REWARD else np.shape(info[name])))) for name in task.truth
    }
    goals = np.zeros((episodes, 1 if task.pose is None else np.size(info[task.pose])))
    outcome = measure({**truth, GOAL: goals}, task.control_step, 1.0)
    assert outcome.success is None or outcome.success.shape == (episodes,)
    assert outcome.figures and all(values.shape == (episodes,) for values in outcome.figures.values())


def check_true_physics(environment: Environment) -> None:
    """A step of the physics is the simulator's, on the states that the physics make of its ground truth."""
    if environment.true_physics is None:
        return
    envs = several(environment, 8)
    physics = environment.true_physics(float(envs.metadata.get("control_step") or 1.0))
    assert isinstance(physics, Dynamics)
    rng, space = np.random.default_rng(0), envs.single_action_space
    assert isinstance(space, Box)
    state = physics.state(envs.reset(seed=0)[1])
    assert state.dtype == torch.float32 and len(state) == 8 and 0 < physics.position_size < state.shape[1]
    for _ in range(5):
        action = rng.uniform(space.low, space.high, (8, *space.shape)).astype(np.float32)
        predicted = physics.transition(state, torch.from_numpy(action)).mean
        state = physics.state(envs.step(action)[4])
        torch.testing.assert_close(predicted, state, atol=1e-4, rtol=1e-4)
    for task in environment.tasks.values():
        assert task.true_position is None or len(task.true_position) == physics.position_size
    envs.close()


def check_servo(environment: Environment) -> None:
    """The task can be done by who is told all, and every episode by who is told its own goal."""
    if environment.servo is None:
        return
    task = next(task for task in environment.tasks.values() if task.draw is not None and not task.held_out)
    assert task.draw is not None and task.torque is not None
    drawn = task.draw(np.random.default_rng(0), 3, None)
    env = single(environment, **task.env_kwargs)
    for index in range(3):
        episode, told = drawn.only(index), []
        agent = environment.servo(episode.goals, task.torque)
        assert isinstance(agent, TruthAgent)
        agent.reset(0)
        info = env.reset(seed=0, options={name: start[0] for name, start in episode.starts.items()})[1]
        for _ in range(task.steps):
            action = agent.act_on_truth(of_one(info, task.truth))
            assert action.dtype == np.float32 and np.abs(action).max() <= task.torque
            info = env.step(action[0])[4]
            told.append(of_one(info, task.truth))
        truth = {name: np.stack([step[name] for step in told]) for name in told[0]}
        for goals, reached in ((episode.goals, True), (episode.goals + 0.5, False)):
            success = task.measure({**truth, GOAL: goals}, task.control_step, None).success
            assert success is not None and success.tolist() == [reached]
    env.close()


def check_photographs(environment: Environment) -> None:
    """The pose of the goal is photographed, and looks as the environment does where it is in that pose."""
    pose = environment.collection.goal
    if pose is None:
        return
    entry = next(task.pose for task in environment.tasks.values() if task.pose is not None)
    env = single(environment)
    photographer: Any = env.unwrapped
    picture = np.asarray(photographer.photograph(pose))
    assert env.observation_space.contains(picture)
    away: list[float] = []
    for options in ({entry: pose}, {}):
        observation = env.reset(seed=4, options=options)[0]
        away.append(float(np.abs(picture.astype(float) - observation).mean()))
    assert away[0] < 0.2 * away[1], "a picture of another pose"
    env.close()


CHECKS: tuple[Callable[[Environment], None], ...] = (
    check_description,
    check_coordinates,
    check_true_physics,
    check_servo,
    check_photographs,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("alias", ENVIRONMENTS)
def test_an_environment_says_of_itself_what_is_true(alias: str, check: Callable[[Environment], None]) -> None:
    check(ENVIRONMENTS[alias])


@pytest.mark.parametrize("name", TASKS)
def test_a_task_fits_its_environment(name: str) -> None:
    environment = environment_named(TASKS[name].env_id)
    assert environment is not None
    check_task(environment, TASKS[name])


def test_tasks_stand_in_the_order_of_their_environments() -> None:
    assert list(TASKS) == [name for one in ENVIRONMENTS.values() for name in one.tasks]
    for one in ENVIRONMENTS.values():
        assert tasks_in(one.env_id) == tuple(one.tasks)
    assert tasks_in("nowhere/Else-v0") == () and environment_named("nowhere/Else-v0") is None


# An environment that is defined here alone: it passes through the same checks, and can be collected from.

CART_ID = "test/Cart-v0"
PLACE = Coordinate("place", "line", "place", 0, "m", (-1.0, 1.0))
SPEED = Coordinate("speed", "velocity", "speed", 0, "m/s")
STEP = 0.1


class CartEnv(gymnasium.Env[Any, Any]):
    """A mass of 1 kg on a rail, pushed by a force; its place is observed."""

    metadata = {"render_modes": [], "ground_truth": ("place", "speed")}  # noqa: RUF012
    observation_space = Box(-np.inf, np.inf, (1,), np.float32)
    action_space = Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, render_mode: str | None = None) -> None:
        self.place, self.speed = np.zeros(1), np.zeros(1)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        given = options or {}
        self.place = np.array(given.get("place", self.np_random.uniform(-0.8, 0.8, 1)), np.float64)
        self.speed = np.array(given.get("speed", np.zeros(1)), np.float64)
        return self._observe()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.place = self.place + STEP * self.speed
        self.speed = self.speed + STEP * np.asarray(action, np.float64)
        return (*self._observe()[:1], 0.0, False, False, self._observe()[1])

    def photograph(self, place: Any) -> Any:
        return np.array(place, np.float32)

    def _observe(self) -> tuple[Any, dict[str, Any]]:
        return self.place.astype(np.float32), {"place": self.place.copy(), "speed": self.speed.copy()}


class TrueCart:
    """The cart's physics to plan in."""

    position_size = 1

    def transition(self, state: torch.Tensor, action: torch.Tensor) -> DiagonalGaussian:
        place, speed = state[..., :1], state[..., 1:]
        mean = torch.cat((place + STEP * speed, speed + STEP * action), -1)
        return DiagonalGaussian(mean, torch.full_like(mean, 1e-12))

    def state(self, truth: Mapping[str, Floats]) -> torch.Tensor:
        return torch.from_numpy(np.concatenate((truth["place"], truth["speed"]), -1).astype(np.float32))


class CartServo:
    """Pushes towards the place, and against the speed."""

    def __init__(self, goals: Floats, force: float) -> None:
        self.goals, self.force = goals, force

    def reset(self, seed: int | None = None) -> None: ...

    def act_on_truth(self, truth: Mapping[str, Floats]) -> Any:
        wanted = 2.0 * (self.goals - truth["place"]) - 2.5 * truth["speed"]
        return np.clip(wanted, -self.force, self.force).astype(np.float32)


def from_left_to_right(rng: np.random.Generator, count: int, recorded: Recorded | None = None) -> Episodes:
    return Episodes({"place": rng.uniform(-0.5, 0.0, (count, 1))}, rng.uniform(0.0, 0.5, (count, 1)))


def cart_coordinates(env_kwargs: Mapping[str, Any]) -> tuple[Coordinate, ...]:
    return PLACE, SPEED


STAY = Task(
    CART_ID,
    ("place", "speed"),
    Held((PLACE,), tolerance=0.05, hold=10),
    None,
    torque=1.0,
    steps=120,
    torque_limit=None,
    draw=from_left_to_right,
    state=("place", "speed"),
    pose="place",
    measure_unknown=Spread((PLACE,)),
    description="from the left half to a place on the right half",
)
CART = Environment(
    CART_ID,
    "cart",
    f"{__name__}:CartEnv",
    coordinates=cart_coordinates,
    tasks={"stay": STAY, "drive": replace(STAY, measure=SteadySpeed(SPEED), draw=None, goal="velocity:0.5")},
    collection=Collection(sequences=6, test_sequences=3, length=4, hold=0.5, num_envs=2, goal=(0.25,)),
    true_physics=lambda control_step: TrueCart(),
    servo=CartServo,
)


@pytest.fixture
def cart(monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    """The one line that makes it one of the environments."""
    monkeypatch.setitem(ENVIRONMENTS, CART.alias, CART)
    latentrl.envs.register()
    yield CART
    del gymnasium.registry[CART_ID]


def test_two_environments_with_a_task_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the one would silently stand for the other in every verb."""
    first = next(iter(ENVIRONMENTS.values()))
    monkeypatch.setitem(ENVIRONMENTS, "twin", replace(first, alias="twin", env_id="latentrl/Twin-v0"))
    with pytest.raises(ValueError, match=next(iter(first.tasks))):
        latentrl.envs.register()


def test_an_environment_of_ones_own_passes_through_the_same_checks(cart: Environment) -> None:
    for check in CHECKS:
        check(cart)
    for task in cart.tasks.values():
        check_task(cart, task)


def test_an_environment_of_ones_own_is_collected_from_by_its_description_alone(
    cart: Environment, tmp_path: Path
) -> None:
    latentrl.collect.main(["--env", "cart", "--out", str(tmp_path / "data")])
    metadata = storage.load_metadata(tmp_path / "data")
    assert metadata["env_id"] == CART_ID and metadata["splits"]["train"] == {"sequences": 6, "length": 4}
    assert coordinates_of(metadata) == (PLACE, SPEED)
    assert json.loads((tmp_path / "data" / "goal.json").read_text()) == [0.25]


def wrong_coordinates(*wrong: Coordinate) -> dict[str, Any]:
    return {"coordinates": lambda env_kwargs: wrong}


@pytest.mark.parametrize(
    ("check", "wrong"),
    [
        (check_description, {"vector_entry_point": "somewhere:Else"}),
        (check_description, {"flags": (Flag("length", float, "1", "of the rail in m"),)}),
        (check_description, {"flags": (Flag("noise", int, "1", "of the sensors in mm"),)}),
        (check_description, {"collection": Collection(length=1)}),
        (check_description, {"suggestion": lambda env_kwargs: Suggestion(4, 3)}),
        (check_description, {"suggestion": lambda env_kwargs: Suggestion(distance="crow")}),
        (check_coordinates, wrong_coordinates()),
        (check_coordinates, wrong_coordinates(replace(PLACE, key="spot"))),
        (check_coordinates, wrong_coordinates(replace(PLACE, index=None))),
        (check_coordinates, wrong_coordinates(PLACE, replace(SPEED, name="place"))),
        (check_coordinates, wrong_coordinates(replace(PLACE, limits=(-0.1, 0.1)))),
        (check_servo, {"servo": lambda goals, force: CartServo(-goals, force)}),
    ],
)
def test_the_checks_find_what_is_wrong(
    cart: Environment,
    monkeypatch: pytest.MonkeyPatch,
    check: Callable[[Environment], None],
    wrong: Mapping[str, Any],
) -> None:
    said = replace(cart, **wrong)
    monkeypatch.setitem(ENVIRONMENTS, "cart", said)
    with pytest.raises((AssertionError, KeyError, IndexError, UserError)):
        check(said)


def test_wrong_physics_are_found(cart: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """The forces are as large as the accelerations of 1 kg: a state in other units gets the wrong ones."""
    right = TrueCart.state
    monkeypatch.setattr(TrueCart, "state", lambda self, truth: 2.0 * right(self, truth))
    with pytest.raises(AssertionError):
        check_true_physics(cart)


def test_wrong_photographs_are_found(cart: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CartEnv, "photograph", lambda self, place: np.array(place, np.float32) + 0.5)
    with pytest.raises(AssertionError):
        check_photographs(cart)


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": ("place",)},
        {"truth": ("place", "speed", "colour")},
        {"pose": "target"},
        {"torque": 2.0},
        {"description": ""},
    ],
    ids=str,
)
def test_wrong_tasks_are_found(cart: Environment, wrong: Mapping[str, Any]) -> None:
    with pytest.raises(AssertionError):
        check_task(cart, replace(STAY, **wrong))
