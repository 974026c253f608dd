"""How many threads a model's operations are given, and that it is given back."""

from __future__ import annotations

import pytest
import torch

from latentrl.support.threads import CHOSEN_BY, threads_for


@pytest.mark.parametrize(
    ("shape", "chosen", "within"), [((2,), None, 1), ((64, 64, 3), None, 2), ((2,), "2", 2), ((64, 64, 3), "2", 2)]
)
def test_small_models_have_one_thread_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], chosen: str | None, within: int
) -> None:
    monkeypatch.delenv(CHOSEN_BY, raising=False)
    if chosen is not None:
        monkeypatch.setenv(CHOSEN_BY, chosen)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(ValueError, match="stop"), threads_for(shape):
            assert torch.get_num_threads() == within
            raise ValueError("stop")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
