"""The warm start: velocities around a ring, and a model that begins on its chart."""

from __future__ import annotations

import math

import pytest
import torch

from latentrl.geometry.charts import Charted
from latentrl.models.ekvae import EKVAE, EKVAESettings
from latentrl.models.spec import DataSpec
from latentrl.objectives.rewo import REWO
from latentrl.training.stages.chart_start import moving_frame, start_on_chart, start_transition
from latentrl.types import Sequences
from tests.arms import explained, wander


def test_two_velocities_move_three_positions_of_a_cylinder() -> None:
    g = torch.Generator().manual_seed(0)
    speeds = 0.1 * torch.randn(300, 20, 2, generator=g)
    around, along = speeds.cumsum(1).unbind(-1)
    around = around + 2 * math.pi * torch.rand(300, 1, generator=g)
    cylinder = torch.stack((around.cos(), around.sin(), along), -1)
    frame = moving_frame(cylinder, 2)
    assert frame.shape == (3, 2, 4)
    moved, there = cylinder.diff(dim=1).flatten(0, 1), cylinder[:, 1:].flatten(0, 1)
    local = torch.einsum("ijk,nk->nij", frame, torch.cat((torch.ones(len(there), 1), there), 1))
    velocity = torch.linalg.lstsq(local, moved.unsqueeze(-1)).solution.squeeze(-1)
    for true in speeds[:, 1:].flatten(0, 1).unbind(-1):
        assert explained(velocity, true) > 0.98


def test_where_every_position_has_a_velocity_each_moves_its_own() -> None:
    """Velocities in the units of the chart: F is that of a point that moves on, wherever it is."""
    places = torch.randn(40, 5, 2, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    data = Sequences(torch.zeros(1, 5, 3), torch.zeros(1, 4, 2))
    model = EKVAE(DataSpec.of(data), EKVAESettings(state_size=4, position_size=2))
    start_transition(model, places, torch.Generator().manual_seed(0))
    weights = model.dynamics.weights(torch.float32)
    local = weights.linearise(torch.randn(3, 4), weights.gate_input(torch.zeros(3, 2))).state_matrix
    expected = torch.eye(4)
    expected[:2, 2:] = torch.eye(2)
    torch.testing.assert_close(local, expected.expand(3, 4, 4), atol=0.05, rtol=0)


def test_a_model_starts_on_its_chart(monkeypatch: pytest.MonkeyPatch) -> None:
    # How exact all of them are is seen above; here the steps for pictures take their turn, too.
    monkeypatch.setattr("latentrl.training.stages.chart_start.MOTION_STEPS", 500)
    data, angles = wander(200, 10)
    ring = torch.cat((angles[..., :1].cos(), angles[..., :1].sin(), angles[..., 1:]), -1)
    places = (ring - ring.flatten(0, 1).mean(0)) / ring.flatten(0, 1).std(0)
    torch.manual_seed(0)
    settings = EKVAESettings(state_size=5, position_size=3, network="lean", hidden=(128, 64), standardise=True)
    model = EKVAE(DataSpec.of(data), settings)
    assert model.standard is not None
    model.standard.fit(data.observations.flatten(0, 1))
    error, kept = start_on_chart(model, data, Charted(data, places), steps=250, progress=False)
    unseen, poses = wander(20, 10, seed=1)
    pictures = unseen.observations.float() / 255
    with torch.no_grad():
        found = model.encode(unseen.observations).mean.flatten(0, 1)
        drawn = model.decode(model.encode(unseen.observations).mean)
        state = torch.tensor([[places[0, 0, 0], places[0, 0, 1], places[0, 0, 2], 1.0, 0.0]])
        weights = model.dynamics.weights(torch.float32)
        local = weights.linearise(state, weights.gate_input(torch.zeros(1, 2))).state_matrix[0]
    assert explained(found, poses[..., 0].flatten().cos()) > 0.9
    assert float((drawn - pictures).square().mean()) < 0.7 * float(pictures.flatten(0, 1).var(0).mean())
    assert kept.shape == places.shape
    for joint in (angles[..., 0].cos(), angles[..., 1]):
        assert explained(kept.flatten(0, 1), joint.flatten()) > 0.9
    assert 0 < error < float(pictures.flatten(0, 1).var(0).mean())
    torch.testing.assert_close(local[:3, :3], torch.eye(3), atol=0.05, rtol=0)
    torch.testing.assert_close(local[3:, 3:], torch.eye(2), atol=0.05, rtol=0)
    assert float(local[:3, 3:].norm()) > 0.05, "the velocity moves the position"


def test_a_bound_that_cannot_be_met_is_loosened_and_kept_in_a_checkpoint() -> None:
    objective = REWO(1e-4)
    objective.loosen(1e-5)
    assert objective.bound == 1e-4
    objective.loosen(1e-3)
    fresh = REWO(1e-4)
    fresh.load_state(objective.state())
    assert fresh.bound == pytest.approx(1e-3)
    older = {key: value for key, value in objective.state().items() if key != "bound"}
    fresh = REWO(1e-4)
    fresh.load_state(older)
    assert fresh.bound == 1e-4
