"""Matrices of few bits: what comes back is what went in, and nothing is made of what does not fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from latentrl.runs.packed import NOTE, noted, pack, packed_matrix, unpack, unpacked
from latentrl.support.errors import UserError


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 7, 8])
def test_every_number_comes_back_in_as_many_bits_as_are_said(bits: int) -> None:
    most = 2 ** (bits - 1) - 1
    codes = np.random.default_rng(bits).permutation(np.arange(5 * 17) % (2 * most + 1) - most)
    packed = pack(codes, bits)
    assert len(packed) == -(-codes.size * bits // 8)
    assert np.array_equal(unpack(packed, codes.size, bits), codes)
    text = "".join(format(one + most, f"0{bits}b") for one in codes)
    assert "".join(format(one, "08b") for one in packed).startswith(text)
    with pytest.raises(ValueError, match=f"hold -{most} to {most}"):
        pack(np.array([most + 1]), bits)


def test_a_matrix_takes_its_place_among_the_others() -> None:
    codes, scales = torch.tensor([[1, -3, 2], [0, 3, -1]]), torch.tensor([0.5, 2.0])
    tensors = {**packed_matrix(codes, scales, "a.weight", 3), "b": torch.ones(2)}
    assert tensors["a.weight:codes"].numel() == 3
    found = unpacked(tensors, noted({"a.weight": (2, 3, 3)}), Path("x"), "")
    assert found.keys() == {"a.weight", "b"} and found["a.weight"].dtype == torch.float32
    assert found["a.weight"].tolist() == [[0.5, -1.5, 1.0], [0.0, 6.0, -2.0]]
    assert unpacked({"b": torch.ones(2)}, {}, Path("x"), "").keys() == {"b"}


@pytest.mark.parametrize(
    "said",
    [
        {"a": [2, 3, 5]},
        {"a": [10**9, 10**9, 3]},
        {"a": [2, 3, 9]},
        {"a": [2, -3, 3]},
        {"a": [2, True, 3]},
        {"a": [3, 2, 3]},
        {"a": [2, 3]},
        {"a": 3},
        {"c": [2, 3, 3]},
        {"b": [2, 3, 3]},
        [1],
        None,
    ],
    ids=range(12),
)
def test_what_does_not_fit_is_damaged(said: object) -> None:
    tensors = packed_matrix(torch.tensor([[1, -3, 2], [0, 3, -1]]), torch.ones(2), "a", 3) | {"b": torch.ones(2)}
    with pytest.raises(UserError, match=r"mine is damaged \(its packed matrices: .*: cure"):
        unpacked(tensors, {NOTE: "{" if said is None else json.dumps(said)}, Path("mine"), "cure")
