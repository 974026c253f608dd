"""Starts and goals of the reacher's episodes."""

from __future__ import annotations

import numpy as np
import pytest

from latentrl.envs.episodes import Ahead, Draw, Recorded
from latentrl.envs.reacher.geometry import WRIST_LIMIT, finger_position
from latentrl.envs.reacher.tasks import MARGIN, STATE, anywhere, on_target, target_at

AHEAD = Ahead(25, STATE, "angles", target_at)


def recorded(count: int = 6, length: int = 30) -> Recorded:
    """Sequences whose every value tells where it is from."""
    place = np.arange(count)[:, None] + np.arange(length) / 100
    observations = np.stack((place, -place), -1).astype(np.float32)
    truth = {"angles": np.stack((place, -place), -1), "velocities": 10 * np.stack((place, -place), -1)}
    return Recorded(observations, truth)


@pytest.mark.parametrize("draw", [anywhere, on_target, AHEAD])
def test_a_seed_fixes_the_episodes(draw: Draw) -> None:
    first, again, other = (draw(np.random.default_rng(seed), 4, recorded()) for seed in (3, 3, 4))
    assert first.starts.keys() == again.starts.keys()
    assert all(np.array_equal(first.starts[name], again.starts[name]) for name in first.starts)
    assert np.array_equal(first.goals, again.goals) and not np.array_equal(first.goals, other.goals)
    alone = first.only(0)
    assert all(np.array_equal(alone.starts[name], start[:1]) for name, start in first.starts.items())
    assert np.array_equal(alone.goals, first.goals[:1])


def test_anywhere_covers_the_circle_and_keeps_off_the_stop() -> None:
    drawn = anywhere(np.random.default_rng(0), 500)
    for poses in (drawn.starts["angles"], drawn.goals):
        assert np.abs(poses[:, 0]).max() > 3.1 and (np.abs(poses[:, 0]) <= np.pi).all()
        assert 2.6 < np.abs(poses[:, 1]).max() <= WRIST_LIMIT - MARGIN
    assert np.abs(drawn.starts["angles"] - drawn.goals).max() > 5.0
    np.testing.assert_allclose(drawn.starts["target"], finger_position(drawn.goals))


def test_the_goal_on_a_target_is_the_nearer_pose_with_the_finger_there() -> None:
    drawn = on_target(np.random.default_rng(0), 200)
    target, start = drawn.starts["target"], drawn.starts["angles"]
    np.testing.assert_allclose(finger_position(drawn.goals), target, atol=1e-12)
    distance = np.linalg.norm(target, axis=1)
    assert distance.min() >= 0.05 and distance.max() <= 0.20 and (np.abs(drawn.goals[:, 1]) < WRIST_LIMIT).all()
    # The other elbow is the reflection at the line from shoulder to target.
    toward = np.arctan2(target[:, 1], target[:, 0])
    mirrored = np.stack((2 * toward - drawn.goals[:, 0], -drawn.goals[:, 1]), -1)
    mirrored[:, 0] = (mirrored[:, 0] + np.pi) % (2 * np.pi) - np.pi
    np.testing.assert_allclose(finger_position(mirrored), target, atol=1e-12)
    assert (np.square(drawn.goals - start).sum(1) <= np.square(mirrored - start).sum(1) + 1e-9).all()


def test_ahead_takes_start_and_goal_from_one_held_out_sequence() -> None:
    drawn = AHEAD(np.random.default_rng(0), 6, recorded())
    start = drawn.starts["angles"][:, 0]
    np.testing.assert_allclose(drawn.goals[:, 0] - start, 0.25)
    np.testing.assert_allclose(drawn.starts["velocities"], 10 * drawn.starts["angles"])
    assert drawn.observations is not None
    np.testing.assert_allclose(drawn.observations, drawn.goals, rtol=1e-6)
    assert sorted(start.astype(int)) == list(range(6)) and ((start % 1) <= 0.04 + 1e-9).all()
    assert len(AHEAD(np.random.default_rng(0), 20, recorded()).goals) == 20


def test_sequences_that_are_too_short_are_refused() -> None:
    with pytest.raises(ValueError, match="longer than 25"):
        AHEAD(np.random.default_rng(0), 2, recorded(length=25))
    with pytest.raises(ValueError, match="25 steps ahead"):
        AHEAD(np.random.default_rng(0), 2)
