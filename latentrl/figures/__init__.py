"""Figures: pure functions from arrays to pictures, films and pages. A kind of figure is one file and one line."""

from __future__ import annotations

from latentrl.figures.base import Drawing
from latentrl.figures.belief import BELIEF
from latentrl.figures.coverage import STATE_COVERAGE
from latentrl.figures.imagined import IMAGE_STRIPS, SENSOR_CURVES
from latentrl.figures.latents import LATENTS
from latentrl.figures.predictions import PREDICTION_STRIPS, SENSOR_PREDICTIONS
from latentrl.figures.recordings import ACTION_COVERAGE, ACTION_LAGS
from latentrl.figures.training_curves import TRAINING_CURVES

FIGURES: dict[str, Drawing] = {
    "training_curves": TRAINING_CURVES,
    "latents": LATENTS,
    "prediction_strips": PREDICTION_STRIPS,
    "sensor_predictions": SENSOR_PREDICTIONS,
    "image_strips": IMAGE_STRIPS,
    "sensor_curves": SENSOR_CURVES,
    "belief": BELIEF,
    "state_coverage": STATE_COVERAGE,
    "action_coverage": ACTION_COVERAGE,
    "action_lags": ACTION_LAGS,
}

__all__ = ["FIGURES", "Drawing"]
