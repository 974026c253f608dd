"""The measurement for a GPU runs through all its parts on a processor, and goes on where one fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmarks import gpu
from benchmarks.gpu import GOALS, PARTS, Bench, goals, main, measure


def test_every_part_runs_on_a_processor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("stable_baselines3")
    found = main(["--device", "cpu", "--quick", "--out", str(tmp_path / "gpu.json")])
    assert not {name: rows["failed"] for name, rows in found.items() if "failed" in rows}
    written = json.loads((tmp_path / "gpu.json").read_text())
    assert written["quick"] is True and written["goals"] == GOALS and set(PARTS) <= set(written)
    assert set(written["reached"]) == set(GOALS)
    shown = capsys.readouterr().out
    assert all(name in shown for name in (*PARTS, *GOALS))
    # On one device the two sides of the check are the same.
    assert found["check"]["largest relative difference of a gradient"] == 0.0


def test_a_part_that_fails_is_named_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(bench: Bench) -> dict[str, float]:
        raise RuntimeError("out of memory\nmore of it")

    monkeypatch.setattr(gpu, "PARTS", {"first": broken, "second": lambda bench: {"ms": 2.0}})
    found = measure(Bench(torch.device("cpu"), True))
    assert found["first"]["failed"] == "RuntimeError: out of memory" and found["second"]["ms"] == 2.0
    monkeypatch.setattr(gpu, "TOTAL", -1.0)
    assert measure(Bench(torch.device("cpu"), True))["second"]["failed"].startswith("not begun")


def test_goals_are_ratios_of_what_was_measured_and_nothing_where_it_was_not() -> None:
    rows = {"eager, batch 50": 60.0, "graph, batch 50": 2.0, "graph, batch 500": "not recorded"}
    reached = goals({"training step, ms": rows, "quickstart": {"quickstart s": 25.0}, "reacher-pixels": {"failed": ""}})
    assert reached == {
        "eager / graph, batch 50": 30.0,
        "graph, batch 500 / batch 50": None,
        "quickstart s": 25.0,
        "pixels s": None,
    }
    assert set(reached) == set(GOALS)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([])
    assert "--device cpu --quick" in capsys.readouterr().err
