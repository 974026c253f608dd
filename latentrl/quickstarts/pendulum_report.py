"""The report about the pendulum: its figures, the latent space in 3-D and the swing-up."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import ListedColormap

from latentrl.figures.colours import cyclic, diverging
from latentrl.figures.latents import Colouring
from latentrl.figures.latents import latents as draw_latents
from latentrl.figures.predictions import prediction_strips
from latentrl.figures.report import (
    asset,
    cards,
    data_uri,
    duration,
    gif,
    picture,
    r_squared,
    scientific,
    share,
    table,
    write_page,
)
from latentrl.figures.theme import to_png, wrap
from latentrl.figures.training_curves import training_curves

MOST_POINTS = 6000
"""Points of the 3-D views: more would only slow them down."""

_PALETTE = 96


def write_report(
    path: Path,
    summary: Mapping[str, Any],
    history: Mapping[str, np.ndarray],
    latents: np.ndarray,
    angle: np.ndarray,
    velocity: np.ndarray,
    strips: tuple[np.ndarray, np.ndarray],
    swing_up_gif: bytes | Path,
) -> None:
    """Write the page to ``path``, whole or not at all.

    Args:
        path: the HTML file; its folder exists.
        summary: the contents of ``summary.json``.
        history: the training history, columns ``[N]`` (see `latentrl.figures.training_curves.training_curves`).
        latents: smoothed means ``[N, 3]`` of held-out sequences, velocity last.
        angle: true angles ``[N]``, radians.
        velocity: true velocities ``[N]``, radians per second.
        strips: true and predicted images, each ``[K, T, H, W]`` in [0, 1].
        swing_up_gif: an animated GIF, or the file that holds one.
    """
    parts = {
        "cards": _cards(summary),
        "figures_table": _model_table(summary["model"]),
        "control_rows": _control_rows(summary["control"]),
        "swing_up": gif(swing_up_gif),
        "training": picture(
            lambda theme: training_curves(history, theme),
            "Training curves: constraint and bound, beta, rate, distortion",
        ),
        "strips": picture(
            lambda theme: prediction_strips(*strips, theme=theme),
            "Pairs of rows: true and predicted images of held-out sequences",
        ),
        **latent_space(latents, angle, velocity),
    }
    write_page(path, "A swing-up from random frames · latentrl", "pendulum.html", parts, "pendulum.js")


def latent_space(latents: np.ndarray, angle: np.ndarray, velocity: np.ndarray) -> dict[str, str]:
    """The parts of a page that shows states ``[N, 3]`` in space, by angle and velocity, each ``[N]``."""
    return {
        "latent_space": asset("latent_space.html").rstrip(),
        "barrel_png": data_uri(barrel_png(latents, angle, velocity), "image/png"),
        "scatter": json.dumps(scatter_data(latents, angle, velocity)),
        "fastest": f"{_fastest(velocity):.1f}",
    }


def barrel_png(latents: np.ndarray, angle: np.ndarray, velocity: np.ndarray) -> bytes:
    """The states ``[N, 3]`` in space, coloured by the true angle and velocity, each ``[N]``."""
    colourings = [
        Colouring("coloured by angle", angle, "angle"),
        Colouring("coloured by velocity", velocity, "velocity"),
    ]
    return to_png(draw_latents(latents, colourings), dpi=100)


def scatter_data(latents: np.ndarray, angle: np.ndarray, velocity: np.ndarray) -> dict[str, Any]:
    """What the 3-D views draw: int16 positions, each axis scaled to its own range, and palette indices.

    Args:
        latents: ``[N, 3]``.
        angle: true angles ``[N]``, radians.
        velocity: true velocities ``[N]``, radians per second.
    """
    if len(latents) > MOST_POINTS:
        chosen = np.random.default_rng(0).choice(len(latents), MOST_POINTS, replace=False)
        latents, angle, velocity = latents[chosen], angle[chosen], velocity[chosen]
    low, high = np.percentile(latents, (1, 99), axis=0)
    scaled = 2 * (latents - low) / np.maximum(high - low, 1e-12) - 1
    fastest = _fastest(velocity)
    return {
        "positions": _base64(np.clip(scaled * 20000, -32767, 32767).astype("<i2").tobytes()),
        "angle": {
            "colours": _base64(_index(wrap(angle), -np.pi, np.pi)),
            "palette": _hex(cyclic(_PALETTE)),
        },
        "velocity": {
            "colours": _base64(_index(velocity, -fastest, fastest)),
            "palette": _hex(diverging(_PALETTE)),
        },
    }


def _fastest(velocity: np.ndarray) -> float:
    return float(np.percentile(np.abs(velocity), 99))


def _index(values: np.ndarray, low: float, high: float) -> bytes:
    return np.clip((values - low) / (high - low) * _PALETTE, 0, _PALETTE - 1).astype(np.uint8).tobytes()


def _hex(colours: ListedColormap) -> list[str]:
    rgb = np.round(np.asarray(colours.colors) * 255).astype(int)
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in rgb]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _cards(summary: Mapping[str, Any]) -> str:
    model, control = summary["model"], summary["control"]
    return cards(
        [
            (f"{summary['frames_collected']:,}", "frames collected", "random torques; half are held out"),
            (r_squared(model["r2_angle"]), "R² of the angle", "linear read-out of the latent state"),
            (r_squared(model["r2_velocity"]), "R² of the velocity", "never visible in one image"),
            (share(control["policy"]), "policy", "swing-ups that hold"),
            (share(control["cem"]), "CEM planner", "swing-ups that hold"),
            (
                duration(summary["wall_seconds"]),
                "from nothing to here",
                f"training {duration(model['train_seconds'])}",
            ),
        ]
    )


def _model_table(model: Mapping[str, float]) -> str:
    rows = [
        ("R² angle", r_squared(model["r2_angle"]), "sin and cos of the angle from the whole state"),
        ("R² velocity", r_squared(model["r2_velocity"]), "from the whole state"),
        (
            "R² angle, position dimensions alone",
            r_squared(model["r2_angle_from_position_dims"]),
            "what one image tells",
        ),
        (
            "R² velocity, velocity dimension alone",
            r_squared(model["r2_velocity_from_velocity_dims"]),
            "what it does not",
        ),
        ("Prediction error, mean", scientific(model["mse_predict_mean"]), "open loop, squared error per pixel"),
        ("Prediction error, median", scientific(model["mse_predict_median"]), "over held-out sequences"),
        ("… of the mean image", scientific(model["mse_mean_image"]), "yardstick: knowing nothing"),
        ("… of the reconstruction", scientific(model["mse_reconstruction"]), "yardstick: knowing the image itself"),
        ("Test ELBO per time step", f"{model['test_elbo_per_step']:.1f}", "nats"),
    ]
    return table(rows)


def _control_rows(control: Mapping[str, Mapping[str, int]]) -> str:
    names = {"policy": "Policy, learned by gradients through the model", "cem": "Cross-entropy planner in the model"}
    return table(
        (names.get(key, html.escape(key)), f"{result['successes']} of {result['episodes']}")
        for key, result in control.items()
    )
