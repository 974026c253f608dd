"""Which model controls better: five models, five agents, a pendulum's swing-up and an arm's poses."""

from __future__ import annotations

from latentrl.studies.contests.definition import Contest, success_rate
from latentrl.studies.definition import Claim, Row, Term
from latentrl.studies.pendulum import EFFORT
from latentrl.studies.systems.base import GOAL, Evaluation, System

SWING_UP = System(
    name="swing-up",
    title="Swing-up of the image pendulum",
    record=("--env", "pendulum"),
    learn=("--goal", GOAL),
    evaluations=(
        Evaluation(
            "swing-up",
            "50 hanging at rest: upright within 0.2 rad for the last 5 of 20 s",
            ("--task", "swing-up", "--no-video"),
            "successes",
            0.9,
        ),
    ),
    minutes={"collect": 0.1, "learn": 1.0, "evaluate": 1.5},
)
REACH = System(
    name="reach",
    title="Poses of the reacher, joint angles observed",
    needs=("dm_control", "mujoco"),
    install='pip install "latentrl[reacher]"',
    record=("--env", "reacher", "--observation", "angles"),
    train=("--state-size", "4", "--position-size", "2"),
    learn=("--goal", "any", "--action-limit", "0.5"),
    evaluations=(
        Evaluation(
            "reach",
            "100 poses: both joints within 0.05 rad for the last 1 of 6 s, no self-collision",
            ("--task", "reach", "--no-video"),
            "successes",
            0.9,
        ),
    ),
    minutes={"collect": 0.5, "learn": 2.0, "evaluate": 2.0},
)


def _row(model: str) -> Row:
    return Row(model, f"VHP-{model.upper()} (CO)", model, "rewo", "vhp")


def _controls_better(model: str, system: System) -> Claim:
    figure = success_rate(system.name)
    return Claim(
        f"The EKVAE controls better: {system.name}, against {model.upper()}", Term("ekvae", figure), Term(model, figure)
    )


OTHERS = ("dks", "dvbs", "kvae", "rssm")
CONTROL = Contest(
    name="control",
    title="Swing-up and reaching: five models, five agents",
    claim="the source's claim that a disentangled, Markovian state (the EKVAE's) makes better control",
    systems=(SWING_UP, REACH),
    rows=tuple(map(_row, ("ekvae", *OTHERS))),
    steps=8000,
    claims=tuple(_controls_better(model, system) for system in (SWING_UP, REACH) for model in OTHERS),
    minutes={"ekvae": 5.5, "dvbs": 4.5, "dks": 5.0, "kvae": 5.5, "rssm": 5.5},
    # A memory is rolled forward with every candidate of a planner.
    acting={"ekvae": 0.3, "dvbs": 0.5, "dks": 4.0, "kvae": 5.0, "rssm": 9.0},
    notes=(
        "DVBS and DKS take three times the steps of the others to learn from pictures, as in the other studies.",
        "All agents have the commands' default settings; none was tuned to a model.",
        "The state of a KVAE or an RSSM holds a memory beside z: planners and policies see all of it.",
    ),
    # As many steps of pictures, and of joint angles, as in the other studies.
    effort={SWING_UP.name: EFFORT},
)
