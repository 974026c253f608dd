"""The report about the reacher: its figures, the latent positions, predictions, a film of the goals it reaches."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from latentrl.figures.latents import Colouring, latents
from latentrl.figures.predictions import prediction_strips, sensor_predictions
from latentrl.figures.report import cards, duration, gif, picture, r_squared, scientific, share, table, write_page
from latentrl.figures.training_curves import training_curves

EVERY = 2
"""Of predicted pictures, the first of so many is shown: thirty in a row are too small."""
SENSORS = ("shoulder, rad", "wrist, rad")
NEIGHBOURS = "from states nearby in other sequences: is it known at all, in whatever chart?"
AGENTS = {"policy": "Policy", "cem": "CEM planner"}
TASKS = {"reach": "any pose, to stay there", "reach-ahead": "a pose 25 steps ahead"}


@dataclass(frozen=True)
class Words:
    """What is said differently about angles and about pictures."""

    observations: str
    told: str
    dimension: str
    latent: str
    prediction: str
    shoulder: str
    mean: str


ANGLES = Words(
    observations="noisy joint angles",
    told="is told as the two readings of the joint sensors there",
    dimension="angle",
    latent="The shoulder turns freely, and its sensor counts the turns: a plane.",
    prediction="The first five are shaded.",
    shoulder="from the whole state; the angle itself, turns and all",
    mean="mse_mean_observation",
)
PIXELS = Words(
    observations="64×64 pictures",
    told="is told as one picture",
    dimension="pixel",
    latent="The shoulder's angle closes to a circle, the wrist's does not: it has a limit on either side.",
    prediction=f"The first five are numbered in orange; one of {EVERY} is shown.",
    shoulder="sin and cos of the angle, from the whole state",
    mean="mse_mean_image",
)


def write_report(
    path: Path,
    words: Words,
    summary: Mapping[str, Any],
    history: Mapping[str, np.ndarray],
    positions: np.ndarray,
    angles: np.ndarray,
    predictions: tuple[np.ndarray, np.ndarray],
    control_step: float,
    film: bytes | Path,
) -> None:
    """Write the page to ``path``, whole or not at all.

    Args:
        path: the HTML file; its folder exists.
        words: `ANGLES` or `PIXELS`.
        summary: the contents of ``summary.json``.
        history: the training history, columns ``[N]`` (see `latentrl.figures.training_curves.training_curves`).
        positions: smoothed latent positions ``[N, Da]`` of held-out sequences.
        angles: the true angles ``[N, 2]`` of shoulder and wrist, radians.
        predictions: true and predicted observations, each ``[K, T, 2]`` radians or ``[K, T, H, W, 3]`` in [0, 1].
        control_step: seconds between two observations.
        film: an animated GIF, or the file that holds one.
    """
    learned = "policy" in next(iter(summary["control"].values()))
    if words is PIXELS:
        predicted = picture(
            lambda theme: prediction_strips(*predictions, theme=theme, every=EVERY),
            "Pairs of rows: true and predicted pictures of held-out sequences",
        )
    else:
        predicted = picture(
            lambda theme: sensor_predictions(*predictions, SENSORS, control_step, theme=theme),
            "True and predicted angles of shoulder and wrist in held-out sequences",
        )
    colourings = [
        Colouring("coloured by the shoulder's angle, modulo a turn", angles[:, 0], "angle"),
        Colouring("coloured by the wrist's angle", angles[:, 1], "line"),
    ]
    parts = {
        "observations": words.observations,
        "agents": "a policy and a planner" if learned else "a planner",
        "bring": "bring" if learned else "brings",
        "told": words.told,
        "cards": _cards(summary),
        "film": gif(film),
        "control_rows": _control_rows(summary["control"]),
        "latent_text": words.latent,
        "latent": picture(
            lambda theme: latents(positions, colourings, theme),
            "Latent positions, coloured by the angle of the shoulder and by that of the wrist",
        ),
        "prediction_text": words.prediction,
        "prediction": predicted,
        "training": picture(
            lambda theme: training_curves(history, theme, words.dimension),
            "Training curves: constraint and bound, beta, rate, distortion",
        ),
        "figures_table": _model_table(summary["model"], words),
    }
    write_page(path, "A pictured pose from random motion · latentrl", "reacher.html", parts)


def _cards(summary: Mapping[str, Any]) -> str:
    model = summary["model"]
    reached = [
        (share(result), AGENTS.get(agent, html.escape(agent)), "poses reached and held")
        for agent, result in summary["control"]["reach"].items()
    ]
    slower = min(model["r2_shoulder_velocity"], model["r2_wrist_velocity"])
    return cards(
        [
            (f"{summary['frames_collected']:,}", "frames collected", "random torques, held for a while"),
            (r_squared(min(model["r2_shoulder"], model["r2_wrist"])), "R² of the angles", "the worse of both joints"),
            (r_squared(slower), "R² of the velocities", "the worse of both joints; linear read-out"),
            *reached,
            (duration(summary["wall_seconds"]), "from nothing to here", f"training {duration(model['train_seconds'])}"),
        ]
    )


def _model_table(model: Mapping[str, float], words: Words) -> str:
    per = f"open loop, squared error per {words.dimension}" + (", rad²" if words is ANGLES else "")
    yardstick = ("… of the mean observation", scientific(model[words.mean]), "yardstick: knowing nothing")
    return table(
        [
            ("R² shoulder", r_squared(model["r2_shoulder"]), words.shoulder),
            ("R² wrist", r_squared(model["r2_wrist"]), "from the whole state"),
            ("R² velocity, shoulder", r_squared(model["r2_shoulder_velocity"]), "from the whole state, linearly"),
            ("R² velocity, wrist", r_squared(model["r2_wrist_velocity"]), "from the whole state, linearly"),
            ("… by neighbours, shoulder", r_squared(model["r2_shoulder_velocity_neighbours"]), NEIGHBOURS),
            ("… by neighbours, wrist", r_squared(model["r2_wrist_velocity_neighbours"]), NEIGHBOURS),
            ("Prediction error, mean", scientific(model["mse_predict_mean"]), per),
            ("Prediction error, median", scientific(model["mse_predict_median"]), "over held-out sequences"),
            yardstick,
            ("… of the reconstruction", scientific(model["mse_reconstruction"]), "yardstick: knowing it itself"),
            ("Test ELBO per time step", f"{model['test_elbo_per_step']:.1f}", "nats"),
        ]
    )


def _control_rows(control: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    return table(
        (f"{AGENTS.get(agent, html.escape(agent))}, {TASKS[task]}", _reached(result))
        for task, results in control.items()
        for agent, result in results.items()
    )


def _reached(result: Mapping[str, Any]) -> str:
    errors = [result[name] for name in ("shoulder_error", "wrist_error") if name in result]
    median = f"<br>median error {' / '.join(f'{error:.3f}' for error in errors)} rad" if errors else ""
    return f"{result['successes']} of {result['episodes']}{median}"
