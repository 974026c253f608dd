"""Environments of Gymnasium for libraries that know those of dm_env, and back.

Import this module only where dm_env is asked for: it comes with dm_control, an optional extra.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box

try:
    import dm_env
    from dm_env import specs
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(f"{error}: pip install 'latentrl[dm-control]'", name=error.name) from error


class DMEnvironment(dm_env.Environment):
    """A Gymnasium environment as ``dm_env.Environment``.

    What was *terminated* has the discount 0 at its last step, what was *truncated* the discount 1, as in the control
    suite. A step after the last, or before the first, begins an episode and ignores its action. dm_env has no place for
    the info: that of the last step is in ``info``.

    Args:
        env: with spaces of the kind `Box`.
        seed: of the first episode; those after it go on from there. None: as the environment does without one.

    Raises:
        ValueError: other spaces.
    """

    env: gymnasium.Env[Any, Any]

    def __init__(self, env: gymnasium.Env[Any, Any], seed: int | None = None) -> None:
        self._observation_spec = _spec(env.observation_space, "observation")
        self._action_spec = _spec(env.action_space, "action")
        self.env, self._seed = env, seed
        self.info: dict[str, Any] = {}
        self._over = True

    def reset(self) -> dm_env.TimeStep:
        """Begin an episode; a time step of the type FIRST, without reward and discount."""
        observation, self.info = self.env.reset(seed=self._seed)
        self._seed, self._over = None, False
        return dm_env.restart(observation)

    def step(self, action: Any) -> dm_env.TimeStep:
        """One step under ``action [Du]``: reward, discount and observation ``[...]``."""
        if self._over:
            return self.reset()
        observation, reward, terminated, truncated, self.info = self.env.step(action)
        self._over = bool(terminated or truncated)
        if terminated:
            return dm_env.termination(float(reward), observation)
        if truncated:
            return dm_env.truncation(float(reward), observation)
        return dm_env.transition(float(reward), observation)

    def observation_spec(self) -> specs.BoundedArray:
        """Shape, dtype and bounds of an observation."""
        return self._observation_spec

    def action_spec(self) -> specs.BoundedArray:
        """Shape, dtype and bounds of an action."""
        return self._action_spec

    def close(self) -> None:
        """Close the environment."""
        self.env.close()


class GymnasiumEnvironment(gymnasium.Env[Any, Any]):
    """A ``dm_env.Environment`` as a Gymnasium one, so that its data can be collected.

    A last step of discount 0 is *terminated*, any other last one *truncated*. dm_env seeds environments where they are
    made, so that a seed of a reset reaches nothing but ``np_random``.

    Args:
        env: whose observation is one array, and whose actions are bounded.

    Raises:
        ValueError: several observations, or one without a shape.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012
    env: dm_env.Environment
    observation_space: Box
    action_space: Box

    def __init__(self, env: dm_env.Environment) -> None:
        self.env = env
        self.observation_space = _space(env.observation_spec(), "observation")
        self.action_space = _space(env.action_spec(), "action")

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; observation and an empty info."""
        super().reset(seed=seed)
        return self._observed(self.env.reset()), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One step under ``action [Du]``."""
        said = self.env.step(action)
        terminated = bool(said.last() and said.discount == 0.0)
        return self._observed(said), float(said.reward), terminated, said.last() and not terminated, {}

    def close(self) -> None:
        """Close the environment."""
        self.env.close()

    def _observed(self, said: dm_env.TimeStep) -> Any:
        return np.array(said.observation, self.observation_space.dtype)


def _spec(space: gymnasium.Space[Any], name: str) -> specs.BoundedArray:
    if not isinstance(space, Box):
        raise ValueError(f"the {name} space is {space}: only one of the kind Box has a spec")
    return specs.BoundedArray(space.shape, space.dtype, space.low, space.high, name)


def _space(spec: Any, name: str) -> Box:
    if not isinstance(spec, specs.Array):
        raise ValueError(f"the {name} spec is {spec}: give an environment with one array of them")
    low, high = getattr(spec, "minimum", -np.inf), getattr(spec, "maximum", np.inf)
    kind: Any = spec.dtype
    if np.issubdtype(kind, np.integer) and not isinstance(spec, specs.BoundedArray):
        low, high = np.iinfo(kind).min, np.iinfo(kind).max
    return Box(
        np.broadcast_to(low, spec.shape).astype(kind), np.broadcast_to(high, spec.shape).astype(kind), dtype=kind
    )
