"""The yardstick is fair: it computes the same numbers; and the measurement measures."""

from __future__ import annotations

import json
from itertools import count, product
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import geodesics
from benchmarks.__main__ import main
from benchmarks.dynamax_smoother import dynamax_s, inputs, is_there, ours
from benchmarks.eager_ekvae import EagerEKVAE
from benchmarks.image_step import make_recipe
from benchmarks.planning import FORMS
from benchmarks.recursion import forward_backward, recursion_model
from benchmarks.sensor_threads import compare_threads
from benchmarks.shares import KINDS
from benchmarks.timing import Comparison, compare
from benchmarks.training_step import Version, make_model, random_sequences
from latentrl.agents.planners import PLANNERS
from latentrl.geometry.geodesics import GEODESICS
from latentrl.inference.backends import BACKENDS, backend_named, is_installed
from latentrl.models.ekvae import EKVAE

VERSIONS: tuple[Version, ...] = ("joint", "smoother", "filter")


def perturbed_model(version: Version) -> EKVAE:
    """No parameter at a value, such as zero or one, that could hide a missing term."""
    model = make_model(version)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.03)
    return model


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("length", [2, 5])
def test_every_term_of_the_rate_is_equal_in_double_precision(version: Version, length: int) -> None:
    model = perturbed_model(version)
    eager, data = EagerEKVAE(model), random_sequences(3, length)
    posterior = model.encode(model.to_unit(data.observations))
    positions = posterior.rsample(torch.Generator().manual_seed(2))
    terms, expected = (
        m.rate_terms(posterior, positions, data.actions, torch.Generator().manual_seed(3)) for m in (eager, model)
    )
    for name in ("emission", "transition", "posterior"):
        torch.testing.assert_close(getattr(terms, name), getattr(expected, name), rtol=1e-10, atol=1e-10)
    for name in ("encoder", "prior"):  # networks, and so single precision
        torch.testing.assert_close(getattr(terms, name), getattr(expected, name), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("version", VERSIONS)
def test_gradients_of_the_kalman_part_are_equal_in_double_precision(version: Version) -> None:
    model = perturbed_model(version)
    eager, data = EagerEKVAE(model), random_sequences(3, 5)
    # In float64 the library's own parameters lose no digits of the gradient on the way back.
    model.dynamics.double()
    posterior = model.encode(model.to_unit(data.observations))
    gradients = []
    for m in (eager, model):
        positions = posterior.mean.detach().double().requires_grad_()
        terms = m.rate_terms(posterior, positions, data.actions, torch.Generator().manual_seed(3))
        total = (terms.emission + terms.transition + terms.posterior).sum()
        gradients.append(torch.autograd.grad(total, [positions, *m.dynamics.parameters()]))
    for got, expected in zip(*gradients, strict=True):
        assert got.dtype == torch.float64 and got.abs().max() > 0
        torch.testing.assert_close(got, expected, rtol=1e-8, atol=1e-8 * float(expected.abs().max()))


@pytest.mark.parametrize("version", VERSIONS)
def test_rate_distortion_and_all_gradients_are_equal(version: Version) -> None:
    model = perturbed_model(version)
    eager, data = EagerEKVAE(model), random_sequences(3, 5)
    gradients = []
    terms = []
    for m in (eager, model):
        terms.append(m.rate_distortion(data, torch.Generator().manual_seed(2)))
        (terms[-1].distortion + 0.3 * terms[-1].rate).mean().backward()
        gradients.append({name: p.grad for name, p in m.named_parameters()})
    for got, expected in zip(*terms, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)
    for name, reference in gradients[1].items():
        got = gradients[0][name]
        assert (got is None) == (reference is None), name
        if got is not None and reference is not None:
            scale = float(reference.abs().max())
            assert torch.allclose(got.float(), reference, rtol=1e-4, atol=1e-5 * scale), name


@pytest.mark.parametrize("version", VERSIONS[:2])
def test_the_recursion_alone_is_the_same_for_all(version: Version) -> None:
    model = recursion_model(version)
    model.dynamics.double()
    known = forward_backward(EagerEKVAE(model), 5)
    for name in filter(is_installed, BACKENDS):
        model.use_backend(backend_named(name))
        for got, expected in zip(forward_backward(model, 5), known, strict=True):
            assert expected.abs().max() > 0
            scale = float(expected.abs().max())
            # The positions' gradient is in single precision.
            torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6 * scale)


