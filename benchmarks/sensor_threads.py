"""What a model of sensors does, with a thread for every core and with one, in wall time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import torch

from benchmarks.timing import Comparison, compare, one_thread
from latentrl.agents import PlannerController
from latentrl.agents.planners import CEM, CEMOptions
from latentrl.models.ekvae import EKVAE, EKVAESettings
from latentrl.models.spec import DataSpec
from latentrl.objectives.rewo import REWO
from latentrl.rewards.position import PositionReward
from latentrl.training.building import trainer_for
from latentrl.training.recipes import SENSORS_GATE, for_quiet_sensors
from latentrl.training.settings import TrainSettings
from latentrl.types import Belief, Sequences

LENGTH = 30


def make_model(seed: int = 0) -> EKVAE:
    """An untrained EKVAE of the reacher's joint angles, of the sizes that `latentrl quickstart` gives it."""
    settings = EKVAESettings(state_size=4, position_size=2, gate_hidden=SENSORS_GATE, standardise=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return EKVAE(DataSpec((2,), "float32", 2, (0.5, 0.5)), settings)


def training_step(batch: int, length: int = LENGTH) -> Callable[[], object]:
    """A step of :class:`latentrl.training.trainer.Trainer` by the recipe for sensors, on noise."""
    generator = torch.Generator().manual_seed(0)
    angles = torch.randn(2 * batch, length, 2, generator=generator).cumsum(1)
    torques = torch.rand(2 * batch, length - 1, 2, generator=generator) - 0.5
    data = Sequences(angles, torques)
    model = make_model()
    assert model.standard is not None
    model.standard.fit(angles.flatten(0, 1))
    settings = for_quiet_sensors(TrainSettings(batch=batch))
    return trainer_for(model, REWO(1.0), data, settings, seed=0).advance


def plan(goals: int, options: CEMOptions | None = None) -> Callable[[], object]:
    """A command of CEM, with default options if there are none, for as many arms as there are ``goals``."""
    model = make_model().requires_grad_(False).eval()
    planner = CEM(-torch.ones(2), torch.ones(2), options)
    controller = PlannerController(planner, model.frozen(), PositionReward(torch.tensor([0.5, -0.5])))
    belief = Belief(torch.zeros(goals, 4), 1e-4 * torch.eye(4).expand(goals, -1, -1))
    return lambda: controller(belief)


def compare_threads(work: Callable[[], object], repeats: int, cores: int | None = None) -> Comparison:
    """``work`` with ``cores`` threads, by default a thread for every core, and with one; wall seconds.

    Args:
        work: what is timed.
        repeats: of either.
        cores: threads of the yardstick.
    """

    def with_threads(count: int) -> None:
        torch.set_num_threads(count)
        work()

    with one_thread():
        return compare(
            lambda: with_threads(cores or os.cpu_count() or 1),
            lambda: with_threads(1),
            repeats,
            warm_up=3,
            seconds=time.perf_counter,
        )
