"""Flat latent spaces: how far a metric is from a flat one, the penalty on it, and what a little training does."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from latentrl.geometry.flatness import bentness, flatness_figures, mean_square_scale, mixup, relative_bentness
from latentrl.geometry.metric import metric_tensor
from latentrl.metrics.held_out import flatness
from latentrl.models import STATICS, build_any
from latentrl.models.capabilities import Sampled
from latentrl.models.ekvae import EKVAE, EKVAESettings
from latentrl.models.spec import DataSpec
from latentrl.models.statics.vae import VAE
from latentrl.objectives import OBJECTIVES
from latentrl.objectives.base import ObjectiveSettings
from latentrl.training.building import trainer_for
from latentrl.training.options import TrainOptions
from latentrl.training.penalties import Step
from latentrl.training.penalties.flat import BEYOND, FlatPenalty
from latentrl.training.recipes import choose
from latentrl.training.settings import TrainSettings
from latentrl.training.situation import measure
from latentrl.types import RateDistortion, Sequences
from tests.surfaces import sphere


def sheet(count: int = 256) -> Sequences:
    """A sheet that is bent and stretched: two coordinates seen by five sensors."""
    a, b = (2 * torch.rand(count, 2, generator=torch.Generator().manual_seed(0)) - 1).unbind(-1)
    seen = torch.stack((2 * a, b, (2 * a).square() / 2, (3 * b).sin() / 2, a * b), -1)
    return Sequences(seen.unsqueeze(1), torch.zeros(count, 0, 1))


DATA = sheet()
SPEC = DataSpec((5,), "float32", 1, (1.0,))


def made() -> VAE:
    torch.manual_seed(0)
    small = {"hidden": (32, 32), "prior_hidden": (16,), "samples": 4, "initial_sigma": 0.3}
    model = build_any("fm-vae", SPEC, {**asdict(STATICS["fm-vae"].settings()), **small})
    assert isinstance(model, VAE)
    return model


# -- the measure -------------------------------------------------------------------------------------------------------


def test_points_lie_on_the_line_through_both() -> None:
    one, other = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, -2.0]])
    share = torch.tensor([[0.0], [1.0], [0.25], [-0.5], [1.5]])
    expected = torch.tensor([[1.0, 2.0], [3.0, -2.0], [1.5, 1.0], [0.0, 4.0], [4.0, -4.0]])
    torch.testing.assert_close(mixup(one, other, share)[:, 0], expected)


def test_bentness_is_the_squared_distance_to_the_mean_metric_s_multiple_of_one() -> None:
    """By hand: diagonals 4, 1 and 2, 3, whose mean c^2 is 2.5; entries off it count twice."""
    metric = torch.tensor([[[4.0, 0.5], [0.5, 1.0]], [[2.0, 0.0], [0.0, 3.0]]])
    assert float(mean_square_scale(metric)) == 2.5
    by_hand = ((1.5**2 + 1.5**2 + 2 * 0.5**2) + (0.5**2 + 0.5**2)) / 2
    assert float(bentness(metric)) == pytest.approx(by_hand)
    assert float(relative_bentness(metric)) == pytest.approx(by_hand / 2.5**2)
    assert float(bentness(metric, torch.tensor(0.0))) == pytest.approx(float(metric.square().sum() / 2)), "without c^2"


def test_a_similarity_is_flat_and_units_do_not_count() -> None:
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6], [0.0, 0.0]]) * 3
    flat = metric_tensor(lambda z: z @ turn.T, torch.randn(7, 2, generator=torch.Generator().manual_seed(0)))
    assert float(relative_bentness(flat)) < 1e-10
    figures = flatness_figures(flat)
    assert figures["condition_number"] == pytest.approx(1, abs=1e-5) and figures["magnification_spread"] < 1e-6
    many = 1e-3 * torch.eye(40).expand(3, 40, 40) * torch.tensor([1.0, 1.0, 4.0 ** (2 / 40)])[:, None, None]
    assert flatness_figures(many)["magnification_spread"] == pytest.approx(3**0.5 / 2, rel=1e-4), "1, 1 and 4"
    assert "magnification_spread" not in flatness_figures(torch.zeros(3, 2, 2)), "of no volume at all there is none"
    places = torch.rand(50, 2, generator=torch.Generator().manual_seed(1)) + 0.5
    bent, scaled = metric_tensor(sphere, places), metric_tensor(lambda z: 7 * sphere(z / 30), 30 * places)
    assert float(relative_bentness(bent)) > 0.1
    torch.testing.assert_close(relative_bentness(scaled), relative_bentness(bent), rtol=1e-4, atol=0)


def test_c_squared_is_a_constant_to_the_source_s_gradient_and_none_to_the_relative_one() -> None:
    """Algorithm 4 computes it beforehand; a stretched space gains by the one, and nothing by the other."""
    metric = torch.tensor([[[4.0, 0.5], [0.5, 1.0]]])
    stretch = torch.ones((), requires_grad=True)
    (gradient,) = torch.autograd.grad(bentness(stretch * metric), stretch)
    assert float(gradient) == pytest.approx(2 * float((metric.square()).sum() - 2.5 * 5.0))
    (none,) = torch.autograd.grad(relative_bentness(stretch * metric), stretch)
    assert abs(float(none)) < 1e-5


# -- the penalty -------------------------------------------------------------------------------------------------------


def a_step(number: int, beta: float = 0.5) -> Step:
    return Step(number, torch.arange(len(DATA)), DATA, beta, len(DATA))


def sampled(model: VAE) -> Sampled:
    return model.sampled_rate_distortion(DATA, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("absolute", [False, True], ids=["relative", "source"])
def test_the_penalty_is_eta_beta_bentness_by_finite_differences(absolute: bool) -> None:
    """The Jacobian the source's way: differences along the axes, section 5.2.2.1; here in double precision."""
    model = made()
    penalty = FlatPenalty(model, 7.0, absolute)
    found, points = penalty(sampled(model), a_step(3)), penalty.points(sampled(model), a_step(3)).double().detach()
    double, small = made().double().decoder, 1e-6
    with torch.no_grad():
        moved = [(double(points + small * axis) - double(points - small * axis)) / (2 * small) for axis in torch.eye(2)]
    jacobian = torch.stack(moved, -1)
    metric = jacobian.mT @ jacobian
    square = metric.diagonal(dim1=1, dim2=2).mean()
    expected = 7.0 * 0.5 * (metric - square * torch.eye(2)).square().sum((1, 2)).mean()
    assert found is not None
    assert float(found.detach()) == pytest.approx(float(expected if absolute else expected / square**2), rel=1e-3)


