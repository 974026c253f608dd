"""The verb `inspect`, and `train` with the sizes that it suggests."""

from __future__ import annotations

import html
import io
import json
import sys
from pathlib import Path

import pytest
import torch

from latentrl.data_collection import storage
from latentrl.inspect import InspectOptions, inspect_data, main
from latentrl.inspection.summary import PARTS, inspect_sequences
from latentrl.support.errors import UserError
from latentrl.train import train
from latentrl.training.options import AUTO, TrainOptions
from latentrl.types import Sequences, Trajectory
from tests.inspection.systems import spring, table, wheel


def write(folder: Path, data: Sequences, some: int | None = None) -> Path:
    for split in ("train", "test"):
        pairs = zip(data.observations[:some].numpy(), data.actions[:some].numpy(), strict=True)
        size = data.actions.shape[-1]
        storage.write(
            folder,
            split,
            [Trajectory(*pair) for pair in pairs],
            {"action_low": [-1.0] * size, "action_high": [1.0] * size},
        )
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("data") / "a wheel", wheel(0.02))


def test_the_page_holds_all_and_loads_nothing(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(data)])
    said = capsys.readouterr().out
    assert f"next: python -m latentrl.train --data '{data}' --position-size 2 --state-size 4\n" in said
    assert "networks see plain observations: the mean reading is" in said
    page = (data / "inspection.html").read_text()
    assert "a wheel" in page and 'src="http' not in page and "{{" not in page
    found = json.loads((data / "inspection.json").read_text())
    assert found["sizes"]["state_size"] == 4
    assert found["standardise"]["standardise"] is False
    assert found["noise"] == pytest.approx(0.02, rel=0.2)
    assert found["actions"]["shift"] == 0


def test_the_horizon_that_suits_is_said_in_steps_and_seconds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "spring", spring(), some=60)
    metadata = json.loads((folder / "metadata.json").read_text())
    (folder / "metadata.json").write_text(json.dumps({**metadata, "control_step": 0.1, "repeat": 2}))
    inspect_data(InspectOptions(folder))
    line = "a mean period of the motion takes about 20 steps (2 s): a planner's --horizon 20 suits it"
    assert f"\n{line}\n" in capsys.readouterr().out
    assert line in html.unescape((folder / "inspection.html").read_text())
    found = json.loads((folder / "inspection.json").read_text())
    assert found["motion"]["mean_period"] == pytest.approx(20, rel=0.05)
    assert (found["control_step"], found["repeat"]) == (0.1, 2)


def test_readings_in_units_of_their_own_are_spoken_of_one_by_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Millimetres beside amperes: a sum of both would say nothing. One that stands still is said to."""
    data = wheel(0.02)
    seen = torch.cat((1000 * data.observations, data.observations, 0 * data.observations[..., :1]), -1)
    main([str(write(tmp_path / "units", Sequences(seen, data.actions)))])
    said = capsys.readouterr().out
    deviations = seen.flatten(0, 1).double().std(0, correction=0)
    assert (
        f"readings deviate by {', '.join(f'{one:.3g}' for one in deviations)}, each in its own unit; noise at" in said
    )
    found = json.loads((tmp_path / "units" / "inspection.json").read_text())
    share = 0.02 / float(deviations[2:4].mean())
    assert found["noise_share"] == pytest.approx(share * (4 / 5) ** 0.5, rel=0.25)
    assert f"most {found['noise_share']:.2g} of that" in said and "root mean square of a dimension" not in said
    assert "\n1 dimension of an observation never changes\n" in said
    assert "noise at most, of a reading" in html.unescape((tmp_path / "units" / "inspection.html").read_text())


def test_every_part_that_is_done_is_told(data: Path) -> None:
    told = []
    inspect_sequences(wheel(), done=lambda: told.append(1))
    assert len(told) == len(PARTS)


def test_on_a_terminal_there_is_a_bar(data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shown = io.StringIO()
    shown.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", shown)
    inspect_data(InspectOptions(data, out=tmp_path))
    assert "inspect" in shown.getvalue() and f"{len(PARTS)}/{len(PARTS)}" in shown.getvalue()


def test_pictures_are_shown(tmp_path: Path) -> None:
    found = inspect_data(InspectOptions(write(tmp_path / "table", table(), some=60), out=tmp_path / "page"))
    assert found.observation_shape == (24, 24, 1)
    assert (tmp_path / "page" / "inspection.html").is_file()


def test_too_little_and_bad_data_are_named(tmp_path: Path, data: Path) -> None:
    with pytest.raises(UserError, match="5 sequences of 20 observations are too few"):
        inspect_data(InspectOptions(write(tmp_path / "few", wheel(), some=5)))
    with pytest.raises(UserError, match="no split 'all'"):
        inspect_data(InspectOptions(data, split="all"))
    still = Sequences(wheel().observations * 0, wheel().actions)
    with pytest.raises(UserError, match="all observations are the same"):
        inspect_data(InspectOptions(write(tmp_path / "still", still)))


def test_train_takes_the_estimated_sizes(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = TrainOptions(data, tmp_path / "run", recipe="source", steps=1, batch=2, device="cpu", progress=False)
    for name, changes, sizes in (
        ("both", {"state_size": AUTO, "position_size": AUTO}, (2, 4)),
        ("state", {"state_size": AUTO, "position_size": 1}, (1, 2)),
    ):
        run = train(TrainOptions(**{**vars(options), "run": tmp_path / name, **changes}))
        stored = json.loads((run / "settings.json").read_text())["options"]
        assert (stored["position_size"], stored["state_size"]) == sizes
    assert "--position-size 2 --state-size 4" in capsys.readouterr().out
    with pytest.raises(UserError, match="--position-size 2: give 1 to 1, the --state-size, or a larger --state-size"):
        train(TrainOptions(**{**vars(options), "state_size": 1, "position_size": AUTO}))


def test_training_refuses_bad_numbers_before_the_first_step(tmp_path: Path) -> None:
    """Also those that were written before there were checks."""
    folder = write(tmp_path / "data", wheel(), some=20)
    metadata = json.loads((folder / "metadata.json").read_text())
    (folder / "metadata.json").write_text(json.dumps({**metadata, "action_high": [0.5]}))
    with pytest.raises(UserError, match=r"data: test: actions of sequence 0, step \d+, entry 0 is 0.\d+, out of"):
        train(TrainOptions(folder, tmp_path / "run", device="cpu"))
    assert not (tmp_path / "run").exists()
