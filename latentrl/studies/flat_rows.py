"""Rows, columns and claims that two studies share: how flat a latent plane becomes, and by which part of the penalty.

Latent Matters, section 5.2.3: Tables 5.1 and 5.2, Figures 5.13 to 5.19.
"""

from __future__ import annotations

from collections.abc import Mapping

from latentrl.studies.definition import Claim, Column, Row, Table, Term

FLAT, BENT = "fm-vae", "vhp-vae-2d"
LATENT, OBSERVED = 0.93, 1.02
"""What is to be reached: the source's of motion data, Table 5.1."""
RATIOS = (
    Column("latent_ratio_graph", "latent, by a graph", ".3f"),
    Column("observed_ratio_graph", "observed, by a graph", ".3f"),
    Column("latent_ratio_chain", "latent, by chains", ".3f"),
    Column("observed_ratio_chain", "observed, by chains", ".3f"),
)
BESIDE = (
    Column("latent_ratio_graph_std", "deviation over pairs, latent", ".3f"),
    Column("observed_ratio_graph_std", "observed", ".3f"),
    Column("condition_between", "condition number between frames", ".2f"),
    Column("magnification_between", "spread of the magnification factor", ".2f"),
    Column("test_log_likelihood", "log p(x), nats", ".1f"),
    Column("mse_reconstruction", "MSE reconstruction", ".4f"),
    Column("train_seconds", "training, s", ".0f"),
)


def flat_rows(options: tuple[str, ...], flat: Mapping[str, float], bent: Mapping[str, float]) -> tuple[Row, ...]:
    """Four rows: flat, not flat, and flat without either part of its penalty.

    Args:
        options: of all of them.
        flat: the source's figures of the flat one.
        bent: those of the other.
    """
    return (
        Row(FLAT, "FM-VAE (flat)", "fm-vae", "rewo", "vhp", options=options, published=flat),
        Row(BENT, "VHP-VAE", "vhp-vae", "rewo", "vhp", options=options, published=bent),
        Row(
            "fm-vae-no-mixup",
            "FM-VAE without mixup",
            "fm-vae",
            "rewo",
            "vhp",
            options=(*options, "--flat-without", "mixup"),
        ),
        Row(
            "fm-vae-no-scale",
            "FM-VAE without c²",
            "fm-vae",
            "rewo",
            "vhp",
            options=(*options, "--flat-without", "scale"),
        ),
    )


def ratio_table(number: str, title: str, rows: tuple[Row, ...]) -> Table:
    """Table 5.1 or 5.2, with what it is to be read beside."""
    return Table(number, title, RATIOS, tuple(row.name for row in rows), BESIDE)


def flat_claims() -> tuple[Claim, ...]:
    """The source's bounds, that the penalty is what reaches them, and that both of its parts are needed."""
    return (
        Claim(
            f"flat: Euclidean distances are {LATENT} of geodesics' lengths or more (graph)",
            Term(FLAT, "latent_ratio_graph"),
            LATENT,
        ),
        Claim(
            f"flat: Euclidean distances are {LATENT} of geodesics' lengths or more (chains)",
            Term(FLAT, "latent_ratio_chain"),
            LATENT,
        ),
        Claim(
            f"flat: straight lines are at most {OBSERVED} times as long as geodesics (graph)",
            OBSERVED,
            Term(FLAT, "observed_ratio_graph"),
        ),
        Claim(
            f"flat: straight lines are at most {OBSERVED} times as long as geodesics (chains)",
            OBSERVED,
            Term(FLAT, "observed_ratio_chain"),
        ),
        *(
            Claim(text, Term(larger, figure), Term(smaller, figure))
            for text, larger, smaller, figure in (
                ("without the penalty the latent ratio is smaller (graph)", FLAT, BENT, "latent_ratio_graph"),
                ("without the penalty the observed ratio is larger (graph)", BENT, FLAT, "observed_ratio_graph"),
                ("without the penalty the observed ratio is larger (chains)", BENT, FLAT, "observed_ratio_chain"),
                (
                    "without mixup the condition number between frames is larger",
                    "fm-vae-no-mixup",
                    FLAT,
                    "condition_between",
                ),
                (
                    "without mixup the observed ratio is larger (chains)",
                    "fm-vae-no-mixup",
                    FLAT,
                    "observed_ratio_chain",
                ),
                (
                    "without c² the condition number between frames is larger",
                    "fm-vae-no-scale",
                    FLAT,
                    "condition_between",
                ),
                ("without c² the observed ratio is larger (chains)", "fm-vae-no-scale", FLAT, "observed_ratio_chain"),
            )
        ),
    )


NOTE = (
    "Length ratios are of 100 pairs of held-out frames: the Euclidean distance over the geodesic's latent length, and "
    "the straight line's Riemannian length over the geodesic's. A graph of 14,400 uniform nodes with 12 neighbours "
    "each is the source's way; its geodesics have corners, so that even of a flat plane they are a few per cent too "
    "long, and a ratio in the observations can be below 1. Chains of points of the least energy are ours, and without "
    "corners."
)
