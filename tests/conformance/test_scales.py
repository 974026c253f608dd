"""Every model that may see standardised observations takes the same ones, whatever the sensor's unit or the page."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch
from torch import Tensor

from latentrl.models import MODELS, build
from latentrl.models.base import WorldModel
from latentrl.models.scaled import ScaledObservations
from latentrl.models.spec import DataSpec
from latentrl.types import Sequences

NAMES = sorted(name for name, entry in MODELS.items() if entry.has_setting("standardise"))
UNITS, AWAY = (1.0, 0.05, 2000.0), (0.0, 3.0, -500.0)


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _made(name: str, spec: DataSpec, data: Sequences, each_reading: bool) -> WorldModel:
    torch.manual_seed(0)
    changes = {"standardise": True, "each_reading": each_reading, "state_size": 3, "position_size": 2}
    model = build(name, spec, {**asdict(MODELS[name].settings()), **changes})
    model.prepare(data)
    model.eval()
    assert isinstance(model, ScaledObservations)
    with torch.no_grad():
        model.log_sigma.copy_((0.3 * model.error_unit()).log())
    return model


def _readings(units: Tensor, away: Tensor) -> Sequences:
    generator = torch.Generator().manual_seed(0)
    phase = 6.28 * torch.rand(40, 1, 1, generator=generator) + 0.4 * torch.arange(12).view(1, -1, 1)
    waves = (phase * torch.tensor([1.0, 2.0, 1.5])).sin()
    return Sequences(away + units * waves, torch.randn(40, 11, 1, generator=generator))


def _told(name: str, data: Sequences, each_reading: bool) -> tuple[WorldModel, dict[str, Tensor]]:
    shape = tuple(data.observations.shape[2:])
    kind = str(data.observations.dtype).removeprefix("torch.")
    model = _made(name, DataSpec(shape, kind, 1, (1.0,)), data, each_reading)
    some, actions = data.observations[:4], data.actions[:4]
    terms = model.rate_distortion(Sequences(some, actions), torch.Generator().manual_seed(1))
    sum(term.sum() for term in terms[:2]).backward()  # type: ignore[union-attr]
    gradient = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    with torch.no_grad():
        smoothed = model.smooth(some, actions).mean
        filtered = model.filter(model.initial_belief(some[:, 0]), actions[:, 0], some[:, 1]).mean
        goal = model.encode_goal(some[0, 0])
        drawn = model.emission(smoothed.float()).mean
    found = {"rate": terms.rate, "smoothed": smoothed, "filtered": filtered, "goal": goal, "gradient": gradient}
    return model, {
        key: value.detach() for key, value in {**found, "distortion": terms.distortion, "drawn": drawn}.items()
    }


def _compare(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    for key in ("rate", "smoothed", "filtered", "goal"):
        assert torch.allclose(one[key], other[key], rtol=2e-3, atol=2e-3), key
    size = one["gradient"].abs().max()
    torch.testing.assert_close(one["gradient"] / size, other["gradient"] / size, rtol=0, atol=2e-3)


def test_readings_in_units_of_their_own_change_nothing_but_the_units(name: str) -> None:
    ones, units, away = torch.ones(3), torch.tensor(UNITS), torch.tensor(AWAY)
    _, plain = _told(name, _readings(ones, torch.zeros(3)), each_reading=True)
    _, scaled = _told(name, _readings(units, away), each_reading=True)
    _compare(plain, scaled)
    torch.testing.assert_close((scaled["drawn"] - away) / units, plain["drawn"], rtol=2e-3, atol=2e-3)
    # A density of readings in other units is that over the units.
    more = 12 * units.log().sum()
    torch.testing.assert_close(scaled["distortion"] - more, plain["distortion"], rtol=1e-3, atol=0.05)


def test_one_unit_for_all_and_an_offset_change_nothing_but_the_unit(name: str) -> None:
    ones = torch.ones(3)
    _, plain = _told(name, _readings(ones, torch.zeros(3)), each_reading=False)
    _, scaled = _told(name, _readings(200 * ones, torch.tensor(AWAY)), each_reading=False)
    _compare(plain, scaled)
    torch.testing.assert_close((scaled["drawn"] - torch.tensor(AWAY)) / 200, plain["drawn"], rtol=2e-3, atol=2e-3)


def test_a_page_behind_the_pictures_is_not_seen(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    dark = torch.randint(0, 100, (40, 6, 8, 8, 1), dtype=torch.uint8, generator=generator)
    actions = torch.randn(40, 5, 1, generator=generator)
    _, plain = _told(name, Sequences(dark, actions), each_reading=False)
    _, bright = _told(name, Sequences(dark + 150, actions), each_reading=False)
    _compare(plain, bright)
    torch.testing.assert_close(bright["drawn"] - 150 / 255, plain["drawn"], rtol=2e-3, atol=2e-3)
    torch.testing.assert_close(bright["distortion"], plain["distortion"], rtol=1e-3, atol=0.05)


@torch.no_grad()
def test_the_distortion_is_the_likelihood_of_what_is_drawn(name: str) -> None:
    data = _readings(torch.tensor(UNITS), torch.tensor(AWAY))
    model = _made(name, DataSpec((3,), "float32", 1, (1.0,)), data, each_reading=True)
    assert isinstance(model, ScaledObservations)
    mean = model.emission(model.smooth(data.observations, data.actions).mean.float()).mean
    expected = -model.around(mean).log_prob(data.observations)
    torch.testing.assert_close(
        model.distortion(model.mean_error(mean, data.observations)), expected, rtol=1e-4, atol=1e-3
    )
    assert model.around(mean).sigma.shape == (3,)
