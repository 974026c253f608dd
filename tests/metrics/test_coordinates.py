"""R^2 by coordinates: of numbers whose share is known, and of an arm, through sensors and pictures that tell it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from latentrl.envs.coordinates import Coordinate, Kind
from latentrl.metrics.coordinates import coordinate_r2
from latentrl.metrics.held_out import held_out_figures
from latentrl.metrics.prediction import predict_images
from latentrl.models.ekvae import EKVAE, EKVAESettings
from latentrl.models.spec import DataSpec
from latentrl.types import Belief, Sequences


def arm(shoulder: Kind) -> tuple[Coordinate, ...]:
    """An arm of two joints, of which the first turns freely: sensors count its turns, a camera does not."""
    return (
        Coordinate("shoulder", shoulder, "angles", 0),
        Coordinate("wrist", "line", "angles", 1),
        Coordinate("shoulder_velocity", "velocity", "velocities", 0, "rad/s"),
        Coordinate("wrist_velocity", "velocity", "velocities", 1, "rad/s"),
    )


SENSED, FILMED = arm("line"), arm("angle")


def evaluate(
    model: EKVAE, data: Sequences, truth: dict[str, np.ndarray], coordinates: tuple[Coordinate, ...] = FILMED
) -> dict[str, float]:
    return held_out_figures(model, data, truth, coordinates, seed=3)


def test_the_kind_of_a_coordinate_decides_how_it_is_judged() -> None:
    rng = np.random.default_rng(0)
    turned = rng.uniform(-20, 20, (20, 6))
    truth, circle = {"turned": turned}, torch.from_numpy(np.stack((np.cos(turned), np.sin(turned)), -1))
    straight = torch.from_numpy(turned[..., None])

    def found(latents: Tensor, kind: Kind) -> float:
        return coordinate_r2(latents, 1, truth, [Coordinate("turned", kind, "turned")])["r2_turned"]

    assert found(circle, "angle") == pytest.approx(1) and found(circle, "line") < 0.2
    assert found(straight, "line") == pytest.approx(1) and found(straight, "angle") < 0.2


def test_each_kind_is_also_judged_by_its_own_part_of_the_state_and_velocities_by_neighbours() -> None:
    rng = np.random.default_rng(0)
    place, speed = rng.normal(size=(2, 40, 8))
    # The first dimension is the position, the second the velocity: of a cart, whose numbers come one by one.
    truth = {"place": place, "speed": speed}
    cart = (Coordinate("place", "line", "place", unit="m"), Coordinate("speed", "velocity", "speed", unit="m/s"))
    figures = coordinate_r2(torch.from_numpy(np.stack((place, speed), -1)), 1, truth, cart)
    assert figures == pytest.approx(
        {
            "r2_place": 1,
            "r2_speed": 1,
            "r2_speed_neighbours": 1,
            "r2_speed_from_velocity_dims": 1,
            "r2_place_from_position_dims": 1,
        },
        abs=0.1,
    )
    swapped = coordinate_r2(torch.from_numpy(np.stack((speed, place), -1)), 1, truth, cart)
    assert min(swapped["r2_place"], swapped["r2_speed"]) == pytest.approx(1)
    assert max(swapped["r2_place_from_position_dims"], swapped["r2_speed_from_velocity_dims"]) < 0.1
    # Without velocity dimensions nothing is left that could tell it.
    whole = coordinate_r2(torch.from_numpy(np.stack((place, speed), -1)), 2, truth, cart)
    assert whole["r2_speed_from_velocity_dims"] == pytest.approx(0, abs=1e-9)
    assert whole["r2_place_from_position_dims"] == whole["r2_place"]


def test_what_was_not_recorded_is_left_out_and_what_is_no_number_a_step_is_refused() -> None:
    latents, truth = torch.randn(5, 4, 3), {"angles": np.random.default_rng(0).normal(size=(5, 4, 2))}
    found = {"r2_shoulder", "r2_wrist", "r2_shoulder_from_position_dims", "r2_wrist_from_position_dims"}
    assert coordinate_r2(latents, 2, truth, SENSED).keys() == found
    assert coordinate_r2(latents, 2, truth, ()) == {}
    with pytest.raises(ValueError, match=r"coordinate pose: 'angles' holds \(5, 4, 2\)"):
        coordinate_r2(latents, 2, truth, [Coordinate("pose", "line", "angles")])


class Arm(EKVAE):
    """Its state is what it sees, its emission gives it back: only what two angles do not tell can be wrong."""

    def smooth(self, observations: Tensor, actions: Tensor, missing: Tensor | None = None) -> Belief:
        return Belief(observations.double(), torch.zeros(*observations.shape, 2).double() + 1e-12 * torch.eye(2))

    @property
    def latent_size(self) -> int:
        return 2

    def decode(self, positions: Tensor) -> Tensor:
        return positions


def test_joints_are_measured_one_by_one() -> None:
    rng = np.random.default_rng(0)
    angles = rng.normal(size=(30, 7, 2)).cumsum(1)
    velocities = np.stack((3 * angles[..., 0] - angles[..., 1], rng.normal(size=(30, 7))), -1)
    torch.manual_seed(0)
    model = EKVAE(
        DataSpec((2,), "float32", 2, (1.0, 1.0)),
        EKVAESettings(state_size=2, position_size=2, base_matrices=2, hidden=(16,), gate_hidden=(8,)),
    )
    model.__class__ = Arm
    data = Sequences(torch.from_numpy(angles).float(), torch.zeros(30, 6, 2))
    truth = {"angles": angles, "velocities": velocities, "clean": angles}
    figures = evaluate(model, data, truth, SENSED)
    assert [figures[name] for name in ("r2_shoulder", "r2_wrist", "r2_shoulder_velocity")] == pytest.approx([1, 1, 1])
    assert figures["r2_wrist_velocity"] < 0.1
    assert figures["mse_reconstruction"] < 1e-12 < figures["mse_predict_mean"]
    assert min(figures["r2_shoulder_velocity_neighbours"], 1 - figures["r2_wrist_velocity_neighbours"]) > 0.8
    assert figures["mse_mean_observation"] == pytest.approx(((angles - angles.mean((0, 1))) ** 2).mean(), rel=1e-4)


def make_arm(count: int = 40, length: int = 8) -> dict[str, np.ndarray]:
    """Random walks of both joints; the shoulder turns several times, the velocities are of their own."""
    rng = np.random.default_rng(0)
    return {
        "angles": rng.uniform(-2, 2, (count, 1, 2)) + rng.normal(size=(count, length, 2)).cumsum(1) * (3.0, 0.3),
        "velocities": rng.normal(size=(count, length, 2)),
    }


def picture(values: np.ndarray) -> np.ndarray:
    """Numbers ``[..., 5]`` within +-64 as pictures ``[..., 4, 4, 3]``: three bytes of each, in the first pixels."""
    fixed = np.round((values + 64) * 2**17).astype(np.int64)
    digits = np.stack([fixed // 256**k % 256 for k in range(3)], -1).reshape(*values.shape[:-1], 15)
    padded = np.concatenate((digits, np.full((*values.shape[:-1], 33), 100)), -1)
    return padded.reshape(*values.shape[:-1], 4, 4, 3).astype(np.uint8)


class Reading(EKVAE):
    """Reads the numbers off :func:`picture` and gives them back in another basis."""

    basis: Tensor

    def smooth(self, observations: Tensor, actions: Tensor, missing: Tensor | None = None) -> Belief:
        digits = observations.flatten(2)[..., :15].double().unflatten(-1, (5, 3))
        values = (digits @ torch.tensor([1.0, 256.0, 65536.0]).double()) / 2**17 - 64
        mean = values @ self.basis
        return Belief(mean, 1e-6 * torch.eye(5, dtype=torch.float64).expand(*mean.shape, 5))


def make_model(base: type[EKVAE]) -> EKVAE:
    torch.manual_seed(0)
    settings = EKVAESettings(state_size=5, position_size=3, base_matrices=2, hidden=(16,), gate_hidden=(8,))
    model = EKVAE(DataSpec((4, 4, 3), "uint8", 2, (1.0, 1.0)), settings)
    model.__class__ = base
    return model


def in_pictures(truth: dict[str, np.ndarray], share: float = 1.0) -> Sequences:
    """Pictures that tell sine and cosine of the shoulder, the wrist, and the velocities times ``share``."""
    shoulder, wrist = truth["angles"][..., 0], truth["angles"][..., 1]
    told = np.stack((np.sin(shoulder), np.cos(shoulder), wrist), -1)
    frames = picture(np.concatenate((told, share * truth["velocities"]), -1))
    return Sequences(torch.from_numpy(frames), torch.zeros(len(frames), frames.shape[1] - 1, 2))


NAMES = ("r2_shoulder", "r2_wrist", "r2_shoulder_velocity", "r2_wrist_velocity")


def test_a_state_in_any_basis_tells_all_of_an_arm_that_is_seen_through_a_camera() -> None:
    truth, model = make_arm(), make_model(Reading)
    model.basis = torch.linalg.qr(torch.randn(5, 5, generator=torch.Generator().manual_seed(1)).double()).Q
    figures = evaluate(model, in_pictures(truth), truth)
    assert [figures[name] for name in NAMES] == pytest.approx([1, 1, 1, 1], abs=1e-6)
    turned = {**truth, "angles": truth["angles"] + (2 * math.pi * np.arange(40)[:, None, None] * (1, 0))}
    assert evaluate(model, in_pictures(truth), turned)["r2_shoulder"] == pytest.approx(1)


def test_what_the_state_does_not_hold_is_not_there() -> None:
    truth, model = make_arm(), make_model(Reading)
    model.basis = torch.eye(5, dtype=torch.float64)
    figures = evaluate(model, in_pictures(truth, share=0.0), truth)
    assert [figures[name] for name in NAMES[:2]] == pytest.approx([1, 1], abs=1e-6)
    assert max(figures[name] for name in NAMES[2:]) < 0.1
    assert max(figures[f"{name}_neighbours"] for name in NAMES[2:]) < 0.1


def test_neighbours_know_a_velocity_in_a_bent_chart() -> None:
    """The latent velocity of the shoulder changes its sign with the wrist; that of the wrist is plain."""
    truth, model = make_arm(count=150), make_model(Reading)
    model.basis = torch.eye(5, dtype=torch.float64)
    sign = np.sign(truth["angles"][..., 1:])
    # With a shoulder that stands still, neighbours are near.
    told = {
        "angles": truth["angles"] * (0.0, 1.0),
        "velocities": truth["velocities"] * np.concatenate((sign, np.ones_like(sign)), -1),
    }
    figures = evaluate(model, in_pictures(told), truth)
    assert figures["r2_shoulder_velocity"] < 0.2 < 0.7 < figures["r2_shoulder_velocity_neighbours"]
    assert min(figures["r2_wrist_velocity"], figures["r2_wrist_velocity_neighbours"]) > 0.8


@torch.no_grad()
def test_errors_and_yardsticks_are_those_of_the_pictures_in_the_unit_interval() -> None:
    truth, model = make_arm(count=6), make_model(EKVAE)
    data = in_pictures(truth)
    figures, frames = evaluate(model, data, truth), data.observations.numpy() / 255
    predicted = predict_images(model, data, torch.Generator().manual_seed(3)).numpy()
    errors = np.sort(((predicted - frames) ** 2).mean((1, 2, 3, 4)))
    assert figures["mse_predict_mean"] == pytest.approx(errors.mean(), rel=1e-4)
    assert figures["mse_predict_median"] == pytest.approx(errors[2], rel=1e-4)
    assert figures["mse_mean_image"] == pytest.approx(((frames - frames.mean((0, 1))) ** 2).mean(), rel=1e-4)
    decoded = model.emission(model.smooth(data.observations, data.actions).mean.float()).mean.numpy()
    assert figures["mse_reconstruction"] == pytest.approx(((decoded - frames) ** 2).mean(), rel=1e-4)


def test_noise_free_pictures_are_what_is_predicted_where_there_are_any() -> None:
    truth, model = make_arm(count=6), make_model(EKVAE)
    data = in_pictures(truth)
    black = evaluate(model, data, {**truth, "clean": np.zeros(data.observations.shape, np.uint8)})
    assert black["mse_mean_image"] == 0 != evaluate(model, data, truth)["mse_mean_image"]
    # The true angles of an arm that observes them with noise, here seen through a camera: no picture.
    assert evaluate(model, data, {**truth, "clean": truth["angles"]}) == evaluate(model, data, truth)


def test_many_pictures_are_measured_in_pieces_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, model = make_arm(count=11), make_model(EKVAE)
    whole = evaluate(model, in_pictures(truth), truth)
    monkeypatch.setattr("latentrl.models.over_data.PIECE", 2 * 8 * 48)
    parts = evaluate(model, in_pictures(truth), truth)
    # The bound's samples of the posterior are drawn piece by piece, and the filtered first states after them.
    drawn = ("test_elbo_per_step", "mse_predict_filtered_mean", "mse_predict_filtered_median")
    before, after = ([figures.pop(name) for name in drawn] for figures in (whole, parts))
    assert parts == pytest.approx(whole, rel=1e-4, abs=1e-5)
    assert after == pytest.approx(before, rel=0.05)
