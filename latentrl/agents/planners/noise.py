"""Noise for sampled action sequences: white, or coloured so that neighbouring actions agree (iCEM)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def coloured_noise(
    shape: Sequence[int],
    beta: float,
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Gaussian noise ``[..., H, Du]`` of unit variance, its power spectrum falling as ``1 / f^beta`` along H.

    White noise cancels itself over a few steps; a plan that is to move something must push for a while in one
    direction. ``beta = 0`` is white noise, larger is smoother (Pinneri et al., 2020, "Sample-efficient Cross-Entropy
    Method for Real-time Planning", 3.1; spectrum as in Timmer & Koenig, 1995). The constant part has the power of the
    lowest frequency.

    Args:
        shape: of the noise; the spectrum runs along its second-to-last dimension.
        beta: the exponent, 0 or more.
        generator: source of the noise.
        dtype: of the noise.
        device: of the noise and of ``generator``.
    """
    if beta == 0.0:
        return torch.randn(tuple(shape), generator=generator, dtype=dtype, device=device)
    *lead, steps, size = shape
    # What a Fourier series draws is periodic: of twice the length, the second half is thrown away, so that the last
    # action does not have to agree with the first.
    period = 2 * steps
    frequencies = torch.fft.rfftfreq(period, dtype=dtype, device=device).clamp(min=1 / period)
    amplitudes = frequencies.pow(-beta / 2)
    spectrum = torch.randn((2, *lead, size, steps + 1), generator=generator, dtype=dtype, device=device)
    # A real signal has no imaginary part at the two ends of its spectrum: all their power is in the real part.
    spectrum[0, ..., [0, -1]] *= 2**0.5
    spectrum[1, ..., [0, -1]] = 0.0
    signal = torch.fft.irfft(torch.complex(spectrum[0], spectrum[1]) * amplitudes, n=period)[..., :steps]
    # Inner frequencies have two halves of power 2 (real and imaginary) and count twice, with their conjugates.
    power = 4 * amplitudes.square()
    power[[0, -1]] /= 2
    return (signal * (period / power.sum().sqrt())).mT
