"""Geodesics and distances along the data: what they cost, and what they tell of a trained pendulum.

    python -m benchmarks.geodesics --run runs/pendulum --data data/pendulum

Told are: processor seconds for 100 geodesics in a latent space of two dimensions, by a decoder of Table A.7; what a
plan of 1000 samples and 30 steps costs by the geodesic distance, as a multiple of what it costs by the Euclidean one;
and, with a run, how much of the angle between pictures each distance explains (section 5.1.4.1).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.timing import compare
from benchmarks.training_step import make_model
from latentrl.agents.planners import CEM, CEMOptions
from latentrl.data_collection.storage import load_ground_truth, load_sequences
from latentrl.geometry.distance_field import GeodesicField
from latentrl.geometry.geodesics import GEODESICS
from latentrl.geometry.metric import chord, curve_length
from latentrl.models.base import WorldModel
from latentrl.models.capabilities import FrameEncoder
from latentrl.numerics.regression import ols_r2
from latentrl.rewards.position import PositionReward
from latentrl.runs.folder import load_model
from latentrl.runs.geodesic_field import position_decoder, training_positions

PAIRS, NODES = 100, 1000
FAST = ("graph", "discretised")
"""Those that angles are explained by; a network's lengths are the chains', at a higher price."""


def seconds_for_pairs(pairs: int = PAIRS, width: int = 512, count: int = NODES) -> dict[str, float]:
    """Processor seconds for ``pairs`` geodesics, by name, whatever is made beforehand included.

    ``width`` is of the decoder's layers, ``count`` of the nodes.
    """
    torch.manual_seed(0)
    layers = (nn.Linear(2, width), nn.Linear(width, width), nn.Linear(width, 256))
    for layer in layers[:2]:
        nn.init.normal_(layer.weight, std=2 * layer.in_features**-0.5)
    decoder = nn.Sequential(layers[0], nn.Tanh(), layers[1], nn.Tanh(), layers[2]).requires_grad_(False)
    nodes, start, end = torch.randn(count, 2), torch.randn(pairs, 2), torch.randn(pairs, 2)
    found = {}
    for name, make in GEODESICS.items():
        begun = time.process_time()
        make(decoder, nodes if name == "graph" else None)(start, end)
        found[name] = time.process_time() - begun
    return found


def cost_of_plans(samples: int = 1000, horizon: int = 30, repeats: int = 9, count: int = NODES) -> dict[str, float]:
    """A plan's cost by the geodesic distance over that by the Euclidean one: median and largest, an EKVAE's plans."""
    model = make_model("joint").requires_grad_(False)
    nodes = model.initial_states(count, torch.Generator().manual_seed(0))[:, : model.position_size]
    field = GeodesicField.of(position_decoder(model), nodes)
    goal, start = nodes[0], model.initial_states(1, torch.Generator().manual_seed(1))
    limit, dynamics = torch.ones(model.spec.action_size), model.frozen()
    planner = CEM(-limit, limit, CEMOptions(horizon=horizon, samples=samples, elites=samples // 10))

    def plan(reward: PositionReward) -> Tensor:
        return planner.plan(dynamics, reward, start, None, torch.Generator().manual_seed(0))

    straight, bent = PositionReward(goal), PositionReward(goal, distance=field.to(goal))
    summary = compare(lambda: plan(bent), lambda: plan(straight), repeats).summary()
    return {"median": summary["ratio"], "largest": summary["ratio_max"]}


@torch.no_grad()
def explained_angles(model: WorldModel, data: Path, pairs: int = PAIRS) -> dict[str, float]:
    """R^2 of the angle between two held-out pictures, from their distance, by what it is measured with."""
    assert isinstance(model, FrameEncoder)
    angle = torch.from_numpy(np.asarray(load_ground_truth(data, "test")["angle"], np.float64)).flatten()
    places = model.encode(load_sequences(data, "test").observations.flatten(0, 1)).mean
    nodes, decoder = training_positions(model, load_sequences(data, "train")), position_decoder(model)
    one, other = torch.randint(len(places), (2, pairs), generator=torch.Generator().manual_seed(0))
    apart = turned(angle[one] - angle[other]).abs()
    start, end = places[one], places[other]
    lengths = {
        "euclid": (end - start).norm(dim=-1),
        "chord": curve_length(decoder, chord(start, end, 200)),
        **{name: GEODESICS[name](decoder, nodes)(start, end).lengths for name in FAST},
    }
    found = {name: ols_r2(length.double().unsqueeze(1).numpy(), apart.numpy()) for name, length in lengths.items()}
    goal = turned(angle).abs().argmin()
    field = GeodesicField.of(decoder, nodes).to(places[goal]).squared(places).sqrt()
    straight, height = (places - places[goal]).norm(dim=-1), turned(angle).abs().numpy()
    found["to a goal, euclid"] = ols_r2(straight.double().unsqueeze(1).numpy(), height)
    found["to a goal, geodesic"] = ols_r2(field.double().unsqueeze(1).numpy(), height)
    return found


def turned(angle: Tensor) -> Tensor:
    """``angle`` in (-pi, pi]."""
    return torch.atan2(angle.sin(), angle.cos())


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.geodesics", description=__doc__)
    parser.add_argument("--run", type=Path, help="the run folder of a trained pendulum")
    parser.add_argument("--data", type=Path, help="its data")
    parser.add_argument("--quick", action="store_true", help="only show that it runs")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    for name, seconds in seconds_for_pairs(*(2, 8, 50) if options.quick else ()).items():
        print(f"100 geodesics, {name}: {seconds:.1f} s" if not options.quick else f"{name}: runs")
    cost = cost_of_plans(*(20, 3, 2, 50) if options.quick else ())
    print(f"a plan by the geodesic distance: {cost['median']:.2f} times, {cost['largest']:.2f} at most")
    if options.run is not None and options.data is not None:
        for name, share in explained_angles(load_model(options.run).requires_grad_(False), options.data).items():
            print(f"R^2 of the angle, {name}: {share:.5f}")


if __name__ == "__main__":
    main()