@pytest.mark.parametrize("absolute", [False, True], ids=["relative", "source"])
def test_without_c_squared_the_metric_is_drawn_to_zero_and_without_mixup_frames_alone_count(absolute: bool) -> None:
    model = made()
    step = a_step(3)
    unscaled, unmixed = (FlatPenalty(model, 7.0, absolute, part) for part in ("scale", "mixup"))
    assert torch.equal(unscaled.points(sampled(model), step), FlatPenalty(model, 7.0).points(sampled(model), step))
    metric = metric_tensor(model.decode, unscaled.points(sampled(model), step))
    found = unscaled(sampled(model), step)
    assert found is not None
    expected = 7.0 * 0.5 * metric.square().sum((1, 2)).mean()
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-4)
    states = sampled(model).states
    assert states is not None
    points, frames = unmixed.points(sampled(model), step), states.flatten(0, 1)
    apart = (points.unsqueeze(1) - frames).abs().amax(-1)
    assert apart.min(1).values.max() == 0, "every point is a frame's"


def test_shares_cover_their_range_evenly_and_pairs_are_of_different_frames() -> None:
    """On a line, where a point tells its share: z_i are 0 and 1 in turn."""
    model = made()
    penalty = FlatPenalty(model, 1.0)
    positions = torch.zeros(200, 1, 2)
    positions[100:] = 1.0
    nothing = RateDistortion(*torch.zeros(3, 200))

    def places(number: int) -> Tensor:
        return penalty.points(Sampled(nothing, None, positions), replace(a_step(number), batch=DATA[:200]))[:, 0]

    first = places(1)
    assert len(first) == 100 and not torch.equal(first, places(2)) and torch.equal(first, places(1))
    many = torch.cat([places(number) for number in range(1, 101)])
    assert -BEYOND <= many.min() < -0.9 * BEYOND and 1 + 0.9 * BEYOND < many.max() <= 1 + BEYOND
    counts = torch.histc(many, 14, -BEYOND, 1 + BEYOND)
    assert (counts - len(many) / 14).abs().max() < 0.05 * len(many) / 14


