"""Motion capture: Latent Matters, Figures 3.8 to 3.11, Table 5.1 and Figures 5.13 to 5.17."""

from __future__ import annotations

from latentrl.studies.definition import MAKING, Claim, Column, Row, Study, Table, Term
from latentrl.studies.flat_rows import BENT, FLAT, NOTE, flat_claims, flat_rows, ratio_table

BATCH, STEPS = 25, 2000
SMOOTH, STRAIGHT = "roughness_graph", "roughness_line"
PLANE = ("--samples", "32")

RIVALS = (
    Row("vamp", "VampPrior + WU", "vamp-vae", "annealing", "vamp", annealing=0.25),
    Row("iwae", "IWAE", "iwae", "elbo", "normal", options=("--samples", "32")),
)
FLATNESS = flat_rows(
    PLANE,
    {"latent_ratio_graph": 0.93, "observed_ratio_graph": 1.02},
    {"latent_ratio_graph": 0.82, "observed_ratio_graph": 1.23},
)
COMPARED = (FLATNESS[1], *RIVALS)

MOTION = Study(
    name="motion",
    title="Human motion: how smooth interpolations are, and flat latent planes",
    environment=None,
    collect=("motion",),
    collector=MAKING,
    train=("--position-size", "2", "--kappa", "0.18", "--batch", str(BATCH)),
    steps=STEPS,
    rows=(*FLATNESS, *RIVALS),
    tables=(
        Table(
            "3.11",
            "Motion capture: smoothness factor of ways through the prior, mean of all joints (less is smoother)",
            (Column(SMOOTH, "10 graphs, 100 ways each, rad", ".4f"),),
            tuple(row.name for row in COMPARED),
            (
                Column(STRAIGHT, "straight lines, rad", ".4f"),
                Column("test_log_likelihood", "log p(x), nats", ".1f"),
                Column("test_rate", "rate, nats", ".2f"),
                Column("mse_reconstruction", "MSE reconstruction, rad²", ".4f"),
                Column("mse_mean_observation", "MSE mean frame, rad²", ".4f"),
                Column("train_seconds", "training, s", ".0f"),
            ),
        ),
        ratio_table("5.1", "Motion capture: length ratios of straight lines and geodesics", FLATNESS),
    ),
    claims=(
        *(
            Claim(f"VHP + REWO interpolates more smoothly than {row.label}", Term(row.name, SMOOTH), Term(BENT, SMOOTH))
            for row in RIVALS
        ),
        Claim("VampPrior + WU interpolates more smoothly than IWAE", Term("iwae", SMOOTH), Term("vamp", SMOOTH)),
        Claim("flat: straight lines decode more smoothly than without", Term(BENT, STRAIGHT), Term(FLAT, STRAIGHT)),
        *flat_claims(),
    ),
    minutes={"vhp-vae": 2.5, "fm-vae": 3.0, "vamp-vae": 1.0, "iwae": 2.5},
    notes=(
        "The source's five motions of CMU's database are 50 preprocessed numbers a frame. Which clips these are, and "
        "how many, the data folder's metadata.json says (origin, labels).",
        "Kappa is 0.18 rad, by a look at how far 500 steps come; the source's, 0.02 and 0.03, are in units of its own.",
        "Of a motion with several clips whole clips are held out, of a single clip one end; the source does not say "
        "what it held out.",
        "The smoothness factor is the root mean square of second differences along a way (3.5.2), here of 33 points "
        "evenly along it in the latent space; the source names no number.",
        NOTE,
    ),
    measurement="manifold",
)
