"""How much what is seen differs from the goal's observation, in whatever units the readings are."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from latentrl.envs.measures import OBSERVED
from latentrl.evaluation.nearness import Nearness
from latentrl.models import MODELS, build
from latentrl.models.spec import DataSpec
from latentrl.types import Sequences

UNITS = torch.tensor([1000.0, 1.0, 0.01])


@pytest.mark.parametrize("each", [True, False])
def test_readings_count_by_their_own_deviation_where_the_model_counts_them_so(each: bool, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    waves = torch.randn(20, 6, 3, generator=generator).cumsum(1)
    data = Sequences(waves * UNITS, torch.randn(20, 5, 1, generator=generator))
    changes = {"standardise": True, "each_reading": each, "state_size": 3, "position_size": 2}
    model = build("ekvae", DataSpec((3,), "float32", 1, (1.0,)), {**asdict(MODELS["ekvae"].settings()), **changes})
    model.prepare(data)
    model.eval()
    goal, seen = data.observations[0, 0].numpy(), data.observations[:, 1].numpy()
    watching = Nearness(model, torch.zeros(2), True, goal, tmp_path)
    watching.begin(data.observations[:, 0].numpy())
    found = watching.follow(data.actions[:, 0].numpy(), seen)[OBSERVED]
    scale = data.observations.flatten(0, 1).double().std(0, correction=0).numpy() if each else 1.0
    wanted = np.sqrt((((seen - goal) / scale) ** 2).mean(-1))
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
