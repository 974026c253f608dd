"""A robot arm with three joints as an environment of its own, in one file: what a stranger's robot would bring.

    pip install "latentrl[reacher]"     # for MuJoCo
    latentrl collect --env examples.three_joint_arm:ThreeJointArm-v0 --describe examples/three_joint_arm.toml ...

Nothing in latentrl knows this arm. Three links turn about vertical axes, so that gravity does nothing; each joint has a
motor, friction and a stop at +-2.6 rad, as most arms have (a cable goes through). The links pass over each other.
docs/own-environment.md goes all the way to control; examples/three_joint_arm.toml says what the ground truth is, and
what counts as success.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

LIMIT = 2.6
"""Radians to both sides at which a joint is stopped."""
FREE = 2.5
"""Within which episodes begin, unless they are told where: on its stop an arm leans."""
SUBSTEPS = 4
PICTURE = 96
ARM = f"""
<mujoco model="arm with three joints">
  <compiler angle="radian"/>
  <option timestep="0.01" integrator="implicitfast"><flag contact="disable"/></option>
  <visual>
    <quality shadowsize="0" offsamples="0"/>
    <headlight ambient="1 1 1" diffuse="0 0 0" specular="0 0 0"/>
  </visual>
  <default>
    <joint type="hinge" axis="0 0 1" limited="true" range="{-LIMIT} {LIMIT}" armature="0.002" damping="0.02"/>
    <geom type="capsule" density="200"/>
    <motor ctrllimited="true" ctrlrange="-1 1"/>
  </default>
  <worldbody>
    <camera name="overhead" pos="0 0 1" fovy="43"/>
    <body>
      <joint name="base"/>
      <geom size="0.03" fromto="0 0 0 0.13 0 0" rgba="0.55 0.1 0.1 1"/>
      <body pos="0.13 0 0.04">
        <joint name="elbow" damping="0.012"/>
        <geom size="0.027" fromto="0 0 0 0.11 0 0" rgba="0.2 0.75 0.3 1"/>
        <body pos="0.11 0 0.04">
          <joint name="wrist" damping="0.008"/>
          <geom size="0.024" fromto="0 0 0 0.08 0 0" rgba="1 1 0.6 1"/>
        </body>
      </body>
    </body>
  </worldbody>
  <actuator>
    <motor joint="base" gear="0.07"/>
    <motor joint="elbow" gear="0.042"/>
    <motor joint="wrist" gear="0.028"/>
  </actuator>
</mujoco>
"""


class ThreeJointArm(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """Observation: the three joint angles ``[3]`` float32 in rad, with noise. Action: ``[3]`` in [-1, 1].

    No velocity is observed. An action is the share of each motor's torque, held for 0.04 s.
    ``reset(options={"angles": ..., "velocities": ...})`` takes, for each of the three joints, a number or a range
    (low, high) to draw from; by default angles within +-2.5 rad, at rest. There is no reward and no end.
    ``info`` holds the truth: "angles" in rad and "velocities" in rad/s, each ``[3]``.

    Args:
        noise: standard deviation of the joints' sensors in rad; an encoder of 12 bits has about this.
        render_mode: None, or "rgb_array": pictures ``[96, 96, 3]`` uint8 from above, which needs OpenGL.
    """

    metadata = {  # noqa: RUF012
        "render_modes": ["rgb_array"],
        "render_fps": 25,
        "ground_truth": ("angles", "velocities"),
    }

    def __init__(self, noise: float = 0.001, render_mode: str | None = None) -> None:
        self.model = mujoco.MjModel.from_xml_string(ARM)
        self.data = mujoco.MjData(self.model)
        self.noise, self.render_mode = noise, render_mode
        self.observation_space = Box(-np.inf, np.inf, (3,), np.float32)
        self.action_space = Box(-1.0, 1.0, (3,), np.float32)
        self._renderer: mujoco.Renderer | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Put the arm where ``options`` say; the observation and the truth."""
        super().reset(seed=seed)
        given = {"angles": [(-FREE, FREE)] * 3, "velocities": [0.0] * 3, **(options or {})}
        if len(given) > 2 or any(len(values) != 3 for values in given.values()):
            raise ValueError("options are angles and velocities, each three numbers or three ranges (low, high)")
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:] = self._drawn(given["angles"])
        self.data.qvel[:] = self._drawn(given["velocities"])
        return self._observed(), self._truth()

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Hold ``action [3]`` for 0.04 s."""
        self.data.ctrl[:] = action
        mujoco.mj_step(self.model, self.data, SUBSTEPS)
        return self._observed(), 0.0, False, False, self._truth()

    def render(self) -> NDArray[np.uint8] | None:
        """The arm from above ``[96, 96, 3]``, where its joints are now."""
        if self.render_mode is None:
            return None
        if self._renderer is None:
            self._renderer = mujoco.Renderer(self.model, PICTURE, PICTURE)
        mujoco.mj_fwdPosition(self.model, self.data)  # a step moves the joints last, and the drawn bodies not yet
        self._renderer.update_scene(self.data, "overhead")
        return self._renderer.render()

    def close(self) -> None:
        """Give the OpenGL context back."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def _drawn(self, values: Any) -> list[float]:
        return [float(self.np_random.uniform(*one)) if np.ndim(one) else float(one) for one in values]

    def _observed(self) -> NDArray[np.float32]:
        return (self.data.qpos + self.noise * self.np_random.standard_normal(3)).astype(np.float32)

    def _truth(self) -> dict[str, Any]:
        return {"angles": self.data.qpos.copy(), "velocities": self.data.qvel.copy()}


gymnasium.register("ThreeJointArm-v0", entry_point=lambda **kwargs: ThreeJointArm(**kwargs))
