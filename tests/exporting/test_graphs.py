"""Graphs of fixed operations: what PyTorch traces of each model and policy is what the agent does."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from latentrl.agents import LatentAgent, PolicyController
from latentrl.agents.policies import MLPPolicy
from latentrl.exporting.graphs import BEGIN, INPUTS, STEP, Begin, Step, drawn_once, examples
from latentrl.inference.emission_filter import EmissionFilter
from latentrl.models import MODELS, build
from latentrl.models.base import WorldModel
from latentrl.models.spec import DataSpec

SPEC = DataSpec((4, 4, 1), "uint8", 2, (2.0, 3.0))
SMALL = {
    "hidden": (6,),
    "decoder_hidden": (6,),
    "transition_hidden": (6,),
    "encoder_hidden": (6,),
    "head_hidden": (4,),
    "gate_hidden": (4,),
    "prior_hidden": (4,),
    "recurrent_hidden": 4,
    "recognition_hidden": 4,
    "base_matrices": 2,
}


def small_model(name: str) -> WorldModel:
    fields = inspect.signature(MODELS[name].settings).parameters
    torch.manual_seed(0)
    return build(name, SPEC, {key: value for key, value in SMALL.items() if key in fields}).requires_grad_(False).eval()


def steep_policy(model: WorldModel, kind: Any = "mean") -> MLPPolicy:
    features = model.state_size + (model.latent_size if kind == "belief" else 0)
    low, high = torch.tensor([-1.0, -2.0]), torch.tensor([3.0, 2.0])
    policy = MLPPolicy(low, high, torch.zeros(features), torch.ones(features), (4,), kind)
    torch.nn.init.normal_(policy.layers[-1].weight, generator=torch.Generator().manual_seed(1))  # type: ignore[arg-type]
    return policy.requires_grad_(False).eval()


def frames(count: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (count, *SPEC.observation_shape), dtype=np.uint8))


@pytest.mark.filterwarnings("ignore:The tensor attributes")
@pytest.mark.parametrize("name", ["kvae", "rssm", "dvbs"])
def test_a_traced_step_is_the_agent_s(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the frame and without; a trace holds no branch that the example alone has taken.

    The EKVAE goes all the way to a file in ``tests/test_export.py``; dks, dkf and dvbf are filtered as dvbs is.
    """
    short = partial(EmissionFilter, iterations=2, particles=100, effective=4.0)
    monkeypatch.setattr("latentrl.models.deep_ssm.EmissionFilter", short)
    model = small_model(name)
    controller = PolicyController(steep_policy(model, "belief"))
    agent, (first, *later), given = LatentAgent(model, controller), frames(4), examples(model)
    with torch.no_grad(), drawn_once(model, given[BEGIN][0]):
        begin, step = (
            torch.export.export(graph(model, controller), given[key], strict=False).module()
            for key, graph in ((BEGIN, Begin), (STEP, Step))
        )
        answer = begin(first)
        expected = [agent.act(first.numpy())]
        found = [answer[2]]
        for frame, seen in zip(later, (True, False, True), strict=True):
            answer = step(*answer, frame, torch.tensor(seen))
            expected.append(agent.act(frame.numpy(), seen))
            found.append(answer[2])
    np.testing.assert_allclose(torch.stack(found).numpy(), np.stack(expected), atol=1e-5)
    assert np.ptp(np.stack(expected), 0).max() > 1e-3, "a policy that always does the same proves nothing"
    torch.testing.assert_close(answer[0], agent.belief.mean[0].double(), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(answer[1], agent.belief.covariance[0].double(), atol=1e-5, rtol=1e-5)


def test_the_names_of_inputs_are_those_of_the_arguments() -> None:
    for name, graph in ((BEGIN, Begin), (STEP, Step)):
        code = graph.forward.__code__
        assert INPUTS[name] == code.co_varnames[1 : code.co_argcount]


def test_what_a_filter_draws_once_is_given_again() -> None:
    model, frame = small_model("dks"), frames(1)[0]
    before = model.initial_belief(frame[None])
    with drawn_once(model, frame):
        first, again = (model.initial_states(4096, torch.Generator().manual_seed(seed)) for seed in (0, 1))
        assert first is again
        assert torch.equal(model.initial_belief(frame[None]).mean, before.mean)
    assert not torch.equal(model.initial_states(5, torch.Generator().manual_seed(1)), first[:5])


@pytest.mark.parametrize("algorithm", ["SAC", "TD3", "PPO"])
def test_a_policy_of_stable_baselines3_is_traced_and_acts_as_the_library_does(algorithm: str) -> None:
    pytest.importorskip("stable_baselines3")
    from latentrl.agents.policies.stable_baselines_policy import StableBaselinesPolicy, isolated_randomness
    from latentrl.exporting.onnx import quiet

    low, high, size = torch.tensor([-1.0, -2.0]), torch.tensor([3.0, 2.0]), 3
    with isolated_randomness():
        torch.manual_seed(0)
        made = StableBaselinesPolicy(algorithm, {"net_arch": [4]}, low, high, torch.zeros(size), torch.ones(size))
    policy = made.requires_grad_(False).eval()

    class Asked(torch.nn.Module):
        def forward(self, mean: torch.Tensor) -> torch.Tensor:
            return policy(mean)

    states = 5 * torch.randn(6, size, generator=torch.Generator().manual_seed(1))
    unit, _ = policy.network.predict(states.numpy(), deterministic=True)
    expected = torch.lerp(low, high, 0.5 * (torch.from_numpy(unit) + 1.0)).clamp(low, high)
    assert torch.equal(policy(states), expected), "bit for bit, in spite of tensors in the place of arrays"
    with quiet():
        traced = torch.export.export(Asked(), (torch.zeros(6, size),), strict=False).module()
    torch.testing.assert_close(traced(states), expected)
    assert torch.distributions.Distribution._validate_args == __debug__, "distributions no longer check anything"
