"""On a GPU nothing is waited for: a training step, a plan and a policy's update on a device that has no numbers.

See `tests/device.py` for what stands in the place of a GPU. What these find on it, a CUDA graph would refuse to record.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest
import torch
from torch import Tensor

from latentrl.agents.imagination import Imagination, PolicyInput
from latentrl.agents.imagined_episodes import ImaginedEpisodes
from latentrl.agents.planners import PLANNERS
from latentrl.agents.policies.analytic_gradient import AnalyticGradient, AnalyticGradientOptions
from latentrl.models import MODELS, build
from latentrl.models.base import WorldModel
from latentrl.models.spec import DataSpec
from latentrl.objectives import OBJECTIVES
from latentrl.objectives.base import ObjectiveSettings
from latentrl.objectives.rewo import REWO
from latentrl.rewards.position import PositionReward
from latentrl.training.building import trainer_for
from latentrl.training.coarse_to_fine import Schedule
from latentrl.training.position_target import PositionTarget
from latentrl.training.settings import TrainSettings
from latentrl.training.trainer import Trainer
from latentrl.types import RateDistortion, Sequences
from tests.conformance.planners import with_horizon
from tests.device import ELSEWHERE, MixesDevices, WaitsForDevice, elsewhere, generators, with_adam_begun

LOW, HIGH = -torch.ones(2), torch.ones(2)

ACTIONS, COUNT, LENGTH = 2, 4, 3
MAY_WAIT = {"ilqr": {"_linalg_eigh", "new_tensor"}}
"""Where planners wait all the same: PyTorch sees whether eigenvalues were found, and the step sizes are made anew."""
EVERYTHING = TrainSettings(
    steps=20, batch=3, sigma_hold=10, sigma_floor=0.01, patience=5, alignment=3.0, matrix_spread=0.3, flat=4.0,
    blur=Schedule(start=3, end=12),
)  # fmt: skip
"""A blur, its wait, sigma's hold and floor, and every penalty."""


def sequences(kind: str) -> Sequences:
    g = torch.Generator().manual_seed(0)
    actions = torch.randn(COUNT, LENGTH - 1, ACTIONS, generator=g)
    if kind == "sensors":
        return Sequences(torch.randn(COUNT, LENGTH, 5, generator=g), actions)
    shape = (COUNT, LENGTH, 8, 8, 1) if kind == "pictures" else (COUNT, LENGTH, 64, 64, 3)
    return Sequences(torch.randint(0, 256, shape, dtype=torch.uint8, generator=g), actions)


def make_model(name: str, data: Sequences, **changes: object) -> WorldModel:
    torch.manual_seed(0)
    known = {setting: value for setting, value in changes.items() if MODELS[name].has_setting(setting)}
    model = build(name, DataSpec.of(data), {**asdict(MODELS[name].settings()), **known})
    model.prepare(data)
    return model


def trainer_elsewhere(model: WorldModel, data: Sequences, objective: str = "rewo") -> Trainer:
    target = PositionTarget(torch.randn(COUNT, LENGTH, 2).to(ELSEWHERE))
    weighing = OBJECTIVES[objective](ObjectiveSettings(1e-3, 10))
    with generators():
        trainer = trainer_for(model.to(ELSEWHERE), weighing, data.to(ELSEWHERE), EVERYTHING, 0, target)
    with_adam_begun(trainer.optimiser)
    return trainer


def step_elsewhere(trainer: Trainer) -> None:
    index, batch, _ = trainer._draw()
    trainer._set_learning_rates()
    with elsewhere():
        trainer.work(index, batch)


@pytest.mark.parametrize("kind", ["pictures", "sensors"])
@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_training_step_of_every_model_waits_for_nothing(name: str, kind: str) -> None:
    data = sequences(kind)
    trainer = trainer_elsewhere(make_model(name, data), data)
    step_elsewhere(trainer)
    assert all(parameter.grad is not None for parameter in trainer.model.parameters())
    # Once Python knows that blur, hold and alignment are over, the step is another.
    trainer.pace.known = EVERYTHING.steps
    step_elsewhere(trainer)


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
def test_no_objective_is_waited_for(objective: str) -> None:
    data = sequences("sensors")
    step_elsewhere(trainer_elsewhere(make_model("ekvae", data), data, objective))


def reward_elsewhere(model: WorldModel) -> PositionReward:
    """A goal is checked where it is made, once."""
    reward = PositionReward(torch.zeros(model.position_size))
    reward.goal = reward.goal.to(ELSEWHERE)
    return reward


def a_plan(name: str) -> Callable[[], Tensor]:
    """One of a planner in a model that has a roll-out of its own, from two states."""
    data = sequences("sensors")
    model = make_model("ekvae", data).requires_grad_(False).to(ELSEWHERE)
    planner = with_horizon(name, LOW, HIGH, 4)
    for bound in ("low", "high"):
        setattr(planner, bound, getattr(planner, bound).to(ELSEWHERE))
    frozen, reward = model.frozen(), reward_elsewhere(model)
    state, generator = torch.zeros(2, model.state_size, device=ELSEWHERE), torch.Generator()
    return lambda: planner.plan(frozen, reward, state, generator=generator)


@pytest.mark.parametrize("name", sorted(PLANNERS))
def test_a_plan_of_every_planner_waits_for_nothing(name: str) -> None:
    plan = a_plan(name)
    with elsewhere(*MAY_WAIT.get(name, ())):
        found = plan()
    assert found.shape == (2, 4, ACTIONS) and found.device == ELSEWHERE


