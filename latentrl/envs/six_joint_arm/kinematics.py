"""An arm with six hinges: where its tool is, and which joint angles put it somewhere.

MuJoCo gives poses and Jacobians. The model is our own: a turning base, shoulder and elbow in a plane, and a wrist that
rolls, pitches and rolls; lengths in metres. With all angles zero the arm is stretched upwards.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentrl.envs.mujoco_engine import mujoco

BASE, UPPER, FOREARM, TOOL = 0.4, 0.55, 0.55, 0.15
JOINTS = 6
DAMPING = 1e-3
"""Of least squares: where joints line up a step stays short; where they do not it changes nothing that counts."""
ITERATIONS, TOLERANCE = 100, 1e-10
LARGEST_STEP = 0.2
"""Of the joint angles in one iteration, rad."""

MODEL = f"""
<mujoco model="six joint arm">
  <compiler angle="radian"/>
  <option gravity="0 0 0"/>
  <default><geom type="capsule" size="0.04" contype="0" conaffinity="0"/><joint type="hinge"/></default>
  <worldbody>
    <body name="base">
      <joint name="base_yaw" axis="0 0 1"/><geom fromto="0 0 0 0 0 {BASE}"/>
      <body name="upper" pos="0 0 {BASE}">
        <joint name="shoulder_pitch" axis="0 1 0"/><geom fromto="0 0 0 0 0 {UPPER}"/>
        <body name="forearm" pos="0 0 {UPPER}">
          <joint name="elbow_pitch" axis="0 1 0"/><geom fromto="0 0 0 0 0 {FOREARM / 2}"/>
          <body name="roll">
            <joint name="wrist_roll" axis="0 0 1"/><geom fromto="0 0 {FOREARM / 2} 0 0 {FOREARM}"/>
            <body name="wrist" pos="0 0 {FOREARM}">
              <joint name="wrist_pitch" axis="0 1 0"/><geom fromto="0 0 0 0 0 {TOOL / 2}"/>
              <body name="tool">
                <joint name="tool_roll" axis="0 0 1"/><geom fromto="0 0 {TOOL / 2} 0 0 {TOOL}" size="0.02"/>
                <site name="tip" pos="0 0 {TOOL}"/>
              </body>
            </body>
          </body>
        </body>
      </body>
    </body>
  </worldbody>
</mujoco>
"""

Floats = NDArray[np.float64]


class Pose(NamedTuple):
    """Of the tool's tip: ``position [3]`` m, and ``rotation [3, 3]``, which turns the tool's axes into the world's."""

    position: Floats
    rotation: Floats


class Unreachable(ValueError):
    """No joint angles put the tool there, or none were found."""


class ArmKinematics:
    """Forward and inverse kinematics of one arm.

    Attributes:
        model: MuJoCo's model.
        data: MuJoCo's state, of which only the joint angles mean something.
    """

    model: mujoco.MjModel
    data: mujoco.MjData

    def __init__(self) -> None:
        self.model = mujoco.MjModel.from_xml_string(MODEL)
        self.data = mujoco.MjData(self.model)

    def pose(self, angles: Floats) -> Pose:
        """Where the tool is with joint ``angles [6]``, rad."""
        self.data.qpos[:] = angles
        mujoco.mj_kinematics(self.model, self.data)
        return Pose(self.data.site_xpos[0].copy(), self.data.site_xmat[0].reshape(3, 3).copy())

    def jacobian(self, angles: Floats) -> Floats:
        """``[6, 6]``: the tip's velocity (m/s) and below it the tool's angular velocity (rad/s), by joint velocity."""
        self.pose(angles)
        mujoco.mj_comPos(self.model, self.data)
        found = np.empty((6, JOINTS))
        mujoco.mj_jacSite(self.model, self.data, found[:3], found[3:], 0)
        return found

    def skeleton(self, angles: Floats) -> Floats:
        """Foot, shoulder, elbow, wrist and tip ``[5, 3]``, m."""
        tip = self.pose(angles).position
        named = [self.data.body(name).xpos.copy() for name in ("upper", "forearm", "wrist")]
        return np.stack((np.zeros(3), *named, tip))

    def inverse(self, wanted: Pose, start: Floats) -> Floats:
        """Joint angles ``[6]`` of a pose, the ones that a continuous motion from ``start [6]`` leads to.

        Damped least squares, ``dq = J' (J J' + damping I)^-1 e`` (Wampler, 1986), each step at most `LARGEST_STEP`.

        Raises:
            Unreachable: the error is still more than 1e-6 after `ITERATIONS`.
        """
        angles = np.array(start, np.float64)
        error = pose_error(wanted, self.pose(angles))
        for _ in range(ITERATIONS):
            size = np.linalg.norm(error)
            if size < TOLERANCE:
                break
            jacobian = self.jacobian(angles)
            # Less damping the nearer the goal is, so that the last steps are Newton's.
            damped = jacobian @ jacobian.T + min(DAMPING, size**2) * np.eye(6)
            step = jacobian.T @ np.linalg.solve(damped, error)
            angles = angles + step * min(1.0, LARGEST_STEP / max(np.abs(step).max(), 1e-12))
            error = pose_error(wanted, self.pose(angles))
        if np.linalg.norm(error) > 1e-6:
            raise Unreachable(f"no joint angles were found for the position {wanted.position.tolist()}")
        return angles


def pose_error(wanted: Pose, found: Pose) -> Floats:
    """``[6]``: what is left to go, m, and below it the rotation vector that is left to turn, rad; world axes."""
    left = wanted.rotation @ found.rotation.T
    turned, quaternion = np.empty(3), np.empty(4)
    mujoco.mju_mat2Quat(quaternion, left.ravel())
    mujoco.mju_quat2Vel(turned, quaternion, 1.0)
    return np.concatenate((wanted.position - found.position, turned))
