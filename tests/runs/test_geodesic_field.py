from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from latentrl.data_collection.storage import write
from latentrl.geometry.distance_field import GeodesicField
from latentrl.goals.distances import DISTANCES
from latentrl.models import MODELS
from latentrl.models.base import WorldModel
from latentrl.models.spec import DataSpec
from latentrl.rewards.quadratic import QuadraticDistance
from latentrl.runs.geodesic_field import FILE, geodesic_field, position_decoder, training_positions
from latentrl.runs.tensors import read_tensors, write_tensors
from latentrl.support.errors import UserError
from latentrl.support.files import write_json
from latentrl.types import Sequences, Trajectory

SPEC = DataSpec((6, 6, 1), "uint8", 1, (2.0,))


def made(name: str, split: bool = True) -> WorldModel:
    """A small model of any kind, untrained."""
    torch.manual_seed(0)
    entry = MODELS[name]
    settings = replace(entry.settings(), state_size=3)
    if hasattr(settings, "position_size"):
        settings = replace(settings, position_size=2 if split else 3)
    model = entry.model(SPEC, settings).requires_grad_(False).eval()
    assert isinstance(model, WorldModel)
    return model


def sequences(count: int = 12, length: int = 8, seed: int = 0) -> Sequences:
    g = torch.Generator().manual_seed(seed)
    frames = torch.randint(0, 256, (count, length, 6, 6, 1), dtype=torch.uint8, generator=g)
    return Sequences(frames, torch.rand(count, length - 1, 1, generator=g))


def recorded(folder: Path, seed: int = 0) -> Path:
    some = sequences(seed=seed)
    episodes = [
        Trajectory(one.numpy(), act.numpy(), {"velocity": np.zeros(8)})
        for one, act in zip(some.observations, some.actions, strict=True)
    ]
    folder.mkdir()
    write(folder, "train", episodes, {"action_low": [-2.0], "action_high": [2.0]})
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return recorded(tmp_path / "data")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


@pytest.mark.parametrize("name", list(MODELS))
def test_every_model_with_positions_has_distances(name: str) -> None:
    """Its decoder is drawn from positions alone, and those of the data are nodes."""
    model = made(name)
    nodes = training_positions(model, sequences(), 60)
    assert nodes.shape == (60, 2) and nodes.dtype == torch.float32 and nodes.device.type == "cpu"
    rest = torch.randn(60, model.state_size - 2)
    torch.testing.assert_close(position_decoder(model)(nodes), model.emission(torch.cat((nodes, 0 * rest), -1)).mean)
    if name != "kvae":  # whose frames show what its memory adds too
        torch.testing.assert_close(position_decoder(model)(nodes), model.emission(torch.cat((nodes, rest), -1)).mean)
    distance = GeodesicField.of(position_decoder(model), nodes, centres=8, neighbours=4).to(nodes[0])
    found = distance.squared(nodes)
    assert found.isfinite().all() and float(found[0]) < 1e-4 < float(found.max())


def test_it_is_made_once_kept_and_needs_no_data_again(run: Path, data: Path) -> None:
    model = made("ekvae")
    first = geodesic_field(model, run, data)
    written = (run / FILE).stat().st_mtime_ns
    again = geodesic_field(model, run, data / "moved away")
    assert (run / FILE).stat().st_mtime_ns == written
    goal, places = first.graph.nodes[3], first.graph.nodes
    assert torch.equal(first.to(goal).squared(places), again.to(goal).squared(places))


def test_for_other_weights_it_is_made_anew(run: Path, data: Path) -> None:
    model = made("ekvae")
    first = geodesic_field(model, run, data)
    for parameter in model.parameters():
        parameter.data.mul_(1.1)
    assert not torch.equal(geodesic_field(model, run, data).scale, first.scale)


