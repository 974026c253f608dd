"""Roll-outs whose states are columns, against the same step by step."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from latentrl.models import build
from latentrl.models.spec import DataSpec
from latentrl.networks import columns
from latentrl.networks.columns import Cell, Layers, Step, follow_columns, parameters_of
from latentrl.networks.dense import mlp
from latentrl.networks.recurrence import Recurrence
from latentrl.types import RolloutDynamics


@pytest.mark.parametrize("outputs", [None, 2])
def test_layers_are_those_of_the_network(outputs: int | None) -> None:
    torch.manual_seed(0)
    network, inputs = mlp((3, 8, 8, 4)), torch.randn(5, 3)
    expected = network(inputs)[:, :outputs]
    layers = Layers(parameters_of(network, outputs), 5)
    torch.testing.assert_close(layers(inputs.T).T, expected)
    torch.testing.assert_close(layers(inputs.T, torch.empty(expected.shape[1], 5)).T, expected)


def test_a_cell_is_the_recurrence() -> None:
    torch.manual_seed(0)
    recurrence = Recurrence(3, 4)
    inputs, memory, out = torch.randn(6, 3), torch.randn(6, 8), torch.empty(8, 6)
    output = Cell(recurrence, 6)(inputs.T, memory.T, out)
    expected = recurrence.step(inputs, memory)
    torch.testing.assert_close(out.T, expected)
    torch.testing.assert_close(output.T, expected[:, :4])


def _adding(count: int) -> Step:
    def step(state: Tensor, control: Tensor, following: Tensor) -> None:
        torch.add(state, control, out=following)

    return step


@pytest.mark.parametrize("lead", [(), (1,), (5,), (2, 3)])
def test_what_is_followed_adds_up(lead: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "BLOCK", 2)
    generator = torch.Generator().manual_seed(0)
    state, controls = torch.randn(*lead, 3, generator=generator), torch.randn(*lead, 4, 3, generator=generator)
    path = follow_columns(_adding, state, controls)
    torch.testing.assert_close(path, state.unsqueeze(-2) + controls.cumsum(-2))


def test_many_may_begin_in_one_state() -> None:
    controls = torch.randn(5, 4, 3, generator=torch.Generator().manual_seed(0))
    path = follow_columns(_adding, torch.ones(1, 3), controls)
    torch.testing.assert_close(path, 1 + controls.cumsum(1))


@pytest.mark.parametrize("name", ["kvae", "rssm"])
def test_a_models_rollouts_can_be_mapped_over(name: str) -> None:
    torch.manual_seed(0)
    model = build(name, DataSpec((4,), "float32", 2, (1.0, 1.0)), {"recurrent_hidden": 8})
    assert isinstance(model, RolloutDynamics)
    state, actions = torch.randn(3, model.state_size), 2 * torch.rand(3, 4, 2) - 1
    expected = model.rollout(state, actions)
    torch.testing.assert_close(torch.func.vmap(model.rollout)(state, actions), expected)
    alike = model.rollout(state, actions[:1].expand_as(actions))
    torch.testing.assert_close(torch.func.vmap(model.rollout, (0, None))(state, actions[0]), alike)
