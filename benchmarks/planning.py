"""Planning against pytorch-mppi on the same learned dynamics, and what one control step of each agent costs."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from pytorch_mppi import MPPI as YardstickMPPI
from torch import Tensor

from benchmarks.timing import Comparison, compare, one_thread
from benchmarks.training_step import SHAPE, make_model
from latentrl.agents import Controller, LatentAgent, PlannerController, PolicyController
from latentrl.agents.planners import CEM, MPPI, PLANNERS, CEMOptions, MPPIOptions
from latentrl.agents.policies.analytic_gradient import AnalyticGradient, AnalyticGradientOptions
from latentrl.agents.policies.mlp import MLPPolicy
from latentrl.models import build
from latentrl.models.base import WorldModel
from latentrl.models.ekvae import EKVAE
from latentrl.models.spec import DataSpec
from latentrl.rewards.position import PositionReward
from latentrl.types import Belief, Dynamics, Planner

Step = Callable[[Tensor, Tensor], Tensor]

BOUND = torch.tensor([7.0])
GOAL = torch.tensor([0.5, -0.5])


def as_is(model: EKVAE) -> Step:
    """The model's transition, called as one finds it."""
    return lambda state, action: model.transition(state, action).mean


def hoisted(model: EKVAE) -> Step:
    """The model's transition with its weights laid out once, outside the loop."""
    frozen = model.frozen()
    return lambda state, action: frozen.transition(state, action).mean


def fused(model: EKVAE) -> Step:
    """Hoisted, and written for speed: the noise left out, a bias added by the product it belongs to, in place."""
    w = model.frozen().weights(torch.float32)
    first = torch.cat((w.state_in, w.control_in / w.control_scale[:, None]))
    dynamics = w.dynamics.unflatten(1, (model.state_size, -1)).clone()
    dynamics[:, :, model.state_size :] /= w.control_scale
    ((second, bias),) = [(weight.contiguous(), bias) for weight, bias in w.layers]
    mixing = dynamics.flatten(1)

    def step(state: Tensor, action: Tensor) -> Tensor:
        both = torch.cat((state, action), 1)
        alpha = torch.addmm(bias, torch.addmm(w.bias_in, both, first).relu_(), second).softmax(1)
        return torch.bmm((alpha @ mixing).view(len(state), model.state_size, -1), both.unsqueeze(2)).squeeze(2)

    return step


def columns(model: EKVAE) -> Step:
    """Fused, with the states as columns of buffers that are used again: the library's own inner loop, a step a call."""
    w = model.frozen().weights(torch.float32)
    size = model.state_size
    first = torch.cat((w.state_in, w.control_in / w.control_scale[:, None])).T.contiguous()
    dynamics = w.dynamics.unflatten(1, (size, -1)).clone()
    dynamics[:, :, size:] /= w.control_scale
    mixing = dynamics.flatten(1).T.contiguous()
    first_bias = w.bias_in[:, None]
    ((second, second_bias),) = [(weight.T.contiguous(), bias[:, None]) for weight, bias in w.layers]
    buffers: dict[int, tuple[Tensor, ...]] = {}

    def step(state: Tensor, action: Tensor) -> Tensor:
        count = len(state)
        if count not in buffers:
            rows = (first.shape[1], len(first), len(second), len(second), len(mixing))
            buffers[count] = tuple(state.new_empty(n, count) for n in rows)
        both, hidden, logits, alpha, mixed = buffers[count]
        both[:size] = state.T
        both[size:] = action.T
        torch.addmm(first_bias, first, both, out=hidden).relu_()
        torch.addmm(second_bias, second, hidden, out=logits)
        torch.softmax(logits, 0, out=alpha)
        torch.mm(mixing, alpha, out=mixed)
        return mixed.view(size, -1, count).mul_(both).sum(1).T

    return step


FORMS: dict[str, Callable[[EKVAE], Step]] = {"as is": as_is, "hoisted": hoisted, "fused": fused, "columns": columns}
"""The dynamics that pytorch-mppi is given, from what a user would write first to the best that we could."""


