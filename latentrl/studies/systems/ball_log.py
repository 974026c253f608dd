"""Recordings of a ball on a table, imported: nobody acted in an environment, which is there for judging alone."""

from __future__ import annotations

from latentrl.studies.systems.base import LOG, PHOTO, Evaluation, System

SCRIPT = "from pathlib import Path; from tests.table import write_log; write_log(Path('{log}'), {count}, 20, 60, SEED)"

BALL_LOG = System(
    name="ball-log",
    title="a recorded log: a ball on a table",
    needs=("tests.table",),
    install="run it from the root of the repository, whose tests have the table",
    log=SCRIPT.format(log=LOG, count=600),
    small_log=SCRIPT.format(log=LOG, count=20),
    record=(
        *("--goal", PHOTO, "--truth", "ball", "--fps", "10", "--size", "24x32", "--grey"),
        *("--length", "20", "--stride", "10"),
    ),
    train=("--position-size", "2", "--state-size", "4"),
    declares="ball_log.toml",
    evaluations=(
        Evaluation(
            "middle",
            "20 anywhere: minus the distance from the middle in m, summed over 60 steps",
            ("--env", "tests.table:tests/Table-v0", "--episodes", "20", "--steps", "60"),
        ),
    ),
    note="600 recordings of 20 to 60 frames, as in [the walk](../own-recordings.md#a-walk-a-ball-on-a-table).",
)
