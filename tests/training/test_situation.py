"""What a model begins on: nothing, a chart, or coordinates that only tell its pictures apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from latentrl.training.explaining import notes
from latentrl.training.options import TrainOptions
from latentrl.training.recipes import choose
from latentrl.training.situation import Situation, measure
from latentrl.types import Sequences
from tests.arms import explained
from tests.discs import drawn
from tests.inspection.systems import wheel


@pytest.fixture(scope="module")
def far() -> tuple[Sequences, torch.Tensor]:
    """Sequences of a disc in a wide field, and where it is ``[200, 10, 2]``."""
    places = 2 * torch.rand(200, 10, 2, generator=torch.Generator().manual_seed(0)) - 1
    return Sequences(drawn(places), torch.zeros(200, 9, 1)), places


def situation(data: Sequences, model: str = "ekvae", state: int = 4, begun: bool = False) -> Situation:
    options = TrainOptions(
        data=Path("far"), model=model, position_size=2, state_size=state, progress=False, device="cpu"
    )
    return measure(options, data, read_charts=not begun)


def test_a_model_with_a_velocity_for_each_position_begins_on_what_tells_its_pictures_apart(
    far: tuple[Sequences, torch.Tensor],
) -> None:
    data, places = far
    found = situation(data)
    assert found.charted is not None and not found.charted.straight
    assert min(explained(found.charted.places.flatten(0, 1), where.flatten()) for where in places.unbind(-1)) > 0.9
    recipe = choose(found)
    straight = choose(replace(found, charted=found.charted._replace(straight=True)))
    assert recipe.stages.keys() == straight.stages.keys() and "chart start" in recipe.stages
    assert recipe.settings.alignment < straight.settings.alignment
    assert recipe.settings.learning_rates["encoder"] > straight.settings.learning_rates["encoder"]
    assert not notes(found, recipe)


def test_a_training_that_ends_before_its_schedules_is_told_how_many_steps_they_need(
    far: tuple[Sequences, torch.Tensor],
) -> None:
    for state, model, needed in ((4, "ekvae", None), (4, "dks", 1500)):
        found = situation(far[0], model=model, state=state)
        said = {
            steps: [note for note in notes(short, choose(short)) if "fewer steps" in note]
            for steps in (1499, 1500)
            for short in [replace(found, options=replace(found.options, steps=steps))]
        }
        # On a chart sigma is held to the end, whenever that is.
        assert not said[1500] and len(said[1499]) == (needed is not None)
        assert all("--steps 1499" in one and one.endswith(f"up to {needed}") for one in said[1499])


@pytest.mark.parametrize(("model", "needed"), [("ekvae", 500), ("dks", 1500)])
def test_so_is_one_on_sensors(model: str, needed: int) -> None:
    found = situation(wheel(), model=model)
    for steps in (needed - 1, needed):
        short = replace(found, options=replace(found.options, steps=steps))
        said = [note for note in notes(short, choose(short)) if "fewer steps" in note]
        assert len(said) == (steps < needed)
        assert all(note.endswith(f"--steps {steps}, and sigma is held for up to {needed}") for note in said)


def test_with_fewer_velocities_it_does_too_and_is_told_that_more_would_serve(
    far: tuple[Sequences, torch.Tensor],
) -> None:
    found = situation(far[0], state=3)
    assert found.charted is not None and not found.charted.straight
    assert any("--state-size 4" in note for note in notes(found, choose(found)))


def test_a_model_that_cannot_begin_there_does_not(far: tuple[Sequences, torch.Tensor]) -> None:
    other = situation(far[0], model="dks")
    assert other.charted is None and not other.searched


def test_pictures_that_leading_coordinates_tell_need_no_start() -> None:
    angle = torch.linspace(0, 6.28, 1500).view(150, 10)
    ring = drawn(0.5 * torch.stack((angle.sin(), angle.cos()), -1), 16, 16)
    found = situation(Sequences(ring, torch.zeros(150, 9, 1)))
    assert found.charted is None and found.searched, "what was looked for once is not looked for again"
    assert situation(Sequences(ring, torch.zeros(150, 9, 1)), begun=True).searched, "nor when a training goes on"
    assert not situation(Sequences(ring, torch.zeros(150, 9, 1)), "dks", begun=True).searched
