"""Actions held for several steps of an environment, one at a time or many at once."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv, VectorWrapper
from numpy.typing import NDArray


class ActionRepeat(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Hold each action for ``repeat`` steps, or until the episode ends; observe the last, sum the rewards.

    Args:
        env: any environment.
        repeat: steps an action, one or more.

    Raises:
        ValueError: fewer than one.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], repeat: int) -> None:
        super().__init__(env)
        self.repeat: int = _checked(repeat)
        self.metadata = _slower(env.metadata, repeat)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """What the last of the steps says, with the sum of their rewards."""
        total = 0.0
        for _ in range(self.repeat):
            observation, reward, terminated, truncated, info = self.env.step(action)
            total += float(reward)
            if terminated or truncated:
                break
        return observation, total, terminated, truncated, info


class VectorActionRepeat(VectorWrapper):
    """The same for an environment that is many at once.

    An episode that ends within a held action says what it said at its end, whatever its successor, begun by then,
    does in the steps that are left.

    Args:
        env: a vectorised environment.
        repeat: steps an action, one or more.

    Raises:
        ValueError: fewer than one.
    """

    def __init__(self, env: VectorEnv, repeat: int) -> None:
        super().__init__(env)
        self.repeat: int = _checked(repeat)
        self.metadata = _slower(env.metadata, repeat)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """What the last step of each environment's episode says, with the sum of the rewards until then."""
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        # Copies, because an environment may use its arrays again.
        observations, rewards = np.array(observations), np.array(rewards)
        terminated, truncated = np.array(terminated), np.array(truncated)
        for _ in range(self.repeat - 1):
            over = terminated | truncated
            if over.all():
                break
            later, reward, ends, cuts, told = self.env.step(actions)
            infos = {key: _kept(over, infos.get(key), value) for key, value in told.items()}
            observations = _kept(over, observations, later)
            rewards = rewards + np.where(over, 0.0, reward)
            terminated, truncated = terminated | (ends & ~over), truncated | (cuts & ~over)
        return observations, rewards, terminated, truncated, infos


def _kept(over: NDArray[np.bool_], before: Any, now: Any) -> Any:
    """``now [N, ...]`` but for the episodes that are ``over [N]``, which keep what was ``before``."""
    fits = isinstance(before, np.ndarray) and isinstance(now, np.ndarray) and before.shape == now.shape
    if not fits or now.shape[:1] != over.shape:
        return now if not isinstance(now, np.ndarray) else now.copy()
    return np.where(over.reshape(-1, *[1] * (now.ndim - 1)), before, now)


def _checked(repeat: int) -> int:
    if repeat < 1:
        raise ValueError(f"repeat={repeat!r}: give a number of steps, one or more")
    return repeat


def _slower(metadata: dict[str, Any], repeat: int) -> dict[str, Any]:
    """The metadata with the rate and the time between what is observed now."""
    changed, rate, step = {**metadata}, metadata.get("render_fps"), metadata.get("control_step")
    if isinstance(rate, int | float) and rate > 0:
        changed["render_fps"] = rate / repeat
    if isinstance(step, int | float):
        changed["control_step"] = step * repeat
    return changed
