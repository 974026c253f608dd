from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

import latentrl.envs
from latentrl.envs.maze import camera, physics
from latentrl.envs.maze.batch import MazeBatch, MazeSettings
from latentrl.envs.maze.tasks import GOAL, TASKS
from latentrl.envs.maze.vector import MazeVectorEnv

latentrl.envs.register()


def drive(way: list[tuple[float, float]], task: str, count: int = 20) -> MazeBatch:
    """Points that are pulled from one place of a way to the next by a controller that knows all."""
    points = MazeBatch(count, MazeSettings())
    points.reset(np.random.default_rng(0), dict(TASKS[task].reset_options))
    at = np.zeros(count, dtype=int)
    for _ in range(TASKS[task].steps):
        wanted = np.array(way)[at]
        points.advance(np.clip(4.0 * (wanted - points.position) - 2.0 * points.velocity, -1.0, 1.0))
        arrived = np.abs(wanted - points.position).max(-1) < 0.12
        at = np.where(arrived, np.minimum(at + 1, len(way) - 1), at)
    return points


def test_the_straight_way_is_a_dead_end_and_the_way_around_arrives() -> None:
    straight, around = drive([GOAL], "around"), drive([(0.75, 0.65), (0.75, -0.65), GOAL], "around")
    np.testing.assert_allclose(around.position, np.broadcast_to(GOAL, around.position.shape), atol=1e-3)
    # Pulled down by the largest force against the wall: it gives way until the spring holds that.
    depth = physics.FORCE / physics.STIFFNESS
    np.testing.assert_allclose(straight.position[:, 1], physics.WALL_RADIUS - depth, atol=1e-3)


def test_within_the_corridor_the_straight_way_arrives() -> None:
    np.testing.assert_allclose(drive([GOAL], "along").position, np.broadcast_to(GOAL, (20, 2)), atol=1e-3)


def test_far_from_walls_the_motion_is_that_of_friction_alone() -> None:
    """v' = f - c v: the closed form, to the accuracy of a step of 10 ms."""
    position, velocity = physics.advance(np.array([0.7, -0.1]), np.array([0.2, 0.0]), np.array([0.0, 0.8]))
    decay = np.exp(-physics.FRICTION * physics.CONTROL_STEP)
    top = 0.8 / physics.FRICTION
    np.testing.assert_allclose(velocity, [0.2 * decay, top * (1 - decay)], rtol=0.02)
    np.testing.assert_allclose(
        position, [0.7 + 0.2 * (1 - decay) / 2.0, -0.1 + top * (0.1 - (1 - decay) / 2.0)], atol=1e-3
    )


@pytest.mark.parametrize(
    ("position", "depth"),
    [
        ((0.7, 0.0), (0.0, 0.0)),
        ((-0.5, 0.25), (0.0, 0.05)),
        ((-0.5, -0.25), (0.0, -0.05)),
        ((0.45, 0.0), (0.05, 0.0)),
        ((1.05, -1.02), (-0.05, 0.02)),
    ],
)
def test_contact_points_out_of_the_walls(position: tuple[float, float], depth: tuple[float, float]) -> None:
    np.testing.assert_allclose(physics.contact(np.array(position)), depth, atol=1e-12)


def test_contact_leads_out_wherever_it_is() -> None:
    """By finite differences: it is minus the gradient of half the squared depth, so a spring and nothing else."""
    rng, h = np.random.default_rng(0), 1e-6
    places = rng.uniform(-1.1, 1.1, (500, 2))
    places = places[np.abs(places[:, 1]) > 1e-3]  # the axis is a ridge

    def energy(at: np.ndarray) -> Any:
        wall = np.maximum(-physics.wall_distance(at), 0.0)
        return 0.5 * wall**2 + 0.5 * np.square(np.maximum(np.abs(at) - physics.ROOM, 0.0)).sum(-1)

    gradient = [(energy(places + step) - energy(places - step)) / (2 * h) for step in h * np.eye(2)]
    np.testing.assert_allclose(physics.contact(places), -np.stack(gradient, -1), atol=1e-5)


def test_random_pushes_stay_in_the_room_and_never_cross_the_wall() -> None:
    points, rng = MazeBatch(100, MazeSettings()), np.random.default_rng(1)
    points.reset(rng, {"low": (-0.9, 0.4), "high": (-0.4, 0.9)})
    for _ in range(100):
        points.advance(rng.choice((-1.0, 1.0), (100, 2)))
        assert physics.wall_distance(points.position).min() > -0.1 and np.abs(points.position).max() < 1.1
        left = points.position[points.position[:, 0] < physics.WALL_END]
        assert (left[:, 1] > 0).all()


def test_the_picture_is_of_the_position_alone() -> None:
    """The centre of mass of what is brighter than the ground, in pixels."""
    places = np.array([[-0.7, 0.7], [0.3, -0.2], [0.0, 0.0]])
    bright = camera.draw(places) - 255 * camera.BLACK_LEVEL
    pixel = np.arange(camera.SIZE) - (camera.SIZE - 1) / 2
    x = (bright.sum(1) * pixel).sum(-1) / bright.sum((1, 2))
    y = (bright.sum(2) * pixel[::-1]).sum(-1) / bright.sum((1, 2))
    np.testing.assert_allclose(np.stack((x, y), -1) / camera.SCALE, places, atol=0.02)


def test_episodes_of_a_task_begin_where_it_says() -> None:
    env = gymnasium.make("latentrl/Maze-v0")
    for name, task in TASKS.items():
        low, high = task.reset_options["low"], task.reset_options["high"]
        for seed in range(10):
            info = env.reset(seed=seed, options=dict(task.reset_options))[1]
            assert (info["position"] >= low).all() and (info["position"] <= high).all(), name
            assert (info["velocity"] == 0).all()
            assert np.abs(info["position"] - GOAL).max() > 0.5, "not there yet"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"place": (0, 0)}, "only position, velocity, low, high"),
        ({"position": (0.0, np.nan)}, "from -1.5"),
        ({"position": 1j}, "one point"),
        ({"position": (0.0, 1e308)}, "'position'.*1.5 m"),
        ({"velocity": (0.0, 1e308)}, "'velocity'.*10 m/s"),
        ({"low": (0.5, 0.5), "high": (0.4, 0.9)}, "low is above high"),
        ({"low": (-1e308, 0.5)}, "'low'.*to 1 m"),
        ({"high": (2.0, 0.5)}, "'high'.*to 1 m"),
        ({"low": (-0.5, -0.1), "high": (0.0, 0.1)}, "a wall between"),
    ],
)
def test_bad_reset_options_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        gymnasium.make("latentrl/Maze-v0").reset(seed=0, options=options)


@pytest.mark.parametrize(
    "settings",
    [
        {"noise": -0.1},
        {"noise": "a"},
        {"noise": 1e308},
        {"noise": True},
        {"render_mode": "human"},
        {"render_size": 0},
        {"render_size": 2.5},
        {"render_size": 10**9},
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        MazeSettings(**settings)


def test_environments_do_not_share_their_metadata() -> None:
    one, other = MazeVectorEnv(2), MazeVectorEnv(2)
    one.metadata["render_modes"].append("mine")
    one.metadata["render_fps"] = 1
    assert other.metadata == MazeVectorEnv.metadata == MazeVectorEnv(1).metadata
    assert other.metadata != one.metadata
