"""Single pictures of the pendulum: Table 3.1 of Latent Matters, and what its Figures 3.2, 3.3 and 3.6 show."""

from __future__ import annotations

from latentrl.studies.definition import Claim, Column, Row, Study, Table, Term
from latentrl.studies.pendulum_pictures import COLLECT, ENVIRONMENT, PICTURES, trained

BATCH, STEPS = 100, 40_000
ERROR = "polar_error_angle"
REACHED = 0.054
"""The source's error with VHP and REWO, in rad."""


def _warm_up(epochs: int, published: float) -> Row:
    share = epochs * PICTURES / BATCH / STEPS
    label = f"VHP + WU ({epochs} epochs)"
    return Row(f"vhp-wu-{epochs}", label, "vhp-vae", "annealing", "vhp", share, published={ERROR: published})


def _row(objective: str, label: str, published: float) -> Row:
    return Row(f"vhp-{objective}", label, "vhp-vae", objective, "vhp", published={ERROR: published})


ROWS = (
    _row("rewo", "VHP + REWO", REACHED),
    _row("geco", "VHP + GECO", 0.53),
    _row("elbo", "VHP", 0.49),
    _warm_up(20, 0.20),
    _warm_up(200, 0.31),
)
STATIC_PENDULUM = Study(
    name="static-pendulum",
    title="Single pictures of the pendulum: five ways to train the hierarchical prior",
    environment=ENVIRONMENT,
    collect=COLLECT,
    train=trained(BATCH),
    steps=STEPS,
    rows=ROWS,
    tables=(
        Table(
            "3.1",
            "Pendulum (single pictures): the angle, told by the polar angle of the encoding",
            (Column(ERROR, "absolute error, rad", ".3f"),),
            tuple(row.name for row in ROWS),
            (
                Column("r2_angle", "R² ang", ".3f"),
                Column("test_log_likelihood", "log p(x), nats", ".1f"),
                Column("test_rate", "rate, nats", ".2f"),
                Column("mse_reconstruction", "MSE reconstruction", ".1e"),
                Column("mse_mean_image", "MSE mean image", ".1e"),
                Column("train_seconds", "training, s", ".0f"),
            ),
        ),
    ),
    claims=(
        Claim(f"VHP + REWO tells the angle to {REACHED} rad", REACHED, Term(ROWS[0].name, ERROR)),
        *(
            Claim(
                f"REWO tells the angle better than {row.label}", Term(row.name, ERROR), Term(ROWS[0].name, ERROR), True
            )
            for row in ROWS[1:]
        ),
    ),
    minutes={"vhp-vae": 30.0},
    notes=(
        "The error is that of ordinary least squares on the polar angle around the centre of the circle that fits the "
        "encodings best; guessing is off by pi / 2, and the networks' first random weights by about a half.",
        "The source names neither batch nor length of its trainings, nor the first beta: here 100, 40,000 steps (267 "
        "epochs) and 0.001.",
    ),
)
