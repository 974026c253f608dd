"""Models of sequences with the VampPrior: p(z_1) is the mixture of what they say of single frames."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from latentrl.models import MODELS, build
from latentrl.models.base import WorldModel, first_frames
from latentrl.models.spec import DataSpec
from latentrl.objectives.elbo import ELBO
from latentrl.priors.vamp import VampPrior
from latentrl.runs.tensors import read_tensors, write_tensors
from latentrl.training.building import trainer_for
from latentrl.training.settings import TrainSettings
from latentrl.training.stages.prior import fit_prior
from latentrl.training.trainer import Trainer
from latentrl.types import Sequences
from tests.arms import wander

DATA = wander(120, 4, size=8)[0]


def made(name: str = "ekvae") -> WorldModel:
    torch.manual_seed(0)
    model = build(name, DataSpec.of(DATA), {"state_size": 3, "prior": "vamp"})
    model.prepare(DATA)
    return model


def prior_of(model: WorldModel) -> VampPrior:
    prior = model.initial_distribution
    assert isinstance(prior, VampPrior)
    return prior


@torch.no_grad()
@pytest.mark.parametrize("name", [name for name, entry in MODELS.items() if entry.has_setting("prior")])
def test_the_density_is_that_of_the_smoothed_beliefs_of_single_frames(name: str) -> None:
    model = made(name)
    prior = prior_of(model)
    with torch.no_grad():
        # Beyond what a picture can hold: pseudo-inputs are pictures.
        prior.pseudo_inputs.add_(0.3 * torch.randn(prior.pseudo_inputs.shape))
    frames = prior.pseudo_inputs.clamp(0, 1).unsqueeze(1)
    belief = model.smooth(frames, torch.zeros(len(frames), 0, 2))
    means, covariances = belief.mean[:, 0, :3], belief.covariance[:, 0]
    each = torch.distributions.MultivariateNormal(means, covariances)
    states = each.sample()[:7].float()
    expected = torch.logsumexp(each.log_prob(states.double()[:, None]), 1) - torch.tensor(100.0).log()
    torch.testing.assert_close(prior.bound(states), expected.float(), rtol=1e-4, atol=1e-3)
    drawn = model.initial_states(5000, torch.Generator().manual_seed(0))[:, :3].double()
    spread = (covariances.diagonal(dim1=1, dim2=2) + means.square()).mean(0) - means.mean(0).square()
    torch.testing.assert_close(drawn.mean(0), means.mean(0), rtol=0, atol=0.06 * float(spread.max().sqrt()))
    torch.testing.assert_close(drawn.var(0), spread, rtol=0.15, atol=0.0)


def test_pseudo_inputs_begin_at_first_frames_and_later_ones_where_sequences_are_few() -> None:
    few = DATA[:30]
    observed = few.observations.transpose(0, 1).flatten(0, 1)
    assert torch.equal(first_frames(few, 100), observed[:100])
    spread = torch.tensor([i * 120 // 100 for i in range(100)])
    assert torch.equal(first_frames(DATA, 100), DATA.observations[spread, 0])
    torch.testing.assert_close(prior_of(made()).pseudo_inputs.detach(), DATA.observations[spread, 0] / 255)


def test_a_copy_has_a_prior_of_its_own_encoder() -> None:
    model = made()
    other = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in other.parameter_groups()["encoder"]:
            parameter.mul_(1.1)
    mine, others = (prior_of(one).components().mean for one in (model, other))
    assert not torch.allclose(mine, others)
    torch.testing.assert_close(prior_of(made()).components().mean, mine)


def trainer(seed: int = 0) -> Trainer:
    settings = TrainSettings(steps=8, batch=4, sigma_hold=0, alignment=0.0)
    return trainer_for(made(), ELBO(), DATA, settings, seed)


def test_a_training_moves_pseudo_inputs_and_goes_on_from_a_file_to_the_same_bits(tmp_path: Path) -> None:
    whole, first, second = trainer(), trainer(), trainer(1)
    begun = prior_of(made()).pseudo_inputs.detach()
    for step in range(8):
        whole.advance()
        if step < 5:
            first.advance()
    write_tensors(tmp_path / "state.safetensors", *first.state())
    second.load_state(*read_tensors(tmp_path / "state.safetensors", ""))
    for _ in range(3):
        second.advance()
    ends = [one.model.state_dict() for one in (whole, second)]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    moved = ends[0]["initial_distribution.pseudo_inputs"]
    assert moved.shape == (100, 8, 8, 1) and not torch.equal(moved, begun)
    assert not any(name.startswith("initial_distribution.") and "pseudo" not in name for name in ends[0])


def first_states_bound(model: WorldModel, data: Sequences) -> float:
    with torch.no_grad():
        belief = model.smooth(data.observations, data.actions)
        return float(model.initial_distribution.bound(belief.mean[:, 0].float()).mean())


def test_fitted_alone_it_explains_first_states_better_and_nothing_else_moves() -> None:
    model = made()
    with torch.no_grad():
        prior_of(model).pseudo_inputs.copy_(torch.rand(100, 8, 8, 1))
        # So narrow that it matters which frames they are of.
        model.state_dict()["log_emission_noise"].fill_(-9.0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    lost = first_states_bound(model, DATA)
    fit_prior(model, DATA, 20, progress=False)
    assert first_states_bound(model, DATA) > lost + 0.1
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"initial_distribution.pseudo_inputs"}
