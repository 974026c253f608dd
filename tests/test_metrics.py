"""Metrics against cases whose value is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from latentrl.metrics import (
    angle_r2,
    evaluate_joints,
    evaluate_pendulum,
    neighbour_r2,
    ols_r2,
    open_loop,
    predict_filtered_images,
)
from latentrl.models.base import DataSpec
from latentrl.models.ekvae import EKVAE, EKVAESettings
from latentrl.recurrence import PackedGaussian
from latentrl.types import Belief, Sequences


def test_r2_of_a_perfect_an_empty_and_a_known_fit() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(20_000, 3))
    signal = inputs @ np.array([1.0, -2.0, 0.5]) + 7
    assert ols_r2(inputs, signal) == pytest.approx(1.0)
    assert abs(ols_r2(inputs, rng.normal(size=20_000))) < 1e-3
    noisy = signal + rng.normal(size=20_000) * np.sqrt(signal.var())
    assert ols_r2(inputs, noisy) == pytest.approx(0.5, abs=0.02)


def test_angle_r2_sees_through_the_jump_at_pi() -> None:
    angle = np.random.default_rng(0).uniform(-np.pi, np.pi, 1000)
    ring = np.column_stack((np.cos(angle + 1), np.sin(angle + 1)))
    assert angle_r2(ring, angle) == pytest.approx(1.0)
    assert angle_r2(ring, angle + 2 * np.pi) == pytest.approx(1.0)


def make_model() -> EKVAE:
    torch.manual_seed(0)
    return EKVAE(
        DataSpec((8, 8, 1), "uint8", 1, (2.0,)), EKVAESettings(base_matrices=2, hidden=(16,), gate_hidden=(8,))
    )


def test_open_loop_repeats_the_transition() -> None:
    model, g = make_model(), torch.Generator().manual_seed(0)
    state, actions = torch.randn(4, 3, generator=g), torch.randn(4, 2, 1, generator=g)
    second = model.transition(state, actions[:, 0]).mean
    third = model.transition(second, actions[:, 1]).mean
    torch.testing.assert_close(open_loop(model, state, actions), torch.stack((state, second, third), 1))


def make_truth(rng: np.random.Generator, clean: np.ndarray) -> dict[str, np.ndarray]:
    return {"angle": rng.uniform(-3, 3, (6, 7)), "velocity": rng.normal(size=(6, 7)), "clean": clean}


class Oracle(EKVAE):
    """Decodes the truth, whatever the latent state: the error must then be the rounding of the stored images alone."""

    truth: Tensor

    def decode(self, positions: Tensor) -> Tensor:
        return self.truth[:, -positions.shape[1] :] if positions.dim() == 3 else super().decode(positions)


def test_perfect_pictures_have_no_error_and_the_yardstick_is_the_variance() -> None:
    rng = np.random.default_rng(0)
    clean = rng.integers(0, 256, (6, 7, 8, 8, 1), dtype=np.uint8)
    model = make_model()
    model.__class__ = Oracle
    model.truth = torch.from_numpy(clean).float() / 255
    data = Sequences(torch.from_numpy(clean), torch.zeros(6, 6, 1))
    truth: dict[str, np.ndarray] = {
        "angle": rng.uniform(-3, 3, (6, 7)),
        "velocity": rng.normal(size=(6, 7)),
        "clean": clean,
    }
    figures = evaluate_pendulum(model, data, truth)
    assert figures.mse_predict_mean == figures.mse_predict_median == figures.mse_reconstruction == 0.0
    assert figures.mse_predict_filtered_mean == figures.mse_predict_filtered_median == 0.0
    scaled = clean / 255
    assert figures.mse_mean_image == pytest.approx(((scaled - scaled.mean((0, 1))) ** 2).mean(), rel=1e-4)


def test_the_same_seed_gives_the_same_figures() -> None:
    rng = np.random.default_rng(0)
    clean = rng.integers(0, 256, (6, 7, 8, 8, 1), dtype=np.uint8)
    truth: dict[str, np.ndarray] = {
        "angle": rng.uniform(-3, 3, (6, 7)),
        "velocity": rng.normal(size=(6, 7)),
        "clean": clean,
    }
    data = Sequences(torch.from_numpy(clean), torch.zeros(6, 6, 1))
    first, second, other = (evaluate_pendulum(make_model(), data, truth, seed) for seed in (0, 0, 1))
    assert first == second != other


def test_neighbours_find_what_is_bent_and_nothing_where_there_is_nothing() -> None:
    g = torch.Generator().manual_seed(0)
    angle, speed = 6.3 * torch.rand(100, 15, generator=g), torch.rand(100, 15, generator=g)
    radius = 1 + speed
    annulus = 1e3 * torch.stack((radius * angle.cos(), radius * angle.sin(), 0 * radius), -1)
    flat = annulus.flatten(0, 1).numpy()
    assert ols_r2(flat, speed.flatten().numpy()) < 0.05 < 0.95 < neighbour_r2(annulus, speed)
    assert neighbour_r2(annulus, torch.rand(100, 15, generator=g)) < 0.05


def test_a_sequence_is_not_its_own_neighbour() -> None:
    places = torch.arange(4.0)[:, None].expand(4, 20)
    inputs, value = places[..., None], torch.tensor([0.0, 1.0, 0.0, 1.0])[:, None].expand(4, 20)
    assert neighbour_r2(inputs, value) < 0.5


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
    figures = evaluate_joints(model, data, truth)
    assert [figures[name] for name in ("r2_shoulder", "r2_wrist", "r2_shoulder_velocity")] == pytest.approx([1, 1, 1])
    assert figures["r2_wrist_velocity"] < 0.1
    assert figures["mse_reconstruction"] < 1e-12 < figures["mse_predict_mean"]
    assert figures["mse_mean_observation"] == pytest.approx(((angles - angles.mean((0, 1))) ** 2).mean(), rel=1e-4)


@torch.no_grad()
def test_a_filtered_start_knows_the_context_and_nothing_later() -> None:
    model, g = make_model(), torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (3, 9, 8, 8, 1), dtype=torch.uint8, generator=g)
    data = Sequences(frames, torch.randn(3, 8, 1, generator=g))
    predicted = predict_filtered_images(model, data, torch.Generator().manual_seed(1))
    assert predicted.shape == (3, 5, 8, 8, 1)
    context = data.truncate(5)
    last = model.smooth(context.observations, context.actions)
    first = Belief(last.mean[:, -1], last.covariance[:, -1]).sample(torch.Generator().manual_seed(1)).float()
    expected = model.emission(open_loop(model, first, data.actions[:, 4:])).mean
    torch.testing.assert_close(predicted, expected, rtol=1e-3, atol=1e-4)
    other = Sequences(torch.cat((frames[:, :5], 255 - frames[:, 5:]), 1), data.actions)
    torch.testing.assert_close(predict_filtered_images(model, other, torch.Generator().manual_seed(1)), predicted)


class Remembering(EKVAE):
    """A memory of the truth, appended to states: what it knows is not z's."""

    memory: Tensor

    @property
    def latent_size(self) -> int:
        return 3

    def smooth(self, observations: Tensor, actions: Tensor, missing: Tensor | None = None) -> Belief:
        belief = super().smooth(observations, actions)
        memory = self.memory[:, : observations.shape[1]]
        return Belief(torch.cat((belief.mean, memory.to(belief.mean)), -1), belief.covariance)

    def initial_belief(self, observation: Tensor) -> Belief:
        belief = super().initial_belief(observation)
        return Belief(torch.cat((belief.mean, self.memory[:, 0].to(belief.mean)), -1), belief.covariance)

    def filter(self, belief: Belief, action: Tensor, observation: Tensor | None) -> Belief:
        after = super().filter(Belief(belief.mean[:, :3], belief.covariance), action, observation)
        return Belief(torch.cat((after.mean, belief.mean[:, 3:]), -1), after.covariance)

    def transition(self, state: Tensor, action: Tensor) -> PackedGaussian:  # type: ignore[override]
        return PackedGaussian(super().transition(state[..., :3], action), state[..., 3:])