def planners(samples: int, horizon: int) -> dict[str, Planner]:
    """One iteration each, as pytorch-mppi makes one a command."""
    return {
        "mppi": MPPI(-BOUND, BOUND, MPPIOptions(horizon=horizon, samples=samples, iterations=1)),
        "cem": CEM(-BOUND, BOUND, CEMOptions(horizon=horizon, samples=samples, iterations=1, elites=samples // 10)),
    }


def compare_planning(planner: Planner, form: str, samples: int, horizon: int, repeats: int) -> Comparison:
    """Commands one after another, warm-started, from one state; the model is the default one for small images.

    Args:
        planner: the subject.
        form: the yardstick's dynamics, one of ``FORMS``.
        samples: action sequences N of the yardstick; the planner has its own.
        horizon: their length H, likewise.
        repeats: commands of each.
    """
    model = make_model("joint").requires_grad_(False).eval()
    step = FORMS[form](model)
    state = torch.tensor([[0.1, 0.2, -0.3]])
    yardstick = YardstickMPPI(
        step,
        lambda state, action: (state[:, :2] - GOAL).square().sum(1),
        nx=model.state_size,
        noise_sigma=torch.eye(1),
        num_samples=samples,
        horizon=horizon,
        u_min=-BOUND,
        u_max=BOUND,
        U_init=torch.zeros(horizon, 1),
    )
    subject = PlannerController(planner, model.frozen(), PositionReward(GOAL))
    belief = Belief(state, torch.eye(3)[None])
    with one_thread(), torch.inference_mode():
        return compare(lambda: yardstick.command(state[0]), lambda: subject(belief), repeats, warm_up=3)


class Alone:
    """A transition that can do nothing but its step, one after another."""

    def __init__(self, dynamics: Dynamics) -> None:
        self.transition = dynamics.transition


def compare_freezing(model: WorldModel, planner: Planner, repeats: int) -> Comparison:
    """A plan, warm-started, in the model's own transition and in its frozen one.

    Args:
        model: whose states begin with three dimensions, two of them position; a memory behind them is empty.
        planner: for one action.
        repeats: plans of each.
    """
    mean = torch.zeros(1, model.state_size)
    mean[0, :3] = torch.tensor([0.1, 0.2, -0.3])
    belief, reward = Belief(mean, torch.eye(3)[None]), PositionReward(GOAL)
    own, frozen = (PlannerController(planner, dynamics, reward) for dynamics in (Alone(model), model.frozen()))
    with one_thread(), torch.inference_mode():
        return compare(lambda: own(belief), lambda: frozen(belief), repeats, warm_up=2)


def compare_learning(repeats: int, options: AnalyticGradientOptions) -> Comparison:
    """An update of the analytic gradient's policy: automatic differentiation, and by hand."""
    model = make_model("joint").requires_grad_(False).eval()
    first, second = (
        AnalyticGradient(dynamics, PositionReward(GOAL), model.initial_states, -BOUND, BOUND, options)
        for dynamics in (Alone(model), model.frozen())
    )
    with one_thread():
        return compare(first.update, second.update, repeats, warm_up=2)


def make_untrained(name: str) -> WorldModel:
    """A model of the default sizes for 16 x 16 images, by its name on the command line."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = build(name, DataSpec(SHAPE, "uint8", 1, (float(BOUND),)), {"position_size": 2})
    return made.requires_grad_(False).eval()


def controllers(model: EKVAE) -> dict[str, Controller]:
    """A learned policy's network, and every planner with its default options."""
    policy = MLPPolicy(-BOUND, BOUND, torch.zeros(model.state_size), torch.ones(model.state_size))
    found: dict[str, Controller] = {"policy": PolicyController(policy.requires_grad_(False))}
    for name, planner in PLANNERS.items():
        found[name] = PlannerController(planner(-BOUND, BOUND), model.frozen(), PositionReward(GOAL))
    return found


def time_control_steps(controller: Controller, model: EKVAE, steps: int) -> list[float]:
    """Processor seconds of each of ``steps`` actions in one pendulum: filter a picture, then decide."""
    pictures = np.random.default_rng(0).integers(0, 256, (steps + 2, 1, *SHAPE), dtype=np.uint8)
    agent = LatentAgent(model, controller)
    agent.reset(0)
    seconds = []
    with one_thread():
        for picture in pictures:
            start = time.process_time()
            agent.act(picture)
            seconds.append(time.process_time() - start)
    return seconds[2:]  # the first has no belief to filter, the second meets everything for the first time
