"""The gauge map: it changes the coordinates of the latent space and nothing else."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import torch

from latentrl.models import build
from latentrl.models.dks import DKS, DKSSettings
from latentrl.models.ekvae import EKVAE, EKVAESettings
from latentrl.models.kvae import KVAE, KVAESettings
from latentrl.models.spec import DataSpec
from latentrl.runs.velocity_range import load_range
from latentrl.training.stages.gauge import VelocityCoordinates, mirror, velocity_gauge
from latentrl.training.training import Training
from latentrl.types import Belief, Sequences

GAUGE = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0.7, -0.4, 1]], dtype=torch.float64)


def make_model(prior: str = "vhp") -> EKVAE:
    torch.manual_seed(0)
    spec = DataSpec((8, 8, 1), "uint8", 1, (2.0,))
    return EKVAE(spec, EKVAESettings(base_matrices=4, hidden=(16,), gate_hidden=(8,), prior_hidden=(8,), prior=prior))


def make_data() -> Sequences:
    g = torch.Generator().manual_seed(0)
    observations = torch.randint(0, 256, (32, 6, 8, 8, 1), dtype=torch.uint8, generator=g)
    return Sequences(observations, torch.randn(32, 5, 1, generator=g))


@torch.no_grad()
@pytest.mark.parametrize("prior", ["vhp", "vamp"])
def test_beliefs_transitions_and_prior_are_mapped_exactly(prior: str) -> None:
    before, after, data = make_model(prior), make_model(prior), make_data()
    after.change_coordinates(GAUGE)
    a, b = before.smooth(data.observations, data.actions), after.smooth(data.observations, data.actions)
    torch.testing.assert_close(b.mean, a.mean @ GAUGE.T, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(b.covariance, GAUGE @ a.covariance @ GAUGE.T, rtol=1e-4, atol=1e-6)
    small = GAUGE.float()
    state, action = a.mean[:, 0].float(), data.actions[:, 0]
    old, new = before.transition(state, action), after.transition(state @ small.T, action)
    torch.testing.assert_close(new.mean, old.mean @ small.T, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(new.covariance, small @ old.covariance @ small.T, rtol=1e-4, atol=1e-6)
    g1, g2 = torch.Generator().manual_seed(0), torch.Generator().manual_seed(0)
    old_prior, new_prior = before.initial_distribution, after.initial_distribution
    torch.testing.assert_close(new_prior.bound(state @ small.T, g1), old_prior.bound(state, g2), rtol=1e-4, atol=1e-4)
    g1, g2 = torch.Generator().manual_seed(0), torch.Generator().manual_seed(0)
    torch.testing.assert_close(new_prior.sample(9, g1), old_prior.sample(9, g2) @ small.T, rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("version", ["joint", "smoother", "filter"])
def test_the_bound_does_not_change(version: str) -> None:
    data, bounds = make_data(), []
    repeated = Sequences(data.observations.repeat(100, 1, 1, 1, 1), data.actions.repeat(100, 1, 1))
    for gauge in (torch.eye(3, dtype=torch.float64), GAUGE):
        model = make_model()
        object.__setattr__(model.settings, "version", version)
        model.change_coordinates(gauge)
        terms = model.rate_distortion(repeated, torch.Generator().manual_seed(0))
        bounds.append((terms.rate + terms.distortion).view(100, -1).mean(0))
    spread = (terms.rate + terms.distortion).view(100, -1).std(0) / 10
    assert ((bounds[0] - bounds[1]).abs() < 5 * spread + 1e-2).all()


def test_velocity_is_uncorrelated_with_position_afterwards() -> None:
    g = torch.Generator().manual_seed(0)
    position = torch.randn(500, 2, generator=g)
    velocity = position @ torch.tensor([[0.5], [-1.0]]) + 3 + torch.randn(500, 1, generator=g)
    states = torch.cat((position, velocity), -1)
    mapped = states.double() @ velocity_gauge(states, 2).T
    correlation = torch.corrcoef(mapped.T)
    assert correlation[2, :2].abs().max() < 1e-10
    torch.testing.assert_close(mapped[:, :2], position.double())


def fix_gauge(model: EKVAE, data: Sequences) -> torch.Tensor:
    gauge = velocity_gauge(model.smooth(data.observations, data.actions).mean.flatten(0, 1), 2)
    model.change_coordinates(gauge)
    return gauge


@torch.no_grad()
def test_fixing_the_gauge_of_a_model_decorrelates_its_states() -> None:
    model, data = make_model(), make_data()
    model.change_coordinates(GAUGE)
    fix_gauge(model, data)
    states = model.smooth(data.observations, data.actions).mean.flatten(0, 1)
    assert torch.corrcoef(states.T)[2, :2].abs().max() < 1e-4
    # Done twice, it is done: the second map is the identity.
    torch.testing.assert_close(fix_gauge(model, data), torch.eye(3, dtype=torch.float64), rtol=0, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("prior", ["vhp", "normal"])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_controls_push_the_velocity_up_afterwards(prior: str, sign: float) -> None:
    model, data = make_model(prior), make_data()
    model.dynamics.control_matrices[:, 2] = -0.3 * sign
    before = model.smooth(data.observations, data.actions).mean
    turned = mirror(model, before, data.actions)
    assert turned.diagonal().tolist() == [1.0, 1.0, -sign]
    model.change_coordinates(turned)
    assert (model.dynamics.control_matrices[:, 2] > 0).all()
    after = model.smooth(data.observations, data.actions).mean
    torch.testing.assert_close(after, before @ turned)
    assert torch.equal(mirror(model, after, data.actions), torch.eye(3, dtype=torch.float64))


@torch.no_grad()
@pytest.mark.parametrize("name", ["kvae", "rssm", "dks", "dvbs", "ekvae"])
def test_of_several_velocities_each_is_turned_and_nothing_else(name: str) -> None:
    """A memory behind z has no direction."""
    torch.manual_seed(0)
    model = build(name, DataSpec((8, 8, 1), "uint8", 1, (2.0,)), {"state_size": 5, "position_size": 2})
    data = make_data()
    gauge = mirror(model, model.smooth(data.observations, data.actions).mean, data.actions)
    assert torch.equal(gauge.abs(), torch.eye(model.state_size, dtype=torch.float64))
    assert (gauge.diagonal()[:2] == 1).all() and (gauge.diagonal()[5:] == 1).all()


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_model_of_fixed_coordinates_is_told_which_way_controls_push_by_the_range(sign: float, tmp_path: Path) -> None:
    torch.manual_seed(0)
    g, data = torch.Generator().manual_seed(0), make_data()
    model = DKS(DataSpec((8, 8, 1), "uint8", 1, (2.0,)), DKSSettings(position_size=2, transition_hidden=()))
    states = torch.randn(32, 6, 3, generator=g)
    # The position moves by the velocity less 0.5, and is at rest there.
    states[..., :2] = (0.2 * (states[..., 2:] - 0.5)).cumsum(1)
    layer = model.dynamics.network[0]
    assert isinstance(layer, torch.nn.Linear)
    with torch.no_grad():
        layer.weight[2, 3] = 0.3 * sign
    trainer = SimpleNamespace(model=model, data=data)
    training = cast(Training, SimpleNamespace(model=model, data=data, folder=tmp_path, fix_gauge=True, trainer=trainer))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("latentrl.training.stages.gauge.smooth", lambda model, data: Belief(states, states))
        VelocityCoordinates().run(training)
    found = load_range(tmp_path)
    assert found.top.shape == (1,) and float(found.top.sign()) == sign
    torch.testing.assert_close(found.top.abs(), (states[..., 2] - found.rest).abs().max()[None])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_of_a_state_with_a_memory_the_range_is_that_of_z(sign: float, tmp_path: Path) -> None:
    torch.manual_seed(0)
    g, data = torch.Generator().manual_seed(0), make_data()
    settings = KVAESettings(base_matrices=1, recurrent_hidden=4, hidden=(8,), gate_hidden=(8,), prior="normal")
    model = KVAE(DataSpec((8, 8, 1), "uint8", 1, (2.0,)), settings)
    with torch.no_grad():
        model.control_matrices.copy_(sign * torch.tensor([[[0.0], [0.0], [0.3]]]))
    states = torch.randn(32, 6, model.state_size, generator=g)
    states[..., :2] = (0.2 * (states[..., 2:3] - 0.5)).cumsum(1)
    training = cast(Training, SimpleNamespace(model=model, data=data, folder=tmp_path, fix_gauge=True))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("latentrl.training.stages.gauge.smooth", lambda model, data: Belief(states, states))
        VelocityCoordinates().run(training)
    found = load_range(tmp_path)
    assert found.top.shape == (1,) and float(found.top.sign()) == sign
    torch.testing.assert_close(found.top.abs(), (states[..., 2] - found.rest).abs().max()[None])


def test_a_standard_normal_prior_has_no_free_gauge() -> None:
    model = make_model("normal")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ValueError, match="standard normal"):
        model.change_coordinates(GAUGE)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
