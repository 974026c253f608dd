"""Episodes on disk are those that Minari itself writes, byte by byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gymnasium.spaces import Box
from minari.data_collector.episode_buffer import EpisodeBuffer
from minari.dataset.minari_storage import MinariStorage

from latentrl.data_collection.arrow import PART, is_whole, write_episode
from latentrl.types import Trajectory


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("shape", [(5, 4, 1), (3,)], ids=["picture", "readings"])
@pytest.mark.parametrize("truth", [True, False])
def test_the_files_are_minaris(tmp_path: Path, size: int, shape: tuple[int, ...], truth: bool) -> None:
    rng = np.random.default_rng(size)
    seen = rng.integers(0, 256, (6, *shape)).astype(np.uint8)
    observations = seen if len(shape) > 1 else seen.astype(np.float32)
    actions = rng.uniform(-1, 1, (5, size)).astype(np.float32)
    infos: dict[str, np.ndarray] = {
        "angle": rng.normal(size=6),
        "single": rng.normal(size=6).astype(np.float32),
        "count": np.arange(6),
        "touches": np.arange(6) > 2,
        "clean": rng.integers(0, 256, (6, 2, 2, 1)).astype(np.uint8),
        "state": rng.normal(size=(6, 3)),
    }
    if not truth:
        infos = {}
    (tmp_path / "minari").mkdir()
    (tmp_path / "ours").mkdir()
    space = Box(0, 255, shape, np.uint8) if len(shape) > 1 else Box(-np.inf, np.inf, shape, np.float32)
    storage = MinariStorage.new(tmp_path / "minari", space, Box(-1, 1, (size,), np.float32), data_format="arrow")
    buffer = EpisodeBuffer(
        id=12,
        seed=7,
        observations=observations,
        actions=actions,
        rewards=[0.0] * 5,
        terminations=[False] * 5,
        truncations=[False] * 4 + [True],
        infos={key: list(value) if value.ndim == 1 else value for key, value in infos.items()},
    )
    storage.update_episodes([buffer])
    write_episode(tmp_path / "ours", 12, Trajectory(observations, actions, infos, seed=7))
    for name in (PART, "metadata.json"):
        assert (tmp_path / "ours" / "12" / name).read_bytes() == (tmp_path / "minari" / "12" / name).read_bytes()


def test_a_torn_file_is_not_whole(tmp_path: Path) -> None:
    assert not is_whole(tmp_path, 0)
    write_episode(tmp_path, 0, Trajectory(np.zeros((2, 1), np.float32), np.zeros((1, 1), np.float32)))
    assert is_whole(tmp_path, 0)
    part = tmp_path / "0" / PART
    for length in (0, 5, part.stat().st_size - 1):
        part.write_bytes(part.read_bytes()[:length])
        assert not is_whole(tmp_path, 0)
