"""Smoothing in pieces: the same beliefs, no piece too large, a sample of what is too much."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from latentrl.models import MODELS, build
from latentrl.models.base import WorldModel
from latentrl.models.over_data import PIECE, SAMPLE, piece_slices, sequence_pieces, smooth, spread_sample
from latentrl.models.spec import DataSpec
from latentrl.types import Belief, Sequences


def make_data(count: int = 7) -> Sequences:
    g = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (count, 6, 8, 8, 1), dtype=torch.uint8, generator=g)
    return Sequences(frames, torch.randn(count, 5, 1, generator=g))


def make_model(name: str = "ekvae") -> WorldModel:
    torch.manual_seed(0)
    return build(name, DataSpec.of(make_data()), asdict(MODELS[name].settings()))


def lengths_seen(model: WorldModel, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many sequences ``model`` smooths at a time from now on."""
    lengths, whole = [], model.smooth

    def counted(observations: Tensor, actions: Tensor) -> Belief:
        lengths.append(len(observations))
        return whole(observations, actions)

    monkeypatch.setattr(model, "smooth", counted)
    return lengths


@torch.no_grad()
@pytest.mark.parametrize("name", MODELS)
def test_the_beliefs_are_those_of_all_at_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, data = make_model(name), make_data()
    expected = model.smooth(data.observations, data.actions)
    monkeypatch.setattr("latentrl.models.over_data.PIECE", 3 * 6 * 64)
    lengths = lengths_seen(model, monkeypatch)
    for found, wanted in zip(smooth(model, data), expected, strict=True):
        assert not found.requires_grad
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    assert lengths == [3, 3, 1]


def test_a_small_data_set_is_taken_at_once_to_the_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    model, data = make_model(), make_data()
    expected = model.smooth(data.observations, data.actions)
    lengths = lengths_seen(model, monkeypatch)
    assert all(torch.equal(found, wanted) for found, wanted in zip(smooth(model, data), expected, strict=True))
    assert lengths == [7]
    for shape in ((500, 15, 16, 16, 1), (2000, 30, 2)):
        assert len(list(piece_slices(torch.zeros(1).expand(shape)))) == 1


def test_no_piece_of_a_million_large_frames_is_larger_than_it_may_be() -> None:
    frames = torch.zeros(1, dtype=torch.uint8).expand(33_334, 30, 64, 64, 3)
    pieces = list(piece_slices(frames))
    assert max(frames[piece].numel() for piece in pieces) <= PIECE
    assert sum(len(frames[piece]) for piece in pieces) == 33_334
    assert pieces[1].start == pieces[0].stop


def test_a_sequence_is_never_cut() -> None:
    frames = torch.zeros(1, dtype=torch.uint8).expand(3, 2, PIECE)
    assert [piece.start for piece in piece_slices(frames)] == [0, 1, 2]


@pytest.mark.parametrize(("count", "expected"), [(1, 1), (500, 500), (2000, 2000), (3999, 3999), (33_334, 2084)])
def test_a_sample_is_all_of_a_small_set_and_spread_over_a_large_one(count: int, expected: int) -> None:
    data = Sequences(torch.arange(count).view(-1, 1).expand(-1, 3), torch.zeros(count, 2, 1))
    sample = spread_sample(data)
    assert len(sample) == expected and (len(sample) >= SAMPLE or expected == count)
    assert sample.observations.data_ptr() == data.observations.data_ptr(), "nothing is copied"
    assert float(sample.observations.double().mean()) == pytest.approx((count - 1) / 2, rel=0.01)


@torch.no_grad()
def test_pieces_are_read_from_a_file_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, model = make_data(), make_model()
    expected = smooth(model, data)
    np.save(tmp_path / "frames.npy", data.observations.numpy())
    with warnings.catch_warnings():
        # PyTorch says once in a process that such a tensor must not be written to.
        warnings.simplefilter("ignore", UserWarning)
        mapped = torch.from_numpy(np.load(tmp_path / "frames.npy", mmap_mode="r"))
    monkeypatch.setattr("latentrl.models.over_data.PIECE", 2 * 6 * 64)
    found = smooth(model, spread_sample(Sequences(mapped, data.actions)))
    torch.testing.assert_close(found.mean, expected.mean, rtol=1e-4, atol=1e-5)


def test_pieces_go_to_the_model() -> None:
    pieces = list(sequence_pieces(make_data(), torch.device("meta")))
    assert {tensor.device.type for piece in pieces for tensor in (piece.observations, piece.actions)} == {"meta"}


@pytest.mark.parametrize("views", [slice(None), slice(None, None, 2)])
def test_sequences_are_taken_by_their_numbers(views: slice) -> None:
    data = make_data()
    data = Sequences(data.observations, data.actions, torch.rand(7, 6), {"camera": torch.rand(7, 6) > 0.5})[views]
    index = torch.tensor([3, 0, 3])
    taken, wanted = data.take(index), data[index]
    assert torch.equal(taken.observations, wanted.observations) and torch.equal(taken.actions, wanted.actions)
    assert taken.times is not None and wanted.times is not None and torch.equal(taken.times, wanted.times)
    assert isinstance(taken.seen, dict) and isinstance(wanted.seen, dict)
    assert torch.equal(taken.seen["camera"], wanted.seen["camera"])