def test_for_other_data_of_the_same_shape_it_is_made_anew(run: Path, data: Path, tmp_path: Path) -> None:
    model, other = made("ekvae"), recorded(tmp_path / "other", seed=1)
    first = geodesic_field(model, run, data)
    second = geodesic_field(model, run, other)
    (tmp_path / "empty").mkdir()
    assert torch.equal(second.graph.nodes, geodesic_field(model, tmp_path / "empty", other).graph.nodes)
    assert not torch.equal(second.graph.nodes, first.graph.nodes)
    assert torch.equal(geodesic_field(model, run, data).graph.nodes, first.graph.nodes)
    # What was kept of before data were noted is of nobody knows what: it is used where there is nothing better.
    stored, notes = read_tensors(run / FILE, "")
    write_tensors(run / FILE, stored, {"model": notes["model"]})
    written = (run / FILE).stat().st_mtime_ns
    geodesic_field(model, run, data / "moved away")
    assert (run / FILE).stat().st_mtime_ns == written
    geodesic_field(model, run, data)
    assert read_tensors(run / FILE, "")[1] == notes


def test_what_cannot_be_measured_is_a_clear_error(run: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no position dimensions of its own"):
        geodesic_field(made("rssm", split=False), run, data)
    with pytest.raises(UserError, match="is measured along the run's data, once"):
        geodesic_field(made("ekvae"), run, tmp_path / "nowhere")
    blind = made("ekvae")
    for parameter in blind.parameters():
        parameter.data.zero_()
    with pytest.raises(UserError, match="is the model trained"):
        geodesic_field(blind, run, data)
    assert not (run / FILE).exists(), "nothing that is of no use is kept"
    geodesic_field(made("ekvae"), run, data)
    (run / FILE).write_bytes(b"nonsense")
    with pytest.raises(UserError, match="remove it, and it is made again"):
        geodesic_field(made("ekvae"), run, data)


def test_the_flat_distance_is_the_riemannian_one_where_the_decoder_is_linear() -> None:
    """And goes by how the decoder stretches the space, in latent units: M = A' A over its diagonal's mean."""
    stretch = torch.tensor([[2.0, 0.4], [0.0, 0.7], [0.3, 0.0]])
    nodes = torch.rand(300, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    field = GeodesicField.of(lambda z: z @ stretch.T, nodes)
    metric = stretch.T @ stretch
    expected = metric / metric.diagonal().mean()
    torch.testing.assert_close(field.mean_metric(), 0.95 * expected + 0.05 * torch.eye(2), rtol=1e-4, atol=1e-4)
    goal = nodes[0]
    flat = QuadraticDistance(goal, field.mean_metric()).squared(nodes)
    away = nodes - goal
    exact = (away @ stretch.T).square().sum(-1) / metric.diagonal().mean()
    torch.testing.assert_close(flat, 0.95 * exact + 0.05 * away.square().sum(-1), rtol=1e-3, atol=1e-5)
    # Paths through a graph have corners: they are longer, all of them by about as much.
    geodesic = field.to(goal).squared(nodes)
    assert torch.corrcoef(torch.stack((flat, geodesic)))[0, 1] > 0.98


def test_only_a_run_that_was_trained_flat_has_the_flat_distance(run: Path, data: Path) -> None:
    model, goal = made("ekvae"), torch.zeros(2)
    for training in ({}, {"flat": 0.0}):
        write_json(run / "settings.json", {"training": training})
        with pytest.raises(UserError, match=r"--distance flat: .* was not trained to have a flat latent space.*--flat"):
            DISTANCES["flat"](goal, model, run, data)
    write_json(run / "settings.json", {"training": {"flat": 30.0}})
    with pytest.raises(UserError, match="--distance flat: is measured along the run's data, once"):
        DISTANCES["flat"](goal, model, run, data / "nowhere")
    found = DISTANCES["flat"](goal, model, run, data)
    assert found is not None and torch.equal(found.goal, goal)
    squared = found.squared(torch.eye(2))
    assert (squared > 0).all() and float(squared.mean()) == pytest.approx(1, abs=1e-5), "latent units"
