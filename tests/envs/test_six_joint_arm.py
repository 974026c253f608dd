from __future__ import annotations

import math
from typing import Any

import gymnasium
import numpy as np
import pytest

pytest.importorskip("mujoco")

from latentrl.envs.six_joint_arm.circle import CENTRE, KNOTS, RADIUS, Circle, circle_pose, knots
from latentrl.envs.six_joint_arm.kinematics import (
    BASE,
    FOREARM,
    TOOL,
    UPPER,
    ArmKinematics,
    Pose,
    Unreachable,
    pose_error,
)


@pytest.fixture(scope="module")
def arm() -> ArmKinematics:
    return ArmKinematics()


def test_within_a_plane_the_tip_is_where_three_links_put_it(arm: ArmKinematics) -> None:
    """Closed form: with no roll and no yaw shoulder, elbow and wrist are three hinges of one plane."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        shoulder, elbow, wrist, tool_roll = rng.uniform(-2, 2, 4)
        found = arm.pose(np.array([0.0, shoulder, elbow, 0.0, wrist, tool_roll]))
        sums = np.cumsum((shoulder, elbow, wrist))
        lengths = np.array((UPPER, FOREARM, TOOL))
        x, z = (lengths * np.sin(sums)).sum(), BASE + (lengths * np.cos(sums)).sum()
        np.testing.assert_allclose(found.position, (x, 0.0, z), atol=1e-12)
        np.testing.assert_allclose(found.rotation[:, 2], (math.sin(sums[-1]), 0.0, math.cos(sums[-1])), atol=1e-12)


def test_the_base_turns_everything(arm: ArmKinematics) -> None:
    angles = np.array([0.0, 0.4, 0.9, -0.3, 0.7, 0.2])
    before, yaw = arm.pose(angles), 0.8
    after = arm.pose(angles + yaw * np.eye(6)[0])
    turn = np.array([[math.cos(yaw), -math.sin(yaw), 0], [math.sin(yaw), math.cos(yaw), 0], [0, 0, 1]])
    np.testing.assert_allclose(after.position, turn @ before.position, atol=1e-12)
    np.testing.assert_allclose(after.rotation, turn @ before.rotation, atol=1e-12)


def test_the_jacobian_is_a_finite_difference(arm: ArmKinematics) -> None:
    rng, h = np.random.default_rng(1), 1e-6
    for angles in rng.uniform(-1.5, 1.5, (5, 6)):
        steps = h * np.eye(6)
        columns = [pose_error(arm.pose(angles + step), arm.pose(angles - step)) / (2 * h) for step in steps]
        np.testing.assert_allclose(arm.jacobian(angles), np.stack(columns, -1), atol=1e-8)


def test_inverse_kinematics_finds_poses_again(arm: ArmKinematics) -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        angles = np.array([0.2, 0.8, 1.4, -0.9, 0.9, 4.0]) + rng.uniform(-0.3, 0.3, 6)
        found = arm.inverse(arm.pose(angles), angles + rng.uniform(-0.1, 0.1, 6))
        np.testing.assert_allclose(found, angles, atol=1e-6)


def test_what_is_out_of_reach_is_refused(arm: ArmKinematics) -> None:
    with pytest.raises(Unreachable, match="no joint angles"):
        arm.inverse(Pose(np.array([3.0, 0.0, 0.2]), np.eye(3)), np.full(6, 0.3))


def test_the_tool_is_on_its_circle_and_held_alike(arm: ArmKinematics) -> None:
    circle = Circle()
    for phase in np.linspace(-7.0, 7.0, 41):
        found = arm.pose(circle.angles(float(phase)))
        assert np.linalg.norm(pose_error(circle_pose(float(phase)), found)) < 1e-8
        assert np.hypot(*(found.position - CENTRE)[:2]) == pytest.approx(RADIUS, abs=1e-8)
        assert found.position[2] == pytest.approx(CENTRE[2], abs=1e-8)


def test_joints_move_without_a_break_and_are_back_after_a_turn() -> None:
    table = knots()
    around = np.abs(np.diff(np.concatenate((table, table[:1])), axis=0))
    assert around.max() < 0.1 and (np.ptp(table, axis=0) > 0.3).all(), "all six move, none jumps"
    circle = Circle()
    np.testing.assert_allclose(circle.angles(0.3), circle.angles(0.3 + 2 * math.pi), atol=1e-8)
    between = circle.angles(0.5 * 2 * math.pi / KNOTS)
    np.testing.assert_allclose(between, (table[0] + table[1]) / 2, atol=1e-3)


def test_the_environment_goes_round_at_the_speed_that_is_asked() -> None:
    env = gymnasium.make("latentrl.envs:latentrl/SixJointArm-v0")
    env.reset(seed=0, options={"phase": 3.1})
    observation, _, _, _, info = env.step(np.array([0.6], np.float32))
    assert info["phase"] == pytest.approx(3.16 - 2 * math.pi, abs=1e-6)
    np.testing.assert_allclose(observation, Circle().angles(3.16), atol=1e-6)
    np.testing.assert_allclose(env.step(np.array([9.0], np.float32))[4]["phase"], 3.26 - 2 * math.pi, atol=1e-6)


def test_sensors_are_noisy_where_they_are_asked_to_be() -> None:
    env = gymnasium.make("latentrl.envs:latentrl/SixJointArm-v0", noise=0.02)
    errors = [
        observation - info["clean"]
        for observation, info in (env.reset(seed=k, options={"phase": 1.0}) for k in range(40))
    ]
    assert np.std(errors) == pytest.approx(0.02, rel=0.15)


@pytest.mark.parametrize("options", [{"angle": 1.0}, {"phase": math.inf}, {"phase": (1.0, 2.0)}, {"phase": 1e308}])
def test_bad_reset_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="reset option"):
        gymnasium.make("latentrl.envs:latentrl/SixJointArm-v0").reset(seed=0, options=options)