@pytest.mark.parametrize("sees", ["mean", "belief"])
def test_a_policy_s_update_waits_for_nothing(sees: PolicyInput) -> None:
    """The analytic gradient's, through the model, its filter and the policy, with its value bootstrapped."""
    data = sequences("sensors")
    model = make_model("ekvae", data).requires_grad_(False)
    reward = PositionReward(torch.zeros(model.position_size))
    options = AnalyticGradientOptions(horizon=2, batch=4, hidden=(8,), bootstrap=sees == "mean", input=sees)
    learner = AnalyticGradient(model, reward, model.initial_states, LOW, HIGH, options)
    learner.update()
    move_elsewhere(learner)
    with elsewhere():
        mean_reward, norm = learner.step()
    assert mean_reward.device == norm.device == ELSEWHERE


@pytest.mark.parametrize("fresh", [1.0, 0.25])
@pytest.mark.parametrize("sees", ["mean", "belief"])
def test_a_step_of_imagined_episodes_waits_for_nothing(sees: PolicyInput, fresh: float) -> None:
    """What is our own of learning in imagination, restarts included; an algorithm may take arrays."""
    data = sequences("sensors")
    model = make_model("ekvae", data).requires_grad_(False)
    imagination = Imagination(model, model.initial_states, sees, 0.1 if sees == "belief" else 0.0)
    reward = PositionReward(torch.zeros(model.position_size))
    episodes = ImaginedEpisodes(imagination, reward, LOW, HIGH, count=4, fresh=fresh)
    move_elsewhere(episodes)
    for part in (episodes.imagination, episodes.reward):
        move_elsewhere(part)
    with elsewhere():
        found = episodes.step(torch.zeros(4, ACTIONS, device=ELSEWHERE))
        again = episodes.restart(found.terminated | found.truncated)
    assert [list(tensor.shape) for tensor in found[1:]] == [[4], [4], [4]]
    assert all(tensor.device == ELSEWHERE for tensor in (*found, again))


def moved(values: Any) -> Any:
    """Tensors, and tuples of them within tuples, there."""
    if isinstance(values, tuple):
        return type(values)(*map(moved, values))
    return values.to(ELSEWHERE) if isinstance(values, Tensor) else values


def move_elsewhere(holder: object) -> None:
    """Everything that ``holder`` holds, in place, and its parameters' optimiser begun anew."""
    for name, value in vars(holder).items():
        if isinstance(value, Tensor | torch.nn.Module):
            setattr(holder, name, value.to(ELSEWHERE))
    for part in ("dynamics", "model", "reward", "imagination", "_imagination", "_guard", "_episodes"):
        found = getattr(holder, part, None)
        if isinstance(found, tuple):
            setattr(holder, part, moved(found))
        elif found is not None and not isinstance(found, torch.nn.Module):
            move_elsewhere(found)
    if isinstance(holder, AnalyticGradient):
        holder._parameters = list(holder.policy.parameters())
        holder._begin_round(holder.options.learning_rate)
        if holder._critic is not None:
            holder._critic._optimizer = torch.optim.Adam(holder._critic.network.parameters())


# What is refused.


def a_step(fault: Callable[[Tensor], object]) -> None:
    """Forward, backward and an optimiser's step, with a fault in the middle of it."""
    layer = torch.nn.Linear(3, 2).to(ELSEWHERE)
    optimiser = torch.optim.Adam(layer.parameters(), fused=True)
    with_adam_begun(optimiser)
    with elsewhere():
        found = layer(torch.ones(4, 3, device=ELSEWHERE)).square()
        fault(found)
        found.mean().backward()
        optimiser.step()


def test_a_step_without_a_fault_goes_through() -> None:
    a_step(lambda values: torch.where(values > 0, values, -torch.inf))


@pytest.mark.parametrize(
    "fault",
    [
        lambda values: values.detach().mean().item(),
        lambda values: float(values.detach().sum()),
        lambda values: "positive" if values.sum() > 0 else "not",
        lambda values: values[values > 0],
        lambda values: values.masked_select(values > 0),
        lambda values: values.nonzero(),
        lambda values: torch.equal(values, values),
        lambda values: values.unique(),
        lambda values: torch.linalg.inv(values[:2]),
        lambda values: torch.linalg.eigh(values[:2]),
        lambda values: values.repeat_interleave((values[:, 0] > 0).long(), 0),
    ],
    ids="item float if mask select nonzero equal unique inverse eigenvalues repeat".split(),
)
def test_what_waits_for_the_device_is_refused(fault: Callable[[Tensor], object]) -> None:
    with pytest.raises((WaitsForDevice, RuntimeError, NotImplementedError)):
        a_step(fault)


@pytest.mark.parametrize(
    "fault",
    [
        lambda values: values + torch.ones(4, 2),
        lambda values: values @ torch.eye(2),
        lambda values: values.cpu(),
        lambda values: values.tolist(),
        lambda values: torch.tensor([1.0, 2.0], device=values.device),
        lambda values: torch.eye(2).to(ELSEWHERE),
        lambda values: torch.zeros(4, 2).copy_(values),
        lambda values: values[torch.arange(2)],
    ],
    ids="sum product to list tensor from copy index".split(),
)
def test_what_mixes_devices_is_refused(fault: Callable[[Tensor], object]) -> None:
    with pytest.raises((MixesDevices, NotImplementedError)):
        a_step(fault)


class Waiting(REWO):
    """Python decides on beta, as it did before."""

    def update(self, terms: RateDistortion) -> None:
        self.constraint = float(terms.error.detach().mean())


def test_an_objective_that_reads_the_error_is_found_out() -> None:
    data = sequences("sensors")
    trainer = trainer_elsewhere(make_model("ekvae", data), data)
    trainer.objective = Waiting(1e-3)
    with pytest.raises((WaitsForDevice, RuntimeError)):
        step_elsewhere(trainer)
