"""Let a model imagine sequences from its own first states, show them, and measure how real they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import tyro
from numpy.typing import NDArray

from latentrl.data_collection.behaviour import held_uniform
from latentrl.data_collection.storage import METADATA, load_sequences
from latentrl.figures.imagined import CHANNELS, image_strips, sensor_curves
from latentrl.figures.theme import to_png
from latentrl.figures.video import side_by_side, write_gif
from latentrl.metrics.generation import FEWEST_SEQUENCES, FEWEST_TO_COMPARE, generation_metrics, imagine
from latentrl.metrics.told import told
from latentrl.models.base import WorldModel
from latentrl.models.spec import DataSpec
from latentrl.runs.folder import METRICS, SETTINGS, learn_command, load_model, load_settings
from latentrl.runs.opening import in_use
from latentrl.runs.schema import require
from latentrl.shipped.copies import RUN
from latentrl.support.errors import UserError, reported
from latentrl.support.files import read_json, write_bytes, write_json
from latentrl.support.locks import claimed
from latentrl.support.options import check_one_or_more, check_seed, default_hint
from latentrl.support.printing import say
from latentrl.types import is_image_shape

STRIP, ANIMATION = "imagined.png", "imagined.gif"
FRAMES_PER_SECOND = 10
DEFAULT_LENGTH = 15


@dataclass(frozen=True)
class ImagineOptions:
    """Let a model imagine sequences from its own first states, and measure how real they are."""

    run: Annotated[Path, RUN]
    """The run folder of a trained model, or zoo:NAME."""
    actions: Annotated[str, tyro.conf.arg(metavar="{random,zero,FILE.npy}")] = "random"
    """Random controls as large as the data's, none, or those of a file: [T - 1, Du], or [N, T - 1, Du] for each."""
    hold: float = 0.0
    """With random actions, the probability that a control is held for another step; 0 draws a fresh one each step."""
    sequences: int = 8
    """Sequences to imagine."""
    length: Annotated[int | None, default_hint("15, or FILE's", "INT")] = None
    """Observations in each sequence."""
    sample: tyro.conf.FlagCreatePairsOff[bool] = False
    """Draw every next state with the model's process noise; otherwise follow the mean."""
    data: Annotated[Path | None, default_hint("what the run was trained on", "FOLDER")] = None
    """The data folder whose test split the imagined sequences are measured against."""
    seed: int = 0
    """Of first states, controls and noise."""


def imagine_run(options: ImagineOptions) -> dict[str, float]:
    """Write ``imagined.png`` (and ``imagined.gif`` of images) and add the two figures to the run's ``metrics.json``.

    Returns:
        The figures of :func:`~latentrl.metrics.generation.generation_metrics`; empty where the run's data is gone.

    Raises:
        UserError: no finished model, unsuitable controls or data, a bad number; another process imagines there.
    """
    _check(options)
    with in_use(options.run):
        require(load_settings(options.run), options.run / SETTINGS, "options.data")
        with claimed(options.run / STRIP):
            return _imagine(options)


def main(argv: Sequence[str] | None = None) -> None:
    """``latentrl imagine``."""
    with reported():
        imagine_run(tyro.cli(ImagineOptions, args=argv, prog="latentrl imagine"))


def _imagine(options: ImagineOptions) -> dict[str, float]:
    model = load_model(options.run).requires_grad_(False)
    actions = torch.from_numpy(_actions(options, model.spec, load_settings(options.run).get("data", {})))
    generator = torch.Generator().manual_seed(options.seed)
    states = imagine(model, actions, generator, options.sample)
    # All that may fail comes before anything is written.
    (figures, said), metrics = _measured(model, options), options.run / METRICS
    known = read_json(metrics, "delete it") if metrics.is_file() else {}
    said += _draw(model.emission(states).mean.numpy(), options.run)
    said += _keep(known, figures, options)
    # All is kept before anything is printed, for nobody may read it.
    print("\n".join(said))
    if figures:
        print("\n".join(told(figures)))
    following = learn_command(options.run, Path(load_settings(options.run)["options"]["data"]))
    if following is not None:
        print(f"next: {following}")
    return figures


def _check(options: ImagineOptions) -> None:
    check_seed(options.seed)
    check_one_or_more(sequences=options.sequences)
    if options.length is not None and options.length < 2:
        raise UserError(f"--length {options.length}: give two or more")
    if not 0.0 <= options.hold < 1.0:
        raise UserError(f"--hold {options.hold}: give a probability below 1")
    if options.hold > 0 and options.actions != "random":
        raise UserError(f"--hold {options.hold}: belongs to --actions random; leave it out for {options.actions}")


