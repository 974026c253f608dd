"""Where decoded ways lead the tool of the arm, and pictures of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("mujoco")

from latentrl.envs.six_joint_arm.circle import CENTRE, RADIUS, circle_position, knots
from latentrl.geometry.geodesics import GEODESICS
from latentrl.metrics.geodesic_lengths import PairLengths
from latentrl.studies.measurements.tool_paths import circle_distance, off_circle, tip_paths, tips

POSES = torch.from_numpy(knots()[::32].astype(np.float32))
"""Eight on the circle."""


def test_distances_to_the_circle() -> None:
    from latentrl.studies.measurements.tool_paths import tips

    places = circle_position(np.array([0.0, 1.0])) + np.array([[0.03, 0.0, 0.04], [0.0, 0.0, -0.2]])
    np.testing.assert_allclose(circle_distance(places), [0.05, 0.2], atol=1e-12)
    assert circle_distance(np.array(CENTRE)) == pytest.approx(RADIUS)
    poses = knots()[::64].reshape(2, 2, 6).astype(np.float32)
    np.testing.assert_allclose(circle_distance(tips(poses)), 0.0, atol=1e-6)


def test_a_way_through_poses_of_the_circle_stays_there_and_a_shortened_one_does_not() -> None:
    """The decoder is the identity: curves are joint angles."""
    stretched = torch.zeros(8, 6)  # upwards: far from the circle, at a distance that is known
    curves = {"graph": POSES.unsqueeze(0), "line": torch.stack((POSES, stretched))}
    figures = off_circle(lambda z: z, PairLengths(curves, {}, {}))
    assert figures["off_circle_graph"] == pytest.approx(0.0, abs=1e-6)
    up = np.hypot(CENTRE[0] - RADIUS, 0.4 + 0.55 + 0.55 + 0.15 - CENTRE[2])
    assert figures["off_circle_line"] == pytest.approx(np.sqrt(up**2 / 2), rel=1e-6)


def test_the_ways_of_the_tip_are_drawn_where_they_are() -> None:
    names = (*GEODESICS, "line")
    arrays = {f"decoded {name}": POSES.numpy() for name in names}
    figure = tip_paths({"one": arrays, "other": arrays}, names)
    for axes in figure.axes:
        drawn = np.stack([np.column_stack(line.get_data()) for line in axes.lines[1:]])
        assert len(drawn) == len(names)
        np.testing.assert_allclose(drawn, np.broadcast_to(tips(POSES.numpy())[:, :2], drawn.shape), atol=1e-9)