def test_the_memory_of_a_model_explains_nothing() -> None:
    rng = np.random.default_rng(0)
    clean = rng.integers(0, 256, (40, 7, 8, 8, 1), dtype=np.uint8)
    data = Sequences(torch.from_numpy(clean), torch.zeros(40, 6, 1))
    velocity = rng.normal(size=(40, 7))
    truth: dict[str, np.ndarray] = {"angle": rng.uniform(-3, 3, (40, 7)), "velocity": velocity, "clean": clean}
    model = make_model()
    plain = evaluate_pendulum(model, data, truth)
    model.__class__ = Remembering
    model.memory = torch.from_numpy(velocity).unsqueeze(-1)
    figures = evaluate_pendulum(model, data, truth)
    assert figures == plain
    assert figures.r2_velocity < 0.2 < 0.99 < ols_r2(model.memory.numpy().reshape(-1, 1), velocity.ravel())


def test_a_belief_is_sampled_where_it_is_uncertain() -> None:
    covariance = torch.tensor([[4.0, 1.0], [1.0, 0.5]])
    belief = Belief(torch.tensor([1.0, 2.0, 7.0]).expand(50_000, -1), covariance.expand(50_000, -1, -1))
    sample = belief.sample(torch.Generator().manual_seed(0))
    assert (sample[:, 2] == 7.0).all()
    torch.testing.assert_close(sample[:, :2].mean(0), torch.tensor([1.0, 2.0]), atol=0.03, rtol=0)
    torch.testing.assert_close(sample[:, :2].T.cov(), covariance, atol=0.1, rtol=0)


def test_samples_of_a_belief_have_its_moments_and_none_in_a_direction_that_is_known() -> None:
    spread = torch.tensor([[2.0, 0.0], [-1.0, 0.5], [1.0, 0.0]], dtype=torch.float64)
    # Of rank two, and by rounding a little less than positive semi-definite.
    covariance = spread @ spread.T - 1e-12 * torch.eye(3, dtype=torch.float64)
    assert torch.linalg.eigvalsh(covariance).min() < 0
    mean = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    count = 20_000
    sample = Belief(mean.expand(count, -1), covariance.expand(count, -1, -1)).sample(torch.Generator().manual_seed(0))
    torch.testing.assert_close(sample.mean(0), mean, rtol=0, atol=0.05)
    torch.testing.assert_close(sample.T.cov(), covariance, rtol=0.05, atol=0.05)
    known = torch.linalg.svd(spread).U[:, 2]
    assert ((sample - mean) @ known).abs().max() < 1e-9