def _actions(options: ImagineOptions, spec: DataSpec, recorded: Mapping[str, Any]) -> NDArray[np.float32]:
    """Controls ``[N, T - 1, Du]`` in the environment's units; random ones as far as the data and its bounds go."""
    scale = np.asarray(spec.action_scale, np.float32)
    low = np.maximum(-scale, np.asarray(recorded.get("action_low", -scale), np.float32))
    high = np.minimum(scale, np.asarray(recorded.get("action_high", scale), np.float32))
    steps = (options.length or DEFAULT_LENGTH) - 1
    if options.actions == "random":
        return held_uniform(
            np.random.default_rng(options.seed), low, high, options.sequences, steps, options.hold
        ).astype(np.float32)
    if options.actions == "zero":
        return np.zeros((options.sequences, steps, spec.action_size), np.float32)
    given = _read_actions(Path(options.actions), options.sequences, spec.action_size)
    if options.length not in (None, given.shape[1] + 1):
        raise UserError(
            f"--length {options.length}: {options.actions} holds {given.shape[1]} steps; leave --length out, or give "
            f"{given.shape[1] + 1}"
        )
    largest = np.abs(given).max((0, 1))
    if (largest > 1.01 * scale).any():
        say(f"note: {options.actions} reaches {largest}, the data no more than {scale}: the model extrapolates")
    return given


def _read_actions(path: Path, sequences: int, size: int) -> NDArray[np.float32]:
    """The controls ``[N, T - 1, Du]`` in a ``.npy`` file, those of one sequence repeated ``sequences`` times."""
    try:
        found: Any = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise UserError(f"--actions {path}: there is no such file; give random, zero or a .npy file") from error
    except (ValueError, OSError, EOFError) as error:
        raise UserError(f"--actions {path}: is no .npy file of numbers ({error}); write one with numpy.save") from error
    fits = isinstance(found, np.ndarray) and found.dtype.kind in "fiu" and found.ndim in (2, 3) and found.size > 0
    if not fits or found.shape[-1] != size:
        shape = getattr(found, "shape", type(found).__name__)
        raise UserError(f"--actions {path}: holds {shape}; give numbers [T - 1, {size}] or [N, T - 1, {size}]")
    if not np.isfinite(found).all():
        raise UserError(f"--actions {path}: holds numbers that are not finite; every control must be")
    given = found.astype(np.float32)
    return np.repeat(given[None], sequences, axis=0) if given.ndim == 2 else given


def _draw(values: NDArray[np.float32], folder: Path) -> list[str]:
    """Pictures of the observations ``values [K, T, ...]``; returns lines that say what was written."""
    shape = values.shape[2:]
    # Of other channels there is no picture to look at, such as of frames that are stacked.
    pictures = is_image_shape(shape) and shape[-1] in CHANNELS
    figure = image_strips(values) if pictures else sensor_curves(values)
    write_bytes(folder / STRIP, to_png(figure))
    said = [f"{folder / STRIP}: {len(values)} imagined sequences of {values.shape[1]} steps"]
    if pictures:
        pixels = (values.clip(0, 1) * 255).round().astype(np.uint8)
        # Wide enough to see, and not wider than a page.
        size = max(32, min(128, 1200 // len(pixels)))
        frames = [
            side_by_side({str(k + 1): pixels[k, t] for k in range(len(pixels))}, size) for t in range(values.shape[1])
        ]
        write_gif(folder / ANIMATION, frames, FRAMES_PER_SECOND)
        said.append(f"{folder / ANIMATION}: the same, moving")
    return said


def _measured(model: WorldModel, options: ImagineOptions) -> tuple[dict[str, float], list[str]]:
    """The two figures against the test split, none where the run's data is gone; and lines that say what is missing."""
    recorded = Path(load_settings(options.run)["options"]["data"])
    folder = options.data or recorded
    if options.data is None and not (folder / METADATA).is_file():
        return {}, [f"{folder} is no longer there: imagined, not measured; name the data with --data"]
    test = load_sequences(folder, "test")
    try:
        model.check_observation(test.observations)
        figures = generation_metrics(model, test, torch.Generator().manual_seed(options.seed))
    except ValueError as error:
        raise UserError(f"--data {folder}: {error}") from error
    if len(test) >= FEWEST_SEQUENCES:
        return figures, []
    few = (
        f"{folder}: has {len(test)} held-out sequence{'s' * (len(test) > 1)}: how real first states are takes "
        f"{FEWEST_SEQUENCES}, how real sequences are {FEWEST_TO_COMPARE}"
    )
    return figures, [few]


def _keep(known: Mapping[str, Any], figures: dict[str, float], options: ImagineOptions) -> list[str]:
    """Add the figures to those that are ``known`` of the run; returns lines that say so."""
    if not figures:
        return []
    path = options.run / METRICS
    write_json(path, {**known, **figures})
    folder = options.data or load_settings(options.run)["options"]["data"]
    return [f"{path}: how real they are, against the held-out sequences of {folder}"]


if __name__ == "__main__":
    main()
