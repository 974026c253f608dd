"""The picture of a belief over time."""

from __future__ import annotations

import numpy as np
import pytest

from latentrl.figures.belief import belief_uncertainty, deviations, lost_spans
from latentrl.figures.theme import to_png


def test_deviations_are_those_of_position_and_velocity() -> None:
    covariance = np.stack([np.diag([1.0, 7.0, 9.0]), np.diag([4.0, 4.0, 0.25])])
    covariance[0, 0, 1] = covariance[0, 1, 0] = 0.5
    found = deviations(covariance, 2)
    assert found["position"] == pytest.approx([2.0, 2.0]) and found["velocity"] == pytest.approx([3.0, 0.5])
    assert list(deviations(covariance, 3)) == ["position"]


def test_lost_spans() -> None:
    arrived = np.array([1, 0, 0, 1, 1, 0, 1, 0], dtype=bool)
    assert lost_spans(arrived) == [(1, 3), (5, 6), (7, 8)]
    assert lost_spans(np.ones(4, dtype=bool)) == []


def test_the_figure_shows_each_part_and_shades_what_was_lost() -> None:
    arrived = np.array([1, 1, 0, 0, 1, 0], dtype=bool)
    deviation = {"position": np.linspace(1, 2, 6), "velocity": np.linspace(3, 4, 6)}
    figure = belief_uncertainty(deviation, arrived, 0.1)
    assert len(figure.axes) == 2
    for axes, values in zip(figure.axes, deviation.values(), strict=True):
        assert np.asarray(axes.lines[0].get_ydata()).tolist() == values.tolist()
        spans = sorted((box.x0, box.x1) for box in (patch.get_extents() for patch in axes.patches))
        data = axes.transData.inverted()
        edges = [data.transform((x, 1))[0] for span in spans for x in span]
        assert edges == pytest.approx([0.15, 0.35, 0.45, 0.55])
    assert to_png(figure, dpi=40).startswith(b"\x89PNG")


def test_the_figure_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="arrived"):
        belief_uncertainty({"position": np.ones(3)}, np.ones(4, dtype=bool), 0.1)
    with pytest.raises(ValueError, match="deviations"):
        belief_uncertainty({}, np.ones(4, dtype=bool), 0.1)