# -- what it does ------------------------------------------------------------------------------------------------------

STEPS = 200


@pytest.fixture(scope="module")
def trained() -> Iterator[dict[str, VAE]]:
    """The same model, data, seed and steps, with the penalty and without."""
    rates = dict.fromkeys(TrainSettings().learning_rates, 3e-3)
    found = {}
    for name, weight in (("vhp-vae", 0.0), ("fm-vae", 300.0)):
        settings = TrainSettings(steps=STEPS, batch=64, sigma_hold=0, alignment=0.0, learning_rates=rates, flat=weight)
        objective = OBJECTIVES["rewo"](ObjectiveSettings(0.15**2, 10, frames=True))
        trainer = trainer_for(made(), objective, DATA, settings, seed=0, loosen=False)
        for _ in range(STEPS):
            trainer.advance()
        assert isinstance(trainer.model, VAE)
        found[name] = trainer.model
    yield found


@torch.no_grad()
def test_the_latent_space_becomes_flat_on_the_data_and_between_it(trained: dict[str, VAE]) -> None:
    figures, errors = {}, {}
    for name, model in trained.items():
        places = model.encode(DATA.observations[:, 0]).mean
        share = torch.rand(len(places), generator=torch.Generator().manual_seed(2))
        between = mixup(places, places.flip(0), share)
        figures[name] = flatness_figures(metric_tensor(model.decode, torch.cat((places, between))))
        errors[name] = float(model.squared_error(places, DATA.observations[:, 0]).mean())
    bent, flat = figures["vhp-vae"], figures["fm-vae"]
    assert math.log(flat["condition_number"]) < 0.5 * math.log(bent["condition_number"]), figures
    assert flat["magnification_spread"] < 0.6 * bent["magnification_spread"], figures
    assert errors["fm-vae"] < 0.15**2, "and pictures are drawn as well as the constraint asks"


@torch.no_grad()
def test_how_flat_positions_lie_is_that_of_the_decoder_where_held_out_frames_are() -> None:
    torch.manual_seed(0)
    settings = EKVAESettings(base_matrices=2, hidden=(16,), gate_hidden=(8,))
    model = EKVAE(DataSpec((8, 8, 1), "uint8", 1, (2.0,)), settings)
    frames = torch.randint(256, (2, 3, 8, 8, 1), dtype=torch.uint8)
    data = Sequences(frames, torch.zeros(2, 2, 1))
    places = model.encode(frames).mean.flatten(0, 1)
    jacobians = [torch.autograd.functional.jacobian(model.decode, one).flatten(0, -2) for one in places]
    sides = torch.stack([torch.linalg.svdvals(one) for one in jacobians])
    volumes = sides.prod(-1)
    assert flatness(model, data) == {
        "condition_number": pytest.approx(float((sides[:, 0] / sides[:, 1]).square().median()), rel=1e-3),
        "magnification_spread": pytest.approx(float(volumes.std() / volumes.mean()), rel=1e-3),
    }


# -- who has it --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "recipe", "given", "expected"),
    [
        ("fm-vae", "latentrl", None, (300.0, False)),
        ("fm-vae", "source", None, (8000.0, True)),
        ("fm-vae", "latentrl", 0.0, (0.0, False)),
        ("vhp-vae", "latentrl", None, (0.0, False)),
        ("ekvae", "latentrl", None, (0.0, False)),
        ("ekvae", "latentrl", 5.0, (5.0, False)),
    ],
)
def test_who_is_trained_flat(
    model: str, recipe: str, given: float | None, expected: tuple[float, bool], tmp_path: Path
) -> None:
    data = DATA if model in STATICS else Sequences(DATA.observations.view(64, 4, 5), torch.zeros(64, 3, 1))
    options = TrainOptions(data=tmp_path, model=model, recipe=recipe, flat=given, device="cpu", progress=False)  # type: ignore[arg-type]
    settings = choose(measure(options, data)).settings
    assert (settings.flat, settings.flat_absolute) == expected
