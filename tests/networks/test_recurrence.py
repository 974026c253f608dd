"""The recurrent memory: steps against the fused call, and states that carry it."""

from __future__ import annotations

import torch

from latentrl.networks.recurrence import PackedGaussian, Recurrence
from latentrl.numerics.distributions import DiagonalGaussian


def make() -> tuple[Recurrence, torch.Tensor]:
    torch.manual_seed(0)
    return Recurrence(3, 5), torch.randn(4, 6, 3, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_steps_compute_what_the_fused_call_does() -> None:
    recurrence, inputs = make()
    outputs = recurrence(inputs)
    memory = recurrence.empty(4)
    for t in range(6):
        torch.testing.assert_close(recurrence.output(memory), outputs[:, t])
        memory = recurrence.step(inputs[:, t], memory)
    torch.testing.assert_close(recurrence(inputs[:, :1]), torch.zeros(4, 1, 5))


@torch.no_grad()
def test_a_step_takes_any_leading_shape() -> None:
    recurrence, inputs = make()
    memory = torch.randn(4, 6, recurrence.memory_size, generator=torch.Generator().manual_seed(2))
    whole = recurrence.step(inputs, memory)
    torch.testing.assert_close(whole[1, 2], recurrence.step(inputs[1, 2], memory[1, 2]))


def test_a_steps_slopes_are_those_of_autograd() -> None:
    recurrence, inputs = make()
    recurrence.double()
    memory = torch.randn(4, recurrence.memory_size, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    given = inputs[:, 0].double()
    with torch.inference_mode():
        following, slopes = recurrence.step_jacobian(given, memory)
    for i in range(len(given)):
        expected = torch.autograd.functional.jacobian(recurrence.step, (given[i], memory[i]))
        torch.testing.assert_close(slopes[i], torch.cat(expected, 1))
        torch.testing.assert_close(following[i], recurrence.step(given[i], memory[i]))


def test_a_packed_state_is_random_in_front_and_known_behind() -> None:
    latent = DiagonalGaussian(torch.tensor([1.0, 2.0]).expand(20_000, -1), torch.tensor([0.04, 0.0]))
    packed = PackedGaussian(latent, torch.tensor([5.0]).expand(20_000, -1))
    sample = packed.rsample(torch.Generator().manual_seed(0))
    assert (sample[:, 1] == 2.0).all() and (sample[:, 2] == 5.0).all()
    assert abs(float(sample[:, 0].std()) - 0.2) < 0.01
    narrow = PackedGaussian(DiagonalGaussian(torch.zeros(2), torch.ones(2)), torch.zeros(3))
    value = torch.tensor([0.5, -1.0, 9.0, 9.0, 9.0])
    expected = torch.distributions.Normal(0, 1).log_prob(value[:2]).sum()
    torch.testing.assert_close(narrow.log_prob(value), expected)
