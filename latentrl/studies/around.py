"""Where the straight line to the goal is a dead end: three distances, a planner and a policy, an unseen wall."""

from __future__ import annotations

from latentrl.studies.contests.definition import Contest, success_rate
from latentrl.studies.definition import Claim, Row, Term
from latentrl.studies.systems.base import GOAL, Evaluation, System

MAZE = System(
    name="around",
    title="Around a wall that no picture shows",
    record=("--env", "maze"),
    train=("--position-size", "2", "--state-size", "4"),
    learn=("--goal", GOAL),
    evaluations=(
        Evaluation(
            "around",
            "50 at rest on the other side of the wall: within 0.15 m of the goal for the last 2 of 20 s",
            ("--task", "around", "--no-video"),
            "successes",
            0.9,
        ),
    ),
    minutes={"collect": 0.1, "learn": 1.0, "evaluate": 1.0},
)
GEODESIC, FLAT = ("--distance", "geodesic"), ("--distance", "flat")
AGENTS = {
    "cem": "CEM, Euclidean",
    "cem-geodesic": "CEM, geodesic",
    "cem-flat": "CEM, flat",
    "policy": "policy, Euclidean",
    "policy-geodesic": "policy, geodesic",
    "policy-flat": "policy, flat",
    "cem-true": "CEM, Euclidean, on the true physics",
    "random": "random",
}
PLAIN, FLATTENED = "ekvae", "ekvae-flat"
SUCCESSES = {agent: Term(PLAIN, success_rate(MAZE.name, agent)) for agent in ("cem", "policy")}


def _arrives_more_often(actor: str, label: str, distance: str, row: str) -> Claim:
    term = Term(row, success_rate(MAZE.name, f"{actor}-{distance}"))
    return Claim(f"By the {distance} distance {label} arrives more often than by the Euclidean", term, SUCCESSES[actor])


AROUND = Contest(
    name="around",
    title="Where the straight line is a dead end: three distances",
    claim="the claim that a distance along the data leads to a goal that the straight line of the latent space misses",
    systems=(MAZE,),
    rows=(
        Row(PLAIN, "EKVAE", "ekvae", "rewo", "vhp"),
        Row(FLATTENED, "EKVAE, flat", "ekvae", "rewo", "vhp", options=("--flat", "300")),
    ),
    steps=3000,
    claims=tuple(
        _arrives_more_often(actor, label, distance, row)
        for distance, row in (("geodesic", PLAIN), ("flat", FLATTENED))
        for actor, label in (("cem", "CEM"), ("policy", "a policy"))
    ),
    minutes={"ekvae": 3.0},
    notes=(
        "Both models are the verbs' defaults but for the sizes of the state, all agents are too: nothing was tuned.",
        "CEM on the true physics knows walls and state without error, and is told the Euclidean distance in metres: "
        "what it misses, no better model mends.",
        "The flat distance is a straight line too, by another ruler: it goes around nothing.",
    ),
    agents=AGENTS,
    learners={"policy-geodesic": GEODESIC, "policy-flat": FLAT},
    planners={
        "cem-geodesic": ("cem", *GEODESIC),
        "cem-flat": ("cem", *FLAT),
        "cem-true": ("cem", "--physics", "true"),
    },
    only_in={
        **dict.fromkeys(("cem", "cem-geodesic", "policy", "policy-geodesic", "cem-true", "random"), (PLAIN,)),
        **dict.fromkeys(("cem-flat", "policy-flat"), (FLATTENED,)),
    },
)
"""The flat distance is asked of a model that was trained to be flat, the others of one that was not."""
