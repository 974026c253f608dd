"""The verb: pictures and figures from a run folder, and its clear errors."""

from __future__ import annotations

import json
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from latentrl.data_collection.storage import write
from latentrl.imagine import ImagineOptions, imagine_run, main
from latentrl.metrics.generation import imagine
from latentrl.metrics.held_out import evaluate_model
from latentrl.models.base import WorldModel
from latentrl.models.ekvae import EKVAE, EKVAESettings
from latentrl.models.spec import DataSpec
from latentrl.runs.folder import load_model, model_settings
from latentrl.runs.tensors import write_tensors
from latentrl.support.errors import UserError
from latentrl.support.files import write_json
from latentrl.types import Trajectory
from tests.unread import Unread

IMAGES, SENSORS = (6, 6, 1), (3,)


def make_run(folder: Path, shape: tuple[int, ...], sequences: int = 20) -> Path:
    """An untrained model's run folder, and the data it names, with so many held-out sequences."""
    dtype = "uint8" if len(shape) == 3 else "float32"
    rng = np.random.default_rng(0)
    data, run = folder / "data", folder / "run"
    data.mkdir()
    run.mkdir()
    trajectories = [
        Trajectory((rng.random((5, *shape)) * 255).astype(dtype), rng.normal(size=(4, 1)).astype(np.float32))
        for _ in range(sequences)
    ]
    write(data, "test", trajectories, {"action_low": [-4.0], "action_high": [4.0]})
    torch.manual_seed(0)
    settings = EKVAESettings(base_matrices=2, hidden=(8,), gate_hidden=(4,), prior_hidden=(4,))
    model = EKVAE(DataSpec(shape, dtype, 1, (2.0,)), settings)
    write_json(run / "settings.json", {"model": model_settings("ekvae", model), "options": {"data": str(data)}})
    write_tensors(run / "model.safetensors", model.state_dict())
    return run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path, IMAGES)


def test_images_become_a_strip_an_animation_and_two_figures(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_json(run / "metrics.json", {"r2_angle": 0.5})
    figures = imagine_run(ImagineOptions(run, sequences=3, length=7))
    assert {"generated_off_manifold", "generated_energy_distance"} <= figures.keys()
    assert json.loads((run / "metrics.json").read_text()) == {"r2_angle": 0.5, **figures}
    with Image.open(run / "imagined.gif") as animation:
        assert len(list(ImageSequence.Iterator(animation))) == 7
    with Image.open(run / "imagined.png") as strip:
        assert strip.width > 3 * strip.height / 2, "three rows of seven"
    assert not list(run.glob("*.partial"))
    # No goal came with this data, and so there is none to learn for.
    assert "next:" not in capsys.readouterr().out


def test_all_is_kept_where_nobody_reads_what_is_printed(run: Path) -> None:
    with redirect_stdout(Unread()), pytest.raises(BrokenPipeError):
        imagine_run(ImagineOptions(run, sequences=2, length=3))
    assert {"imagined.png", "imagined.gif", "metrics.json"} <= {path.name for path in run.iterdir()}


def test_training_measures_the_same(run: Path, tmp_path: Path) -> None:
    figures = imagine_run(ImagineOptions(run))
    assert figures and figures.items() < evaluate_model(load_model(run), tmp_path / "data").items()


@pytest.mark.parametrize(
    ("sequences", "told"), [(7, {"generated_energy_distance"}), (2, {"generated_energy_distance"}), (1, set())]
)
def test_few_held_out_sequences_tell_what_they_can(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], sequences: int, told: set[str]
) -> None:
    run = make_run(tmp_path, IMAGES, sequences)
    figures = imagine_run(ImagineOptions(run))
    assert {name for name in figures if not name.endswith(("_low", "_high"))} == told
    assert np.isfinite(list(figures.values())).all() and (run / "metrics.json").exists() == bool(told)
    assert f"has {sequences} held-out sequence" in capsys.readouterr().out and (run / "imagined.png").exists()


