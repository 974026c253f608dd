"""The reacher observed by its joint angles: Table 4.2a of Latent Matters."""

from __future__ import annotations

from latentrl.studies.definition import Claim, Column, Row, Study, Table, Term

SHOULDER, WRIST = "r2_shoulder", "r2_wrist"
SHOULDER_VELOCITY, WRIST_VELOCITY = "r2_shoulder_velocity", "r2_wrist_velocity"
PREDICTION = "mse_predict_mean"
KEYS = (SHOULDER, WRIST, SHOULDER_VELOCITY, WRIST_VELOCITY, PREDICTION)


def _row(model: str, constrained: bool, figures: tuple[float, ...]) -> Row:
    published = dict(zip(KEYS, figures, strict=True))
    if constrained:
        return Row(f"vhp-{model}-co", f"VHP-{model.upper()} (CO)", model, "rewo", "vhp", published=published)
    label = f"{model.upper()} (annealing)"
    return Row(f"{model}-annealing", label, model, "annealing", "normal", 0.5, published=published)


ROWS = (
    _row("ekvae", True, (0.988, 0.997, 0.989, 0.986, 2.13e-5)),
    _row("ekvae", False, (0.712, 0.835, 0.881, 0.339, 4.38e-4)),
    _row("dvbs", True, (0.990, 0.994, 0.979, 0.991, 2.75e-4)),
    _row("dvbs", False, (0.897, 0.949, 0.963, 0.778, 4.17e-4)),
    _row("dks", True, (0.984, 0.991, 0.986, 0.980, 3.52e-4)),
    _row("dks", False, (0.693, 0.781, 0.965, 0.016, 1.12e-3)),
)


def _against_annealing(model: str, figure: str, joint: str) -> Claim:
    text = f"CO with the VHP beats annealing in the R² of the {joint}'s velocity: {model.upper()}"
    return Claim(text, Term(f"vhp-{model}-co", figure), Term(f"{model}-annealing", figure))


REACHER_ANGLES = Study(
    name="reacher-angles",
    title="Reacher, joint angles: constrained optimisation or annealing, three models",
    environment="latentrl/Reacher-v0",
    collect=("--env", "reacher"),
    train=("--state-size", "4", "--position-size", "2"),
    steps=8000,
    rows=ROWS,
    tables=(
        Table(
            "4.2a",
            "Reacher (angle data)",
            (
                Column(SHOULDER, "R² φ", ".3f"),
                Column(WRIST, "R² ψ", ".3f"),
                Column(SHOULDER_VELOCITY, "R² vel. φ", ".3f"),
                Column(WRIST_VELOCITY, "R² vel. ψ", ".3f"),
                Column(PREDICTION, "MSE predict (smoothed)", ".2e"),
            ),
            tuple(row.name for row in ROWS),
            (
                Column("mse_predict_median", "MSE median sequence", ".1e"),
                Column("mse_reconstruction", "MSE reconstruction", ".1e"),
                Column("mse_mean_observation", "MSE mean angles", ".1e"),
                Column("train_seconds", "training, s", ".0f"),
            ),
        ),
    ),
    claims=tuple(
        _against_annealing(model, figure, joint)
        for model in ("ekvae", "dvbs", "dks")
        for figure, joint in ((SHOULDER_VELOCITY, "shoulder"), (WRIST_VELOCITY, "wrist"))
    ),
    minutes={"ekvae": 8.0, "dvbs": 8.0, "dks": 8.0},
    notes=("The published figures come from the author's own data: an MSE depends on how far the arm moves.",),
)
