"""The table of one rod at many sizes and rates: what it runs, and what it says of what was run."""

from __future__ import annotations

from pathlib import Path

import pytest

from latentrl.data_collection.options import parse
from latentrl.studies.suite.chain import Chain
from tools.rods import KNOWN, RODS, Rod, main, table


def test_every_rod_is_recorded_as_its_row_says(tmp_path: Path) -> None:
    assert set(RODS) < set(KNOWN.values()), "two of one name"
    for name, rod in KNOWN.items():
        chain = Chain.of(rod.system(None), 0, tmp_path)
        given = parse(list(chain.command(chain.step("collect"))[2:]))
        kwargs = {"picture": "rod", "control_step": rod.control_step, "background": rod.background}
        assert given.env_kwargs == kwargs | {"size": rod.size, "noise": rod.noise}, name
        assert given.repeat == rod.repeat


def test_nothing_but_the_steps_of_training_is_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "24-noiseless", "--list", "--out", "here"]) == 0
    plain = capsys.readouterr().out
    data, run = "here/24-noiseless/seed0/data", "here/24-noiseless/seed0/model"
    assert f"latentrl.train --data {data} --run {run} --device cpu --seed 0\n" in plain
    assert f"latentrl.learn --run {run} --seed 0\n" in plain
    assert main(["--only", "24-noiseless", "--list", "--out", "here", "--steps", "40"]) == 0
    assert capsys.readouterr().out.replace(" --steps 40", "") == plain


def test_the_table_says_what_was_reached_and_what_was_not() -> None:
    steps = {"collect": {"state": "finished", "seconds": 5.0}, "train": {"state": "finished", "seconds": 95.4}}
    whole = {
        "steps": steps,
        "r2": {"angle": 0.98765, "velocity": 0.5},
        "figures": {"mse_predict_near": 0.001, "mse_still_near": 0.004},
        "train_seconds": 90.2,
        "warnings": [],
        "evaluations": {"swing-up": {"policy": {"success": [True, False, True]}}},
    }
    broken = {"steps": {"train": {"state": "failed", "seconds": 1.0, "reason": "no | memory"}}, "evaluations": {}}
    names = [Rod(16, 0.0).name, Rod(48, 0.0).name]
    text = table({"systems": {names[1]: [broken], names[0]: [whole]}, "quick": False}, "make it")
    rows = [line for line in text.splitlines() if line.startswith("| ")][2:]
    assert rows == [
        "| 16 x 16, noise 0, black, 0.1 s | 0.9877 | 0.5000 | 0.250 | 2 of 3 | – | 90 | 100 | none |",
        "| 48 x 48, noise 0, black, 0.1 s | – | – | – | – | – | – | 1 | train failed: no \\| memory |",
    ]
    assert "No result" not in text and "No result" in table({"systems": {}, "quick": True}, "make it")