def test_dynamax_smooths_to_the_same() -> None:
    pytest.importorskip("dynamax")
    model, data = recursion_model("smoother"), inputs(5)
    with torch.no_grad():
        for one in (model.dynamics.state_matrices, model.dynamics.control_matrices, model.dynamics.log_noise):
            one.copy_(one[:1].expand_as(one).clone())  # linear, so that F is the Jacobian
    found, known = ours(model, backend_named("reference"), *data)(), dynamax_s(model, *data)()
    np.testing.assert_allclose(found[0].numpy(), np.asarray(known[0]), atol=1e-5)


def test_the_plainly_written_recipe_takes_the_same_step() -> None:
    """Weights after a step: what is done only once, and with less, leads to the same."""
    plain, trainer = (make_recipe(plainly, batch=3, length=5) for plainly in (True, False))
    for one in (plain, trainer):
        one.step = one.settings.settle * 2  # encoder and decoder learn from here on
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    terms, expected = trainer.advance(), plain.advance()
    for got, wanted in zip(terms, expected, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-5)
    gradients = {name: p.grad for name, p in plain.model.named_parameters()}
    for name, parameter in trainer.model.named_parameters():
        reference = gradients[name]
        assert (parameter.grad is None) == (reference is None), name
        if parameter.grad is not None and reference is not None:
            scale = float(reference.abs().max())
            assert torch.allclose(parameter.grad, reference, rtol=1e-3, atol=1e-4 * scale), name
    encoder = "encoder.body.network.0.weight"
    assert not torch.equal(trainer.model.state_dict()[encoder], before[encoder])


def test_the_copy_does_not_train_the_model_it_was_made_from() -> None:
    model = make_model("joint")
    eager = EagerEKVAE(model)
    with torch.no_grad():
        for parameter in eager.parameters():
            parameter.zero_()
    assert all(bool(parameter.any()) for parameter in model.dynamics.parameters())


def test_compare_alternates_and_leaves_out_the_warm_up() -> None:
    order: list[str] = []
    ticks = count()
    result = compare(
        lambda: order.append("slow"), lambda: order.append("fast"), 3, warm_up=1, seconds=lambda: next(ticks) ** 2
    )
    assert order == ["slow", "fast"] * 4
    # Clock readings k^2: an action between readings k and k + 1 takes 2 k + 1; the first four readings warm up.
    assert result == Comparison([9.0, 17.0, 25.0], [13.0, 21.0, 29.0])
    with pytest.raises(ValueError, match="two or more"):
        compare(order.clear, order.clear, 1)


def test_summary_takes_the_ratio_of_each_pair() -> None:
    summary = Comparison([2.0, 8.0, 3.0], [1.0, 2.0, 1.0]).summary()
    assert (summary["ratio"], summary["ratio_min"], summary["ratio_max"]) == (3.0, 2.0, 4.0)
    assert (summary["ratio_lower_quartile"], summary["ratio_upper_quartile"]) == (2.5, 3.5)
    assert (summary["yardstick_seconds"], summary["subject_seconds"]) == (3.0, 1.0)


def test_threads_are_compared_in_turn_and_put_back() -> None:
    before, seen = torch.get_num_threads(), []
    compare_threads(lambda: seen.append(torch.get_num_threads()), repeats=2, cores=2)
    assert seen == [2, 1] * 5 and torch.get_num_threads() == before


