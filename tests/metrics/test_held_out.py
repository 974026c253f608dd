"""Held-out figures against cases whose value is known, which figures what data gets, and that nothing is done twice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from latentrl.data_collection import storage
from latentrl.envs import PENDULUM
from latentrl.envs.coordinates import Coordinate
from latentrl.metrics.held_out import evaluate_model, held_out_figures
from latentrl.models.ekvae import EKVAE, EKVAESettings
from latentrl.models.over_data import smooth
from latentrl.models.spec import DataSpec
from latentrl.networks.recurrence import PackedGaussian
from latentrl.numerics.regression import ols_r2
from latentrl.types import Belief, Sequences, Trajectory

SWING = (Coordinate("angle", "angle", "angle"), Coordinate("velocity", "velocity", "velocity", unit="rad/s"))
JOINTS = (
    Coordinate("shoulder", "line", "angles", 0),
    Coordinate("wrist", "line", "angles", 1),
    Coordinate("shoulder_velocity", "velocity", "velocities", 0),
    Coordinate("wrist_velocity", "velocity", "velocities", 1),
)


def make_model() -> EKVAE:
    torch.manual_seed(0)
    return EKVAE(
        DataSpec((8, 8, 1), "uint8", 1, (2.0,)), EKVAESettings(base_matrices=2, hidden=(16,), gate_hidden=(8,))
    )


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
    figures = held_out_figures(model, data, truth, SWING)
    assert figures["mse_predict_mean"] == figures["mse_predict_median"] == figures["mse_reconstruction"] == 0.0
    assert figures["mse_predict_filtered_mean"] == figures["mse_predict_filtered_median"] == 0.0
    scaled = clean / 255
    assert figures["mse_mean_image"] == pytest.approx(((scaled - scaled.mean((0, 1))) ** 2).mean(), rel=1e-4)


def test_what_is_not_drawn_is_told_of_what_was_observed_and_not_of_frames_without_noise() -> None:
    """A patch that lights up evenly: the same noisy pictures beside the clean ones, and beside black ones."""
    rng = np.random.default_rng(0)
    light = rng.uniform(80, 170, (14, 1)) + rng.uniform(-5, 5, (14, 1)) * np.arange(16)
    clean = np.full((14, 16, 8, 8, 1), 20.0)
    clean[:, :, 2:6, 2:6] = light[:, :, None, None, None]
    seen = np.clip(clean + rng.normal(scale=6, size=clean.shape), 0, 255).round().astype(np.uint8)
    data = Sequences(torch.from_numpy(seen), torch.zeros(14, 15, 1))
    model = make_model()
    model.__class__ = Oracle
    # What is drawn has no noise, and errs by none that could be drawn.
    model.truth = torch.from_numpy(clean).float() / 255
    told = [
        held_out_figures(model, data, {"clean": truth.astype(np.uint8)}, ())["undrawn_share"]
        for truth in (clean, np.zeros_like(clean))
    ]
    assert told[0] == told[1] < 0.01
    model.truth = torch.full_like(model.truth, 0.5)
    assert held_out_figures(model, data, {}, ())["undrawn_share"] == 1.0


def test_a_reading_that_is_lost_beside_others_is_told_of() -> None:
    """Newtons in thousands are drawn exactly, radians beside them not at all: half of what varies."""
    generator = torch.Generator().manual_seed(0)
    phase = 6.3 * torch.rand(40, 1, 2, generator=generator)
    readings = (phase + 0.4 * torch.arange(20).view(1, -1, 1)).sin() * torch.tensor([1.0, 2000.0])
    model = EKVAE(DataSpec((2,), "float32", 1, (1.0,)), EKVAESettings(standardise=True, each_reading=True))
    data = Sequences(readings, torch.zeros(40, 19, 1))
    model.prepare(data)
    model.eval().__class__ = Oracle
    model.truth = readings * torch.tensor([0.0, 1.0])
    assert held_out_figures(model, data, {}, ())["undrawn_share"] == pytest.approx(0.5, abs=0.02)
    model.truth = readings
    assert held_out_figures(model, data, {}, ())["undrawn_share"] == 0.0


def test_the_same_seed_gives_the_same_figures() -> None:
    rng = np.random.default_rng(0)
    clean = rng.integers(0, 256, (6, 7, 8, 8, 1), dtype=np.uint8)
    truth: dict[str, np.ndarray] = {
        "angle": rng.uniform(-3, 3, (6, 7)),
        "velocity": rng.normal(size=(6, 7)),
        "clean": clean,
    }
    data = Sequences(torch.from_numpy(clean), torch.zeros(6, 6, 1))
    first, second, other = (held_out_figures(make_model(), data, truth, SWING, seed) for seed in (0, 0, 1))
    assert first == second != other


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
    clean = rng.integers(0, 256, (11, 7, 8, 8, 1), dtype=np.uint8)
    data = Sequences(torch.from_numpy(clean), torch.zeros(11, 6, 1))
    velocity = rng.normal(size=(11, 7))
    truth: dict[str, np.ndarray] = {"angle": rng.uniform(-3, 3, (11, 7)), "velocity": velocity, "clean": clean}
    model = make_model()
    plain = held_out_figures(model, data, truth, SWING)
    model.__class__ = Remembering
    model.memory = torch.from_numpy(velocity).unsqueeze(-1)
    figures = held_out_figures(model, data, truth, SWING)
    assert figures == plain
    assert figures["r2_velocity"] < 0.2 < 0.99 < ols_r2(model.memory.numpy().reshape(-1, 1), velocity.ravel())


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


PREDICTED = {f"mse_predict{start}_{of}" for start in ("", "_filtered") for of in ("mean", "median")}
ALWAYS = PREDICTED | {"mse_reconstruction", "test_elbo_per_step", "redrawn_worst"}
ANGLES = {"r2_shoulder", "r2_wrist", "r2_shoulder_from_position_dims", "r2_wrist_from_position_dims"}
VELOCITIES = {
    f"r2_{joint}_velocity{suffix}"
    for joint in ("shoulder", "wrist")
    for suffix in ("", "_neighbours", "_from_velocity_dims")
}


def write_data(
    folder: Path,
    shape: tuple[int, ...],
    infos: Mapping[str, tuple[int, ...]],
    metadata: Mapping[str, Any],
    count: int = 5,
) -> EKVAE:
    """Noise as the test split of a data folder, with ``infos`` of these shapes; returns an untrained model of it."""
    rng = np.random.default_rng(0)
    images = len(shape) == 3
    trajectories = [
        Trajectory(
            rng.integers(0, 256, (4, *shape), dtype=np.uint8)
            if images
            else rng.normal(size=(4, *shape)).astype(np.float32),
            rng.uniform(-1, 1, (3, 1)).astype(np.float32),
            {name: rng.normal(size=(4, *size)) for name, size in infos.items()},
        )
        for _ in range(count)
    ]
    storage.write(folder, "test", trajectories, {"action_low": [-1.0], "action_high": [1.0], **metadata})
    torch.manual_seed(0)
    spec = DataSpec(shape, "uint8" if images else "float32", 1, (1.0,))
    return EKVAE(spec, EKVAESettings(base_matrices=2, hidden=(8,), gate_hidden=(8,)))


@pytest.mark.parametrize(
    ("shape", "infos", "coordinates", "expected"),
    [
        ((8, 8, 1), {"angles": (2,), "velocities": (2,)}, JOINTS, ANGLES | VELOCITIES),
        ((8, 8, 1), {"angles": (2,), "velocities": (2,), "clean": (2,)}, JOINTS, ANGLES | VELOCITIES),
        ((2,), {"angles": (2,), "velocities": (2,), "clean": (2,)}, JOINTS, ANGLES | VELOCITIES),
        ((3,), {"angles": (2,), "velocities": (2,)}, JOINTS, ANGLES | VELOCITIES),
        ((8, 8, 1), {"angles": (2,)}, JOINTS, ANGLES),
        ((8, 8, 1), {"angles": (2,), "velocities": (2,)}, (), set()),
        ((2,), {}, (), set()),
    ],
)
def test_the_datas_coordinates_decide_which_figures_there_are(
    tmp_path: Path,
    shape: tuple[int, ...],
    infos: dict[str, tuple[int, ...]],
    coordinates: tuple[Coordinate, ...],
    expected: set[str],
) -> None:
    model = write_data(tmp_path, shape, infos, {"coordinates": [one.as_json() for one in coordinates]})
    figures = evaluate_model(model, tmp_path)
    yardstick = "mse_mean_image" if len(shape) == 3 else "mse_mean_observation"
    assert figures.keys() == ALWAYS | {yardstick} | expected
    assert all(np.isfinite(value) for value in figures.values())


def test_an_environment_that_is_known_by_its_id_needs_no_stored_coordinates(tmp_path: Path) -> None:
    truth: dict[str, tuple[int, ...]] = {"angle": (), "velocity": ()}
    model = write_data(tmp_path / "old", (8, 8, 1), truth, {"env_id": PENDULUM, "env_kwargs": {}})
    figures = evaluate_model(model, tmp_path / "old")
    assert {"r2_angle", "r2_velocity_neighbours"} <= figures.keys()
    write_data(tmp_path / "new", (8, 8, 1), truth, {"coordinates": [one.as_json() for one in SWING]})
    assert figures == evaluate_model(model, tmp_path / "new")


class Counting(EKVAE):
    """Notes how long the sequences were that it smoothed."""

    smoothed: ClassVar[list[int]] = []

    def smooth(self, observations: Tensor, actions: Tensor, missing: Tensor | None = None) -> Belief:
        self.smoothed.append(observations.shape[1])
        return super().smooth(observations, actions, missing)


def test_the_sequences_are_smoothed_once_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As many sequences as figures of generation need; a prediction's first state is smoothed from fewer steps.
    monkeypatch.setattr("latentrl.metrics.prediction.PREDICTION_CONTEXT", 3)
    model = write_data(tmp_path, (8, 8, 1), {}, {}, count=12)
    model.__class__ = Counting
    monkeypatch.setattr(Counting, "smoothed", smoothed := list[int]())
    expected = evaluate_model(model, tmp_path)
    assert "generated_off_manifold" in expected and sorted(smoothed) == [3, 4]
    data = storage.load_sequences(tmp_path, "test")
    belief = smooth(model, data)
    smoothed.clear()
    assert evaluate_model(model, tmp_path, data=data, belief=belief) == expected and smoothed == [3]
