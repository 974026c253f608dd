"""What a training failed at: folds, motion that is not learned and bounds that are not met, on cases made for it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from latentrl.metrics.failures import (
    LEAST_TOLD,
    MOST_UNDRAWN,
    MOST_UNTOLD,
    MOST_UNTOLD_MOTION,
    READING,
    constraint_failures,
    failures,
    told_displacement,
    untold_motion,
    untold_share,
)


def swinging(count: int = 100, length: int = 20, seed: int = 0) -> Tensor:
    """Angles ``[count, length]`` of turning things."""
    g = torch.Generator().manual_seed(seed)
    first, speed = 2 * math.pi * torch.rand(count, 1, generator=g), 0.3 * torch.randn(count, 1, generator=g)
    return first + speed * torch.arange(length)


def looks(angle: Tensor, noise: float, seed: int = 1, harmonics: int = 4) -> Tensor:
    """Pictures ``[N, T, 60]``, bent: as many harmonics of the angle, each weaker than the one before."""
    g = torch.Generator().manual_seed(seed)
    waves = [part / k for k in range(1, harmonics + 1) for part in ((k * angle).cos(), (k * angle).sin())]
    drawn = torch.stack(waves, -1) @ torch.linalg.qr(torch.randn(60, 60, generator=g)).Q[: 2 * harmonics]
    return drawn + noise * torch.randn(drawn.shape, generator=g)


def ring(angle: Tensor) -> Tensor:
    return torch.stack((angle.cos(), angle.sin()), -1)


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_positions_that_tell_all_of_a_picture_leave_nothing_untold_however_they_are_bent(noise: float) -> None:
    angle = swinging()
    for positions in (ring(angle), ring(angle) @ torch.tensor([[3.0, 0.5], [0.0, 0.2]]), ring(angle).sinh()):
        assert untold_share(positions, looks(angle, noise)) < 0.5 * MOST_UNTOLD
    jitter = 0.05 * torch.randn(*angle.shape, 2, generator=torch.Generator().manual_seed(2))
    assert untold_share(ring(angle) + jitter, looks(angle, noise)) < 0.5 * MOST_UNTOLD


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_a_fold_leaves_what_tells_its_halves_apart_untold(noise: float) -> None:
    angle = swinging()
    folded = torch.stack((angle.cos(), angle.sin().abs()), -1)
    assert untold_share(folded, looks(angle, noise)) > 2 * MOST_UNTOLD
    anywhere = torch.randn(*angle.shape, 2, generator=torch.Generator().manual_seed(2))
    assert untold_share(anywhere, looks(angle, noise)) > 0.9


def test_a_small_thing_on_a_large_one_may_not_be_folded_either() -> None:
    """A pole on a cart: most of the picture is the cart, and left and right of the pole look alike to the encoder."""
    angle = swinging()
    place = swinging(seed=3).sin()
    picture = torch.cat((3 * torch.stack((place, (3 * place).sin()), -1), 0.7 * looks(angle, 0.05)), -1)
    whole = torch.cat((place.unsqueeze(-1), ring(angle)), -1)
    folded = torch.stack((place, angle.cos(), angle.sin().abs()), -1)
    assert untold_share(whole, picture) < 0.5 * MOST_UNTOLD
    assert untold_share(folded, picture) > 2 * MOST_UNTOLD


def test_displacements_are_told_by_exact_predictions_and_not_by_none() -> None:
    positions = torch.randn(7, 6, 2, generator=torch.Generator().manual_seed(0))
    assert told_displacement(positions[:, 1:], positions) == 1.0
    assert told_displacement(positions[:, :1].expand(-1, 5, -1), positions) == pytest.approx(0.0)
    half = positions[:, :1] + 0.5 * (positions[:, 1:] - positions[:, :1])
    assert told_displacement(half, positions) == pytest.approx(0.75)


def turning(noise: float = 0.0, keeps: float = 1.0, push: float = 0.1) -> tuple[Tensor, Tensor, Tensor]:
    """Two things that move: positions and speeds ``[300, 20, 2]``, and what pushed them, held for five steps."""
    g = torch.Generator().manual_seed(0)
    pushes = push * torch.randn(300, 4, 2, generator=g).repeat_interleave(5, 1)[:, :19]
    speeds = [0.3 * torch.randn(300, 2, generator=g)]
    for t in range(19):
        speeds.append(keeps * speeds[-1] + pushes[:, t])
    speed = torch.stack(speeds, 1)
    place = 20 * torch.randn(300, 1, 2, generator=g) + speed.cumsum(1)
    return place + noise * torch.randn(place.shape, generator=g), speed, pushes


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_a_velocity_in_any_coordinates_leaves_no_motion_untold(noise: float) -> None:
    """Errors of the positions that are larger than a step are no motion."""
    place, speed, pushes = turning(noise)
    mixed = speed @ torch.tensor([[2.0, 0.3], [-1.0, 0.5]])
    assert untold_motion(torch.cat((place, mixed), -1), pushes, 2) < 0.25 * MOST_UNTOLD_MOTION


def test_around_a_ring_one_velocity_tells_both_positions() -> None:
    place, speed, pushes = turning(push=0.0)
    angle, velocity = place[..., 0] / 3, speed[..., :1] / 3
    nothing = torch.randn(velocity.shape, generator=torch.Generator().manual_seed(1))
    assert untold_motion(torch.cat((ring(angle), velocity), -1), pushes, 2) < 0.1 * MOST_UNTOLD_MOTION
    assert untold_motion(torch.cat((ring(angle), nothing), -1), pushes, 2) > 2 * MOST_UNTOLD_MOTION


@pytest.mark.parametrize("keeps", [1.0, 0.5])
def test_a_velocity_that_no_dimension_tells_is_missed(keeps: float) -> None:
    """However well the other one is told, whatever stands in its place, and however well held actions foresee it."""
    place, speed, pushes = turning(keeps=keeps)
    nothing = torch.randn(speed.shape, generator=torch.Generator().manual_seed(1))
    for velocity in (torch.stack((speed[..., 0], nothing[..., 0]), -1), torch.zeros_like(speed), nothing):
        assert untold_motion(torch.cat((place, velocity), -1), pushes, 2) > 1.2 * MOST_UNTOLD_MOTION


def test_actions_that_set_the_speed_leave_nothing_to_remember() -> None:
    place, speed, pushes = turning(keeps=0.0)
    nothing = torch.randn(speed.shape, generator=torch.Generator().manual_seed(1))
    assert untold_motion(torch.cat((place, nothing), -1)[:, 1:], pushes[:, 1:], 2) < 0.1 * MOST_UNTOLD_MOTION
    # Not asked about actions, it would miss what they hold.
    assert untold_motion(torch.cat((place, nothing), -1), torch.zeros_like(pushes), 2) > 2 * MOST_UNTOLD_MOTION


def test_what_does_not_move_or_is_too_little_to_tell_misses_nothing() -> None:
    place, speed, pushes = turning()
    lost = torch.cat((place, torch.zeros_like(speed)), -1)
    assert untold_motion(lost, pushes, 2) > MOST_UNTOLD_MOTION
    for states, actions in ((lost[:, :3], pushes[:, :2]), (lost[:5], pushes[:5]), (torch.ones(300, 20, 4), pushes)):
        assert untold_motion(states, actions, 2) == 0


def test_states_that_are_no_numbers_tell_no_motion() -> None:
    place, speed, pushes = turning()
    states = torch.cat((place, speed), -1)
    states[2, 3, 1] = torch.nan
    assert untold_motion(states, pushes, 2) == 1


GOOD = {
    "untold_share": 0.02,
    "undrawn_share": 0.03,
    "told_displacement": 0.98,
    "untold_motion": 0.0,
    "mse_predict_near": 1e-3,
    "mse_still_near": 5e-2,
}


def test_good_figures_and_missing_ones_say_nothing() -> None:
    assert failures({**GOOD, "mse_mean_near": 3e-2}) == failures({}) == []


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        ({"untold_share": MOST_UNTOLD + 0.1}, "share a position"),
        ({"told_displacement": LEAST_TOLD - 0.1}, "motion is hardly learned"),
        ({"told_displacement": -4.0}, " 0% is foreseen"),
        ({"untold_motion": MOST_UNTOLD_MOTION + 0.1}, "how it moves: of the motion that lasts 30%"),
        ({"undrawn_share": MOST_UNDRAWN + 0.1}, "does not draw 20% of what varies"),
        ({"mse_still_near": 5e-4}, "nothing moves"),
        ({"mse_mean_near": 5e-4}, "the mean observation"),
    ],
)
def test_each_failure_is_said_alone(bad: dict[str, float], word: str) -> None:
    (said,) = failures({**GOOD, **bad})
    assert word in said and "try" in said


def test_where_readings_count_by_their_deviation_they_alone_are_warned_by() -> None:
    scaled = {"scaled_predict_near": 0.1, "scaled_still_near": 0.5, "scaled_mean_near": 1.0}
    assert failures({**GOOD, "mse_still_near": 5e-4, **scaled}) == []
    (said,) = failures({**GOOD, **scaled, "scaled_predict_near": 0.8})
    assert "an error of 0.8 (each reading by its own deviation), where that has 0.5" in said and "nothing moves" in said


def test_a_bound_that_is_not_met_is_said_with_its_cure() -> None:
    assert constraint_failures(1.1e-3, 1e-3, began=True) == constraint_failures(9.0, math.nan, began=True) == []
    (said,) = constraint_failures(4e-3, 1e-3, began=True)
    assert "was not met" in said and "--kappa than 0.032" in said
    assert "mean squared error" in said and "kappa squared" in said
    assert "pixel" in said and "reading" not in said
    (said,) = constraint_failures(4e-3, 1e-3, began=True, of_what=READING)
    assert "a reading (in its unit)" in said and "pixel" not in said
    (said,) = constraint_failures(4e-3, 1e-3, began=False)
    assert "never met" in said and "dynamics were not trained" in said


def test_what_is_not_drawn_has_cures_of_what_is_observed_and_of_the_model() -> None:
    bad = {"undrawn_share": 0.38}
    (of_readings,) = failures(bad)
    assert "--state-size" in of_readings and "--crop" not in of_readings
    (of_pictures,) = failures({**bad, "mse_mean_image": 0.01})
    assert "--crop and --pixels of collect" in of_pictures and "--state-size" in of_pictures
    (of_frames,) = failures({**bad, "mse_mean_image": 0.01, "test_bound": 3.0})
    assert "--position-size" in of_frames and "--state-size" not in of_frames
    for lean, one in ((True, failures({**bad, "mse_mean_image": 0.01}, lean=True)[0]), (False, of_pictures)):
        assert ("--network lean" in one) == lean


def test_an_error_that_the_user_allowed_is_no_failure() -> None:
    """A kappa of 0.06 on a variance of 0.01 allows 36% of it."""
    for yardstick in ("mse_mean_image", "mse_mean_observation"):
        figures = {"undrawn_share": 0.3, yardstick: 0.01}
        assert failures(figures, kappa=0.06) == []
        assert len(failures(figures, kappa=0.03)) == len(failures(figures)) == 1
        assert len(failures({**figures, "undrawn_share": 0.4}, kappa=0.06)) == 1


def test_a_model_that_knows_no_standardised_observations_is_not_told_to_try_them() -> None:
    bad = {**GOOD, "untold_share": MOST_UNTOLD + 0.1, "undrawn_share": MOST_UNDRAWN + 0.1}
    for able in (True, False):
        said = [*failures(bad, able), *constraint_failures(4e-3, 1e-3, True, able)]
        assert len(said) == 3 and all(("--standardise" in one) == able for one in said)
