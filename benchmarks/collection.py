"""Frames per second of the pendulum: one NumPy array of pendulums against Gymnasium's loop over single ones."""

from __future__ import annotations

import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv

from benchmarks.timing import Comparison, compare
from latentrl.envs import PENDULUM


def compare_collection(num_envs: int, steps: int, repeats: int) -> Comparison:
    """Step, picture, sensor noise and ground truth of ``num_envs`` pendulums.

    Args:
        num_envs: pendulums on one core.
        steps: of each pendulum in a repeat of the array; the slow loop makes a tenth of them.
        repeats: of both.

    Returns:
        Processor seconds a frame.
    """
    loop = gymnasium.make_vec(PENDULUM, num_envs, "sync")
    array = gymnasium.make_vec(PENDULUM, num_envs, "vector_entry_point")
    torques = np.random.default_rng(0).uniform(-2, 2, (steps, num_envs, 1)).astype(np.float32)
    few = torques[: max(1, steps // 10)]
    try:
        for envs in (loop, array):
            envs.reset(seed=0)
        times = compare(lambda: _play(loop, few), lambda: _play(array, torques), repeats)
    finally:
        loop.close()
        array.close()
    return Comparison(
        [seconds / (len(few) * num_envs) for seconds in times.yardstick],
        [seconds / (len(torques) * num_envs) for seconds in times.subject],
    )


def _play(envs: VectorEnv, torques: np.ndarray) -> None:
    for torque in torques:
        envs.step(torque)
