"""Noise for sampled plans: its variance, its colour, its source."""

from __future__ import annotations

import pytest
import torch

from latentrl.agents.planners.noise import coloured_noise


def draw(horizon: int, beta: float, count: int = 20_000, seed: int = 0) -> torch.Tensor:
    return coloured_noise((count, horizon, 2), beta, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("horizon", [1, 2, 5, 30])
def test_every_step_has_unit_variance_and_no_mean(horizon: int, beta: float) -> None:
    noise = draw(horizon, beta)
    assert noise.shape == (20_000, horizon, 2) and noise.dtype == torch.float32
    torch.testing.assert_close(noise.var(0), torch.ones(horizon, 2), atol=0.05, rtol=0)
    torch.testing.assert_close(noise.mean(0), torch.zeros(horizon, 2), atol=0.04, rtol=0)


def test_a_larger_beta_is_smoother_and_white_noise_has_no_memory() -> None:
    neighbours = [(x[:, :-1] * x[:, 1:]).mean().item() for x in (draw(30, beta) for beta in (0.0, 1.0, 2.0, 3.0))]
    assert neighbours == sorted(neighbours)
    assert abs(neighbours[0]) < 0.01 and neighbours[-1] > 0.9


def test_the_spectrum_falls_as_it_should() -> None:
    """Of a long signal, between the ends of its spectrum: log power against log frequency has slope -beta."""
    beta, steps = 1.5, 4096
    signal = coloured_noise((200, steps, 1), beta, torch.Generator().manual_seed(0), torch.float64)[..., 0]
    power = torch.fft.rfft(signal * torch.hann_window(steps, dtype=torch.float64)).abs().square().mean(0)
    inside = slice(20, 400)
    frequency = torch.fft.rfftfreq(steps, dtype=torch.float64)[inside].log()
    level = power[inside].log()
    slope = ((frequency - frequency.mean()) * (level - level.mean())).sum() / (
        frequency - frequency.mean()
    ).square().sum()
    assert abs(slope + beta) < 0.05


def test_the_end_does_not_return_to_the_beginning() -> None:
    """A periodic signal would: its last entry is its first one's neighbour."""
    noise = draw(30, 1.0)
    last, near = (noise[:, 0] * noise[:, -1]).mean(), (noise[:, 0] * noise[:, 1]).mean()
    assert last < 0.5 * near


def test_actions_and_samples_are_independent() -> None:
    noise = draw(30, 2.0)
    assert (noise[..., 0] * noise[..., 1]).mean().abs() < 0.02
    assert (noise[:-1] * noise[1:]).mean().abs() < 0.02


def test_the_generator_decides() -> None:
    assert torch.equal(draw(5, 1.0, 3, seed=1), draw(5, 1.0, 3, seed=1))
    assert not torch.equal(draw(5, 1.0, 3, seed=1), draw(5, 1.0, 3, seed=2))
