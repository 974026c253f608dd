"""The measures of imagined sequences against distributions whose answers are known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from latentrl.metrics.generation import FIRST_STATES, energy_distance, generation_metrics, imagine, off_manifold
from latentrl.models import MODELS, build
from latentrl.models.base import WorldModel
from latentrl.models.ekvae import EKVAE
from latentrl.models.spec import DataSpec
from latentrl.numerics.distributions import PixelGaussian
from latentrl.types import Belief, Sequences

SHAPE = (4, 4, 1)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ring(count: int, seed: int, radius: float = 1.0, thickness: float = 0.05) -> Tensor:
    """A ring in the plane with a velocity upright: the barrel of Figure 4.2."""
    g = seeded(seed)
    angle = 2 * math.pi * torch.rand(count, generator=g)
    r = radius + thickness * torch.randn(count, generator=g)
    return torch.stack((r * angle.cos(), r * angle.sin(), 0.1 * torch.randn(count, generator=g)), 1)


@pytest.mark.parametrize("seed", range(3))
def test_points_of_the_same_distribution_are_off_as_often_as_the_quantile_says(seed: int) -> None:
    found = off_manifold(ring(2000, 10 + seed), ring(500, 20 + seed), seeded(seed))
    assert 0.002 < found.value < 0.03
    assert found.low <= found.value <= found.high


def test_points_inside_the_ring_are_off_though_they_lie_within_its_hull() -> None:
    """Most of them: where the data are thin, far above and below the ring, the balls are wide and take some in."""
    assert off_manifold(ring(1000, 1, radius=0.3), ring(500, 2), seeded()).value > 0.9
    assert off_manifold(ring(1000, 1, radius=1.5), ring(500, 2), seeded()).value > 0.85
    assert off_manifold(ring(1000, 1, radius=1.0), ring(500, 2), seeded()).value < 0.03


def test_a_mixture_is_off_by_the_share_of_its_strangers() -> None:
    mixed = torch.cat((ring(700, 1), ring(300, 2, radius=4.0)))
    found = off_manifold(mixed, ring(500, 3), seeded())
    assert found.value == pytest.approx(0.3, abs=0.03)
    # The interval of a share of 1000 points: 0.3 +- 1.96 sqrt(0.3 * 0.7 / 1000).
    assert found.high - found.low == pytest.approx(2 * 1.96 * math.sqrt(0.21 / 1000), rel=0.25)


def test_units_do_not_matter() -> None:
    generated, real = torch.cat((ring(300, 1), ring(300, 2, radius=0.5))), ring(400, 3)
    plain = off_manifold(generated, real, seeded())
    mixing = torch.tensor([[100.0, 3.0, 0.0], [0.0, 0.01, 0.0], [5.0, 0.0, 2.0]])
    changed = off_manifold(generated @ mixing + 7, real @ mixing + 7, seeded())
    assert changed.value == pytest.approx(plain.value, abs=0.005)


def test_what_is_not_finite_is_off_and_too_little_data_is_refused() -> None:
    broken = ring(100, 1)
    broken[:50, 0] = torch.nan
    assert off_manifold(broken, ring(400, 2), seeded()).value >= 0.5
    with pytest.raises(ValueError, match="12 real states"):
        off_manifold(ring(100, 1), ring(11, 2), seeded())


def test_one_latent_dimension_is_enough() -> None:
    real, same = torch.randn(400, 1, generator=seeded(0)), torch.randn(400, 1, generator=seeded(1))
    assert off_manifold(same, real, seeded()).value < 0.04
    assert off_manifold(same + 20, real, seeded()).value == 1.0


def brute_force(x: Tensor, y: Tensor) -> float:
    def mean(a: Tensor, b: Tensor, same: bool) -> float:
        found = [float((p - q).norm()) for i, p in enumerate(a) for j, q in enumerate(b) if not (same and i == j)]
        return sum(found) / len(found)

    across = 2 * mean(x, y, False)
    return (across - mean(x, x, True) - mean(y, y, True)) / across


def test_energy_distance_equals_its_definition() -> None:
    x, y = torch.randn(9, 3, 2, generator=seeded(0)), 0.5 + torch.randn(12, 3, 2, generator=seeded(1))
    found = energy_distance(x, y, seeded())
    assert found.value == pytest.approx(brute_force(x.flatten(1).double(), y.flatten(1).double()), abs=1e-9)


def test_energy_distance_of_equals_is_zero_within_its_interval_and_of_strangers_is_not() -> None:
    x, y = (torch.randn(300, 4, 5, generator=seeded(s)) for s in (0, 1))
    same = energy_distance(x, y, seeded())
    assert same.low < 0 < same.high and abs(same.value) < 0.01
    walks = torch.cumsum(x, 1), torch.cumsum(y, 1)
    assert energy_distance(*walks, seeded()).low < 0
    assert energy_distance(walks[0], walks[1].flip(1), seeded()).low > 0, "the order in time counts"
    assert energy_distance(x, y + 100, seeded()).value > 0.95


def test_a_sequence_that_is_not_finite_is_as_far_off_as_can_be() -> None:
    x = torch.zeros(20, 3, 2)
    assert energy_distance(torch.where(torch.eye(20, 3).bool().unsqueeze(-1), torch.inf, x), x, seeded()).value == 1.0


def make_model(name: str = "ekvae") -> WorldModel:
    torch.manual_seed(0)
    return build(name, DataSpec(SHAPE, "uint8", 2, (2.0, 3.0)), {}).requires_grad_(False)


def make_data(count: int = 30, length: int = 5) -> Sequences:
    g = seeded(3)
    observations = torch.randint(0, 256, (count, length, *SHAPE), dtype=torch.uint8, generator=g)
    return Sequences(observations, torch.randn(count, length - 1, 2, generator=g))


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_model_imagines_and_is_measured(name: str) -> None:
    model, data = make_model(name), make_data()
    states = imagine(model, data.actions, seeded())
    assert states.shape == (30, 5, model.state_size) and states.isfinite().all()
    figures = generation_metrics(model, data, seeded())
    assert figures == generation_metrics(model, data, seeded()), "the generator settles everything"
    for key in ("generated_off_manifold", "generated_energy_distance"):
        assert figures[f"{key}_low"] <= figures[f"{key}_high"] and math.isfinite(figures[key])
    assert 0 <= figures["generated_off_manifold"] <= 1


def test_many_frames_are_drawn_a_step_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    model, data = make_model(), make_data()
    assert isinstance(model, EKVAE)
    # Noise that is drawn in another order would otherwise be other noise.
    model.log_sigma.fill_(-20.0)
    whole, emission, shapes = generation_metrics(model, data, seeded()), model.emission, []

    def counted(states: Tensor) -> PixelGaussian:
        shapes.append(states.shape)
        return emission(states)

    monkeypatch.setattr(model, "emission", counted)
    monkeypatch.setattr("latentrl.metrics.generation.PIECE", 30 * 5 * 16 - 1)
    assert generation_metrics(model, data, seeded()) == pytest.approx(whole, rel=1e-4, abs=1e-6)
    assert shapes == [(30, 3)] * 5


def test_without_sampling_states_follow_the_mean() -> None:
    model, actions = make_model(), make_data().actions
    states = imagine(model, actions, seeded(), sample=False)
    torch.testing.assert_close(states[:, 3], model.transition(states[:, 2], actions[:, 2]).mean)
    assert torch.equal(states[:, 0], model.initial_states(30, seeded()))
    assert not torch.equal(states[:, 3], imagine(model, actions, seeded(), sample=True)[:, 3])


def test_a_model_whose_prior_is_its_posterior_has_nothing_off_the_manifold(monkeypatch: pytest.MonkeyPatch) -> None:
    model, data = make_model(), make_data(400, 3)

    def beliefs(seed: int, count: int) -> Tensor:
        return ring(count, seed)

    covariance = torch.eye(3).mul(1e-8).expand(400, 3, 3, 3)
    smoothed = Belief(beliefs(1, 400).unsqueeze(1).expand(-1, 3, -1), covariance)
    monkeypatch.setattr(type(model), "smooth", lambda *_: smoothed)
    for radius, low, high in ((1.0, 0.0, 0.03), (4.0, 0.99, 1.0)):
        drawn = ring(FIRST_STATES, 2, radius)
        monkeypatch.setattr(type(model), "initial_states", lambda _, count, g, drawn=drawn: drawn[:count])
        assert low <= generation_metrics(model, data, seeded())["generated_off_manifold"] <= high