def test_random_controls_stay_within_what_was_recorded(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As large as the data's, and to the side that the data have."""
    settings = json.loads((run / "settings.json").read_text())
    write_json(run / "settings.json", {**settings, "data": {"action_low": [-0.5], "action_high": [7.0]}})
    seen: list[torch.Tensor] = []

    def watched(model: WorldModel, actions: torch.Tensor, *rest: Any) -> torch.Tensor:
        seen.append(actions)
        return imagine(model, actions, *rest)

    monkeypatch.setattr("latentrl.imagine.imagine", watched)
    imagine_run(ImagineOptions(run, sequences=50))
    assert -0.5 <= float(seen[0].min()) < -0.4 and 1.9 < float(seen[0].max()) <= 2.0


def test_the_same_seed_imagines_the_same_and_other_controls_or_noise_do_not(run: Path) -> None:
    def strip(**changes: object) -> bytes:
        imagine_run(replace(ImagineOptions(run, sequences=2, length=4), **changes))  # type: ignore[arg-type]
        return (run / "imagined.png").read_bytes()

    first = strip()
    assert strip() == first
    for changes in ({"seed": 1}, {"actions": "zero"}, {"sample": True}, {"hold": 0.9}):
        assert strip(**changes) != first, changes


def test_sensors_become_curves_and_no_animation(tmp_path: Path) -> None:
    run = make_run(tmp_path, SENSORS)
    imagine_run(ImagineOptions(run))
    assert (run / "imagined.png").read_bytes().startswith(b"\x89PNG")
    assert not (run / "imagined.gif").exists()


def test_frames_with_channels_that_are_no_colours_become_curves(tmp_path: Path) -> None:
    imagine_run(ImagineOptions(make_run(tmp_path, (6, 6, 2))))
    assert not (tmp_path / "run" / "imagined.gif").exists()


def test_controls_from_a_file(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "controls.npy"
    for shape, rows in (((9, 1), 4), ((2, 9, 1), 2)):
        np.save(path, np.ones(shape))
        imagine_run(ImagineOptions(run, actions=str(path), sequences=4))
        assert f"{rows} imagined sequences of 10 steps" in capsys.readouterr().out
    np.save(path, np.full((9, 1), 5.0))
    imagine_run(ImagineOptions(run, actions=str(path)))
    assert "the model extrapolates" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.ones((9, 2)), r"holds \(9, 2\)"),
        (np.ones(9), r"holds \(9,\)"),
        (np.full((9, 1), np.nan), "not finite"),
        (np.array([["a"]]), "numbers"),
        (np.array([[{}]], dtype=object), "no .npy file of numbers"),
        (None, "no such file"),
    ],
)
def test_a_file_of_unsuitable_controls_is_refused(
    run: Path, tmp_path: Path, content: np.ndarray | None, message: str
) -> None:
    path = tmp_path / "controls.npy"
    if content is not None:
        np.save(path, content, allow_pickle=True)
    with pytest.raises(UserError, match=f"--actions {path}: .*{message}"):
        imagine_run(ImagineOptions(run, actions=str(path)))
    assert not (run / "imagined.png").exists()


@pytest.mark.parametrize(
    "changes",
    [{"sequences": 0}, {"length": 1}, {"hold": 1.0}, {"hold": 0.5, "actions": "zero"}, {"actions": "held"}],
)
def test_bad_options_name_their_flag(run: Path, changes: dict[str, object]) -> None:
    with pytest.raises(UserError, match=f"--{next(iter(changes))} {next(iter(changes.values()))}"):
        imagine_run(replace(ImagineOptions(run), **changes))  # type: ignore[arg-type]


def test_a_length_that_is_not_the_files_is_refused(run: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "controls.npy", np.ones((9, 1)))
    with pytest.raises(UserError, match=r"--length 4: .*give 10"):
        imagine_run(ImagineOptions(run, actions=str(tmp_path / "controls.npy"), length=4))


def test_data_that_is_gone_or_does_not_fit(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").rename(tmp_path / "moved")
    assert imagine_run(ImagineOptions(run)) == {}
    assert "imagined, not measured" in capsys.readouterr().out and not (run / "metrics.json").exists()
    assert imagine_run(ImagineOptions(run, data=tmp_path / "moved"))
    other = tmp_path / "other"
    other.mkdir()
    make_run(other, SENSORS)
    with pytest.raises(UserError, match=r"--data .*\(6, 6, 1\)"):
        imagine_run(ImagineOptions(run, data=other / "data"))


def test_a_missing_run_is_one_line_and_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--run", str(tmp_path / "nowhere")])
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and str(tmp_path / "nowhere") in error and "Traceback" not in error