@pytest.mark.parametrize("form", FORMS)
def test_pytorch_mppi_is_given_the_same_dynamics(form: str) -> None:
    model = perturbed_model("joint").requires_grad_(False).eval()
    step, g = FORMS[form](model), torch.Generator().manual_seed(0)
    # A stretched state and a column of a wider tensor: what pytorch-mppi hands over.
    starts = (torch.zeros(1, 3).expand(5, -1), torch.randn(5, 3, generator=g))
    actions = 7 * torch.randn(5, 2, 1, generator=g)
    for start, action in zip(starts, actions.unbind(1), strict=True):
        with torch.inference_mode():
            got, again = step(start, action).clone(), step(step(start, action), action)
            expected = model.transition(start, action).mean
            torch.testing.assert_close(got, expected)
            torch.testing.assert_close(again, model.transition(expected, action).mean)


def test_quick_run_prints_a_table_and_writes_the_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--quick", "--output", str(tmp_path / "bench")])
    printed = capsys.readouterr().out
    numbers = json.loads((tmp_path / "bench" / "bench.json").read_text())
    (step,) = numbers["training_step"]
    assert step["eager_ms"] > 0 and step["library_ms"] > 0 and f"{step['ratio']:.2f}" in printed
    recursion = numbers["recursion"]
    assert [row["backend"] for row in recursion] == [name for name in BACKENDS if is_installed(name)]
    assert all(row["eager_ms"] > 0 and f"{row['ratio']:.2f}" in printed for row in recursion)
    assert bool(numbers["extended_smoother"]) == is_there() or "dynamax is not installed" in printed
    for row in numbers["shares"]:
        assert sum(row[kind] for kind in (*KINDS, "rest")) == pytest.approx(1) and 0 < row["recursion"] < 1
    networks = numbers["image_networks"]
    assert networks["conv_ms"] > networks["lean_ms"] > 0, "the lean network is there because it is cheaper"
    assert f"{networks['ratio']:.2f}" in printed
    recipe = numbers["image_recipe"]
    assert recipe["plain_ms"] > 0 and recipe["library_ms"] > 0 and f"{recipe['ratio']:.2f}" in printed
    assert len(numbers["sensor_threads"]) == 2
    assert all(row["one_ms"] > 0 and f"{row['ratio']:.2f}" in printed for row in numbers["sensor_threads"])
    busy = numbers["busy"]
    assert [row["chosen"] for row in busy if row["work"].startswith("16 x")] == [True, False]
    assert all(row["alone_ms"] > 0 and row["beside_ms"] > 0 and f"{row['ratio']:.2f}" in printed for row in busy)
    assert numbers["collection"]["ratio"] > 1, "an array of pendulums slower than a loop over them"
    assert {(row["planner"], row["dynamics"]) for row in numbers["planning"]} == set(product(("mppi", "cem"), FORMS))
    assert all(row["pytorch_mppi_ms"] > 0 and f"{row['ratio']:.2f}" in printed for row in numbers["planning"])
    planned_in = [f"{model}, cem" for model in ("ekvae", "dks", "kvae", "rssm")]
    assert [row["work"] for row in numbers["imagination"]] == [*planned_in, "ekvae, update of a policy"]
    assert all(row["library_ms"] > 0 and f"{row['ratio']:.2f}" in printed for row in numbers["imagination"])
    assert {row["agent"] for row in numbers["control_step"]} == {"policy", *PLANNERS}
    assert all(0 < row["median_ms"] <= row["p99_ms"] for row in numbers["control_step"])
    scale = numbers["scale"]
    assert scale["length"][0]["per_frame_ratio"] == scale["frames"][0]["ratio"] == 1.0
    assert all(0 < row["before_mb"] <= row["peak_mb"] for row in scale["memory"])
    assert all(row["loop_ms"] > 0 and f"{row['ratio']:.2f}" in printed for row in scale["scan"])
    assert [path.name for path in (tmp_path / "bench").iterdir()] == ["bench.json"]


def test_geodesics_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    geodesics.main(["--quick"])
    printed = capsys.readouterr().out
    assert all(f"{name}: runs" in printed for name in GEODESICS) and "a plan by the geodesic distance: " in printed
