"""Warnings counted against labels: what is a hit, a miss or a false alarm, and which trainings are made to fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.alarms import made_to_fail, main, page, verdict

WELL = {
    "untold_share": 0.01,
    "told_displacement": 0.97,
    "untold_motion": 0.0,
    "undrawn_share": 0.02,
    "mse_predict_near": 1.0,
    "mse_still_near": 2.0,
    "warnings": [],
}


def test_a_run_is_judged_by_its_own_figures_and_by_labels() -> None:
    fine = verdict(WELL, 0.99, 0.95)
    assert fine["warned"] == fine["wrong"] == {"fold": False, "motion": False, "drawing": False, "anything": False}
    folded = verdict({**WELL, "untold_share": 0.5, "warnings": ["frames that look different ..."]}, 0.4, 0.95)
    assert folded["warned"] == {"fold": True, "motion": False, "drawing": False, "anything": True}
    assert folded["wrong"] == {"fold": True, "motion": False, "drawing": True, "anything": True}
    assert verdict({**WELL, "undrawn_share": 0.4}, 0.99, 0.2)["warned"]["drawing"]
    for bad in ({"told_displacement": 0.2}, {"untold_motion": 0.5}, {"mse_predict_near": 3.0}, {"mse_mean_near": 0.5}):
        assert verdict({**WELL, **bad}, 0.99, 0.2)["warned"]["motion"], bad
    bare = verdict(WELL, None, None)
    assert bare["wrong"] == {"fold": None, "motion": None, "drawing": None, "anything": None}
    assert verdict(WELL, 0.2, None)["wrong"] == {"fold": True, "motion": None, "drawing": True, "anything": True}


def test_the_page_counts_hits_misses_and_false_alarms() -> None:
    said = ["a sentence"]
    found = {
        "hit": verdict({**WELL, "told_displacement": 0.1, "warnings": said}, 0.99, 0.2),
        "undrawn": verdict({**WELL, "undrawn_share": 0.38, "warnings": said}, 0.2, 0.99),
        "missed": verdict(WELL, 0.99, 0.3),
        "false": verdict({**WELL, "told_displacement": 0.1, "warnings": said}, 0.99, 0.99),
        "constraint": verdict({**WELL, "warnings": said}, 0.5, 0.99),
        "fine": verdict(WELL, 0.99, 0.99),
        "unknown": verdict(WELL, None, None),
    }
    lines = page(found, "make it").splitlines()
    assert "| motion or prediction is not learned | a velocity untold | 1 of 2 | 1 of 4 |" in lines
    assert "| frames that look different share a position | a position untold | 0 of 2 | 0 of 4 |" in lines
    assert "| what varies is not drawn | either | 1 of 4 | 0 of 2 |" in lines
    assert "| any warning | either | 3 of 4 | 1 of 2 |" in lines
    assert "| undrawn | 0.200 | 0.990 | 0.010 | 0.970 | 0.000 | 0.380 | drawing | yes |" in lines
    assert "| missed | 0.990 | 0.300 | 0.010 | 0.970 | 0.000 | 0.020 | nothing | **no** |" in lines
    assert "| constraint | 0.500 | 0.990 | 0.010 | 0.970 | 0.000 | 0.020 | constraint | yes |" in lines
    assert "| unknown | – | – | 0.010 | 0.970 | 0.000 | 0.020 | nothing | – |" in lines


def test_what_is_made_to_fail_has_the_sizes_and_the_data_of_what_was_not(tmp_path: Path) -> None:
    run = tmp_path / "suite" / "arm" / "seed0" / "model"
    run.mkdir(parents=True)
    (run / "settings.json").write_text(json.dumps({"model": {"settings": {"position_size": 4, "state_size": 8}}}))
    data = run.parent / "data"
    again = tmp_path / "suite" / "arm" / "seed1" / "model"
    made = made_to_fail({"arm, seed 0": (run, data), "arm, seed 1": (again, data)}, tmp_path / "out")
    assert list(made) == ["arm, 300 steps", "arm, source's recipe"], "seed 0 alone"
    folders = {place for place, _, _ in made.values()}
    assert len(folders) == 2 and all(place.parent == tmp_path / "out" for place in folders)
    for _, of, words in made.values():
        text = " ".join(words)
        assert of == data and f"--data {data}" in text and "--position-size 4 --state-size 8" in text


def test_without_runs_it_says_what_makes_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = [word for flag in ("--suite", "--rods", "--out") for word in (flag, str(tmp_path / flag[2:]))]
    with pytest.raises(SystemExit):
        main(nowhere)
    assert "latentrl suite" in capsys.readouterr().err
