"""Riemannian distances between pictures of the pendulum against its angle: section 5.1.4.1 of Latent Matters.

The source shows lengths against angles (Figure 5.3), and of one pair of pictures that the geodesic is 0.538 long and
the straight line 0.827 (Figure 5.2). It gives neither a measure of linearity nor a mean over pairs.
"""

from __future__ import annotations

from latentrl.studies.definition import Claim, Column, Row, Study, Table, Term
from latentrl.studies.pendulum_pictures import COLLECT, ENVIRONMENT, trained

BATCH, STEPS = 25, 8000
LINEAR, SHORTER = 0.99, 0.65
"""R² from which a distance counts as linear in the angle; the source's lengths of one pair, 0.538 over 0.827."""
KINDS = {"network": "network", "graph": "graph", "discretised": "chain"}
"""Geodesics, and what they are called in a table."""

IWAE = Row("iwae", "IWAE", "iwae", "elbo", "normal", options=("--samples", "50"))
ROWS = (
    IWAE,
    # Its bound has to be met first, and beta to rise; a step costs a third of an IWAE's.
    Row("vhp-vae", "VHP-VAE", "vhp-vae", "rewo", "vhp", effort=3.0),
    Row("fm-vae", "FM-VAE (flat)", "fm-vae", "rewo", "vhp", effort=3.0),
)
LENGTHS = (*KINDS.items(), ("line", "straight line"))

FLATTER = Claim(
    "where the space was trained flat, straight lines are nearer to geodesics (graph, as in section 5.2.3)",
    Term("fm-vae", "ratio_graph"),
    Term("vhp-vae", "ratio_graph"),
)


def shorter(row: Row, share: float) -> tuple[Claim, ...]:
    """That geodesics of each kind have at most that ``share`` of the straight line's length, in the mean of pairs."""
    return tuple(
        Claim(
            f"the geodesic ({label}) is at most {share} as long as the straight line, in the mean of all pairs",
            share,
            Term(row.name, f"ratio_{name}"),
        )
        for name, label in KINDS.items()
    )


GEOMETRY = Study(
    name="geometry",
    title="Single pictures of the pendulum: what Riemannian distances tell of the angle",
    environment=ENVIRONMENT,
    collect=COLLECT,
    train=trained(BATCH),
    steps=STEPS,
    rows=ROWS,
    tables=(
        Table(
            "1",
            "R² of the angle between held-out pictures, told by the Riemannian length of the way between (100 pairs)",
            tuple(Column(f"r2_{name}", label, ".4f") for name, label in LENGTHS),
            tuple(row.name for row in ROWS),
            (
                Column("r2_euclid", "R² Euclidean, latent", ".3f"),
                Column("r2_data", "R² along the data", ".4f"),
                Column("r2_angle", "R² angle from z", ".3f"),
                Column("condition_number", "condition number", ".2f"),
                Column("test_log_likelihood", "log p(x), nats", ".1f"),
                Column("mse_reconstruction", "MSE reconstruction", ".1e"),
                Column("train_seconds", "training, s", ".0f"),
            ),
        ),
        Table(
            "2",
            "The geodesic's length over the straight line's, mean of 100 pairs",
            (
                *(Column(f"ratio_{name}", label, ".3f") for name, label in KINDS.items()),
                *(Column(f"far_ratio_{name}", f"{label}, beyond 120°", ".3f") for name, label in KINDS.items()),
            ),
            tuple(row.name for row in ROWS),
            tuple(Column(f"seconds_{name}", f"{label}, processor s", ".1f") for name, label in KINDS.items()),
        ),
    ),
    claims=(
        *(
            Claim(
                f"the Riemannian distance is linear in the angle ({label}): R² of {LINEAR} or more",
                Term(IWAE.name, f"r2_{name}"),
                LINEAR,
            )
            for name, label in KINDS.items()
        ),
        *(
            Claim(
                f"the straight line's Riemannian length is less linear ({label})",
                Term(IWAE.name, f"r2_{name}"),
                Term(IWAE.name, "r2_line"),
            )
            for name, label in KINDS.items()
        ),
        *shorter(IWAE, SHORTER),
        FLATTER,
    ),
    minutes={"iwae": 6.0, "vhp-vae": 2.5, "fm-vae": 3.5},
    notes=(
        "The source publishes neither R² nor a mean over pairs: it shows lengths against angles (Figure 5.3), and one "
        "pair's, 0.538 and 0.827, a ratio of 0.65. Between close pairs the straight line is nearly a geodesic, so that "
        "a mean over random pairs asks for more than one wide pair.",
        "Every curve is measured alike, by 256 points of the polygon that was found, the straight line too.",
        "The source names neither batch nor length of its training: here 25 pictures and 8,000 steps (13 epochs), "
        "three times as many of a VHP-VAE. Its networks are two layers of 512 with tanh (Table A.7), here four of 256 "
        "with ReLU (Table A.1). The IWAE has its 50 samples.",
    ),
    measurement="geodesics",
)
