"""One self-contained HTML page about a run: its figures, the latent space in 3-D and the swing-up."""

from __future__ import annotations

import base64
import html
import json
import os
import tempfile
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from latentrl.colours import cyclic, diverging
from latentrl.figures import DARK, LIGHT, latent_barrel, prediction_strips, to_png, training_curves, wrap

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
        history: the training history, columns ``[N]`` (see `latentrl.figures.training_curves`).
        latents: smoothed means ``[N, 3]`` of held-out sequences, velocity last.
        angle: true angles ``[N]``, radians.
        velocity: true velocities ``[N]``, radians per second.
        strips: true and predicted images, each ``[K, T, H, W]`` in [0, 1].
        swing_up_gif: an animated GIF, or the file that holds one.
    """
    gif = swing_up_gif if isinstance(swing_up_gif, bytes) else swing_up_gif.read_bytes()
    if not gif.startswith((b"GIF87a", b"GIF89a")):
        raise ValueError("the swing-up animation is not a GIF: give an animated GIF's bytes or file")
    parts = {
        "cards": _cards(summary),
        "figures_table": _model_table(summary["model"]),
        "control_rows": _control_rows(summary["control"]),
        "swing_up": _data_uri(gif, "image/gif"),
        "training": _picture(
            training_curves(history, LIGHT),
            training_curves(history, DARK),
            "Training curves: constraint and bound, beta, rate, distortion",
        ),
        "strips": _picture(
            prediction_strips(*strips, theme=LIGHT),
            prediction_strips(*strips, theme=DARK),
            "Pairs of rows: true and predicted images of held-out sequences",
        ),
        "barrel_png": _data_uri(to_png(latent_barrel(latents, angle, velocity), dpi=100), "image/png"),
        "scatter": json.dumps(scatter_data(latents, angle, velocity)),
        "fastest": f"{_fastest(velocity):.1f}",
    }
    _write_atomically(path, fill(resources.files("latentrl").joinpath("assets/report.html").read_text("utf-8"), parts))


def fill(template: str, parts: Mapping[str, str]) -> str:
    """``template`` with every ``{{name}}`` replaced; each part must be used and each place filled."""
    for name, text in parts.items():
        place = "{{" + name + "}}"
        if place not in template:
            raise ValueError(f"the report's template has no place for '{name}'")
        template = template.replace(place, text)
    if "{{" in template:
        raise ValueError(f"the report's template has an unfilled place: {template[template.index('{{') :][:40]!r}")
    return template


def scatter_data(latents: np.ndarray, angle: np.ndarray, velocity: np.ndarray) -> dict[str, Any]:
    """What the 3-D views draw: int16 positions, each axis scaled to its own range, and palette indices."""
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


def _data_uri(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{_base64(data)}"


def _picture(light: Figure, dark: Figure, text: str) -> str:
    return (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{_data_uri(to_png(dark), "image/png")}">'
        f'<img src="{_data_uri(to_png(light), "image/png")}" alt="{html.escape(text)}"></picture>'
    )


def r_squared(value: float) -> str:
    """``value`` with four decimals, more where those would say 1 of a figure that is less."""
    decimals = next((n for n in range(4, 9) if round(value, n) < 1), 4)
    return f"{value:.{decimals}f}"


def scientific(value: float) -> str:
    """``value`` for people, in HTML: 2.1e-4 becomes 2.1 × 10 to the power of -4."""
    if not np.isfinite(value) or value == 0:
        return html.escape(str(value))
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa}&thinsp;×&thinsp;10<sup>{html.escape(str(int(exponent))).replace('-', '−')}</sup>"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}<small>&thinsp;min</small>" if minutes else f"{rest}<small>&thinsp;s</small>"


def _cards(summary: Mapping[str, Any]) -> str:
    model, control = summary["model"], summary["control"]
    cards = [
        (f"{summary['frames_collected']:,}", "frames collected", "random torques; half are held out"),
        (r_squared(model["r2_angle"]), "R² of the angle", "linear read-out of the latent state"),
        (r_squared(model["r2_velocity"]), "R² of the velocity", "never visible in one image"),
        *(
            (f"{result['successes']}<small>&thinsp;/&thinsp;{result['episodes']}</small>", label, "swing-ups that hold")
            for label, result in (("policy", control["policy"]), ("CEM planner", control["cem"]))
        ),
        (_duration(summary["wall_seconds"]), "from nothing to here", f"training {_duration(model['train_seconds'])}"),
    ]
    return "\n".join(
        f'<div class="card"><b>{value}</b><span>{label}</span><i>{note}</i></div>' for value, label, note in cards
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
    return "\n".join(f"<tr><th>{name}</th><td>{value}</td><td>{note}</td></tr>" for name, value, note in rows)


def _control_rows(control: Mapping[str, Mapping[str, int]]) -> str:
    names = {"policy": "Policy, learned by gradients through the model", "cem": "Cross-entropy planner in the model"}
    return "\n".join(
        f"<tr><th>{names.get(key, html.escape(key))}</th><td>{result['successes']} of {result['episodes']}</td></tr>"
        for key, result in control.items()
    )


def _write_atomically(path: Path, text: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
