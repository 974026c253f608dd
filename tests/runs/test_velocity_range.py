"""The velocity of rest and the top speed, against systems whose answer is known."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from latentrl.runs.velocity_range import VelocityRange, load_range, save_range, velocity_range
from latentrl.support.errors import UserError


def spinning(rest: float, count: int = 400, length: int = 12, seed: int = 0) -> Tensor:
    """Points on a circle at random speeds of +-1 rad a step; the latent velocity is twice the speed plus ``rest``."""
    g = torch.Generator().manual_seed(seed)
    speed = (2 * torch.rand(count, 1, generator=g) - 1).expand(-1, length)
    angle = 6.28 * torch.rand(count, 1, generator=g) + speed * torch.arange(length)
    return torch.stack((angle.cos(), angle.sin(), 2 * speed + rest), -1)


@pytest.mark.parametrize("rest", [-3.0, 0.0, 0.7])
def test_rest_is_where_the_position_stands_still(rest: float) -> None:
    found = velocity_range(spinning(rest), 2)
    assert found.rest.item() == pytest.approx(rest, abs=0.05)
    assert found.top.item() == pytest.approx(2.0, abs=0.07)
    torch.testing.assert_close(found.at([-0.5]), found.rest - 0.5 * found.top)


def test_two_velocities_that_are_mixed_and_shifted() -> None:
    g = torch.Generator().manual_seed(0)
    step = 0.1 * torch.randn(500, 1, 2, generator=g)
    position = torch.randn(500, 1, 2, generator=g) + step * torch.arange(6).view(1, -1, 1)
    mixing, rest = torch.tensor([[2.0, 0.5], [-1.0, 3.0]]), torch.tensor([0.4, -0.9])
    states = torch.cat((position, (step @ mixing.T + rest).expand(-1, 6, -1)), -1)
    found = velocity_range(states, 2)
    torch.testing.assert_close(found.rest, rest, rtol=0, atol=1e-4)
    largest = (states[..., 2:].flatten(0, 1) - rest).abs().amax(0)
    torch.testing.assert_close(found.top, largest, rtol=1e-3, atol=0)


def test_states_without_an_answer_are_refused() -> None:
    with pytest.raises(ValueError, match="three time steps"):
        velocity_range(torch.randn(5, 2, 3), 2)
    with pytest.raises(ValueError, match="velocity dimension"):
        velocity_range(torch.randn(5, 9, 2), 2)
    states = spinning(0.0)
    # The position moves fastest at the smallest latent velocity.
    states[..., 2] = 1 / (states[..., 2].abs() + 0.1) * states[..., 2].sign()
    with pytest.raises(ValueError, match="not trained long enough; try more --steps"):
        velocity_range(states, 2)


def test_round_trip_and_its_errors(tmp_path: Path) -> None:
    found = VelocityRange(torch.tensor([0.25, -1.0]), torch.tensor([3.0, 4.0]))
    save_range(found, tmp_path)
    again = load_range(tmp_path)
    assert torch.equal(again.rest, found.rest) and torch.equal(again.top, found.top)
    (tmp_path / "velocity.json").write_text('{"rest": [1]}')
    with pytest.raises(UserError, match="damaged"):
        load_range(tmp_path)
    (tmp_path / "velocity.json").unlink()
    with pytest.raises(UserError, match="does not exist"):
        load_range(tmp_path)
